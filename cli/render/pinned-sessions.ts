import type { ServiceView } from '../../api/types';
import { plural, span, when } from './words';

/** Sessions on one version other than the one in force. */
export interface PinnedSessions {
  readonly version: string;
  readonly sessions: number;
  /** Milliseconds since 1970: by then the last of them has moved to the version in force. */
  readonly lastEndsAt: number;
  readonly leftMs: number;
}

/** As the router counts them, most of them first; null where the router does not answer. */
export function pinnedSessions({ gateway }: ServiceView, now: number): PinnedSessions[] | null {
  if (!gateway) return null;
  return Object.entries(gateway.pinned)
    .filter(([version, { lastEndsAt }]) => version !== gateway.record?.primary && lastEndsAt > now)
    .map(([version, { sessions, lastEndsAt }]) => ({ version, sessions, lastEndsAt, leftMs: lastEndsAt - now }))
    .sort((left, right) => right.sessions - left.sessions);
}

/** Of the router where it answers, else what the declared route allows. */
export function pinnedLines(view: ServiceView, now: number): string[] {
  const counted = pinnedSessions(view, now);
  if (counted)
    return counted.map(
      ({ version, sessions, lastEndsAt, leftMs }) =>
        `${plural(sessions, 'session')} pinned to ${version}, the last one until ${when(lastEndsAt, now)} (${span(leftMs)} left)`,
    );
  const pins = view.status?.state.declared?.pins ?? [];
  return pins
    .filter(({ until }) => until > now)
    .map(
      ({ version, until }) =>
        `old sessions may stay on ${version} until ${when(until, now)} (${span(until - now)} left); how many, only the router knows`,
    );
}
