import type { FallbackInUse, RouteRecord } from '../../../domain/route';
import type { ApplyResult } from '../../../gateway/protocol';
import type { HaproxyService } from './layout';
import type { MapView } from './map-entries';
import type { StoredRoute, WrittenRoute } from './stored-route';

export type Refusal = Extract<ApplyResult, { applied: false }>;

/** The record that HAProxy has in force, if it is one of those that were written down for it. */
export function writtenBy(stored: StoredRoute, view: MapView): WrittenRoute | null {
  const known = [stored.intended, stored.confirmed];
  return known.find((written) => written !== null && written.digest === view.digest) ?? null;
}

/** Why a record that differs from the one written down last is not taken; null where it is. */
export function refusalOf(
  record: RouteRecord,
  stored: StoredRoute,
  highest: number,
): { readonly why: Refusal['why']; readonly detail: string } | null {
  const { epoch } = record;
  if (epoch < highest) return { why: 'stale-epoch', detail: `epoch ${epoch} is below ${highest}, which was applied` };
  if (epoch < stored.floor) return { why: 'below-floor', detail: `epoch ${epoch} is below the floor ${stored.floor}` };
  if (epoch === highest && highest > 0) {
    return { why: 'same-epoch-other-content', detail: `epoch ${epoch} was applied with another content` };
  }
  if (record.gap !== undefined)
    return {
      why: 'invalid',
      detail: 'gap: found one, expected none: HAProxy answers no request in a gap by its own count',
    };
  if (record.share?.mirror || record.share?.degrade)
    return {
      why: 'invalid',
      detail:
        'share: HAProxy neither copies requests nor changes answers, so a drill is a share of a really worse version there (lastgood drill run --version V --live), or needs the gateway (router.kind: gateway)',
    };
  const roles = { primary: record.primary, share: record.share?.version, fallback: record.fallback };
  for (const [role, version] of Object.entries(roles)) {
    if (version !== undefined && (record.backends[version] ?? []).length === 0) {
      return { why: 'no-backend', detail: `backends.${version}: the ${role} has no backend` };
    }
  }
  return null;
}

/** HAProxy speaks TLS to all servers of a service or to none: which, stands in its configuration. */
export function schemeRefusal(record: RouteRecord, { serverTls = null }: HaproxyService): string | null {
  const scheme = serverTls === null ? 'http://' : 'https://';
  for (const [version, copies] of Object.entries(record.backends)) {
    const odd = copies.find(({ address }) => !address.startsWith(scheme));
    if (odd !== undefined) {
      const has = serverTls === null ? 'no TLS' : 'TLS';
      return `backends.${version}: found ${odd.address}, expected ${scheme}: HAProxy's configuration has ${has} to the servers of this service`;
    }
  }
  return null;
}

/** Versions other than the primary on which sessions may stay, and until when. */
export function holdsOf(record: RouteRecord, nowMs: number): Map<string, number> {
  const holds = new Map<string, number>();
  const ends = [...record.pins, ...(record.share ? [record.share] : [])];
  for (const { version, until } of ends) {
    if (version === record.primary || until <= nowMs) continue;
    holds.set(version, Math.max(until, holds.get(version) ?? 0));
  }
  return holds;
}

export function fallbackOf({ epoch, primary, fallback }: RouteRecord, since: number | null): FallbackInUse | null {
  if (since === null || fallback === undefined) return null;
  return { version: fallback, since, epoch, reason: `no server of ${primary} answered; HAProxy went to ${fallback}` };
}
