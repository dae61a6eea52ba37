import type { Alert } from '../alert';
import { clock, duration } from '../service/messages-for-people';

export interface CacheBehind {
  readonly service: string;
  readonly cache: string;
  readonly incident: string | null;
  readonly operation: string;
  readonly left: string | null;
  readonly version: string;
  readonly why: string;
  readonly staleUntil: number;
}

/** Old answers may be served by a cache that could not be told of the change. */
export function cacheBehindAlert(about: CacheBehind, at: number): Alert {
  const { service, cache, incident, operation, left, version, why, staleUntil } = about;
  const old = left === null || left === version ? 'an older version' : left;
  return {
    key: `${service}/${operation}/cache/${cache}`,
    service,
    incident,
    severity: 'ticket',
    at,
    title: `${service}: the cache ${cache} may still serve answers of ${old}`,
    wrong: `${cache} was not brought to ${version}: ${why}.`,
    did: `The traffic is on ${version} and stays there. It is tried again, at least every 5 minutes, until the cache follows or a newer change replaces it.`,
    users: `new answers come from ${version}; whoever asks the cache may get those of ${old} until ${clock(staleUntil)}`,
    must: `See that the cache answers. If that takes long, empty it yourself, or let the applications go round it.`,
    command: `lastgood caches invalidate ${service} ${cache} --reason '…'`,
    link: null,
  };
}

export function cacheFollowsAlert(about: CacheBehind, at: number, afterMs: number): Alert {
  const { service, cache, version } = about;
  return {
    ...cacheBehindAlert(about, at),
    key: `${service}/${about.operation}/cache/${cache}/follows`,
    severity: 'info',
    title: `${service}: the cache ${cache} follows`,
    wrong: `It had not been brought to ${version} for ${duration(afterMs)}.`,
    did: `It is on ${version} now.`,
    users: `served by ${version}, from the cache too`,
    must: 'Nothing.',
    command: `lastgood caches ${service}`,
  };
}
