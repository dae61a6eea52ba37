import type { AnswerReason, FallbackInUse, RouteRecord } from '../domain/route';

export interface Choice {
  readonly version: string;
  readonly reason: AnswerReason;
}

/** The version that new requests without a pin get when the share does not take them. */
export function mainVersion(record: RouteRecord, fallback: FallbackInUse | null): Choice {
  return fallback ? { version: fallback.version, reason: 'fallback' } : { version: record.primary, reason: 'primary' };
}

export function shareInForce(record: RouteRecord, nowMs: number): RouteRecord['share'] {
  return record.share !== undefined && record.share.until > nowMs ? record.share : undefined;
}

/** The share that users take part in: one on copies of their requests is none for them. */
export function usersShare(record: RouteRecord, nowMs: number): RouteRecord['share'] {
  const share = shareInForce(record, nowMs);
  return share?.mirror ? undefined : share;
}

/** The share that gets copies of the requests. */
export function mirrorShare(record: RouteRecord, nowMs: number): RouteRecord['share'] {
  const share = shareInForce(record, nowMs);
  return share?.mirror ? share : undefined;
}

/** Until when sessions that began on `version` may stay there under this record; 0 when they may not. */
export function pinHoldsUntil(record: RouteRecord, version: string, nowMs: number): number {
  if (version === record.primary) return Infinity;
  let until = 0;
  for (const pin of record.pins) if (pin.version === version && pin.until > nowMs) until = Math.max(until, pin.until);
  const share = usersShare(record, nowMs);
  // A session that began on the share stays on it while the share runs: else it would change version at each request.
  if (share?.version === version) until = Math.max(until, share.until);
  return until;
}

/**
 * The whole choice of a version: record, time, pin of the session, fallback in use, and one random number in [0, 1).
 * A pinned session never takes part in the share: `weight` is the part of the unpinned requests.
 */
export function chooseVersion(
  record: RouteRecord,
  nowMs: number,
  pinned: string | undefined,
  fallback: FallbackInUse | null,
  random: number,
): Choice {
  const share = usersShare(record, nowMs);
  if (pinned !== undefined && pinHoldsUntil(record, pinned, nowMs) > 0) {
    if (pinned === record.primary) return mainVersion(record, fallback);
    if (share?.version === pinned) return { version: pinned, reason: share.drill === undefined ? 'share' : 'drill' };
    return { version: pinned, reason: 'pin' };
  }
  if (share !== undefined && random < share.weight) {
    return { version: share.version, reason: share.drill === undefined ? 'share' : 'drill' };
  }
  return mainVersion(record, fallback);
}
