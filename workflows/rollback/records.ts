import { versionsInForce, type Backend, type Pin, type RouteRecord } from '../../domain/route';

/** What every record of one operation is made from. */
export interface RecordFacts {
  /** The record in force: the declared route, or the last one that this operation applied; null where nothing was live. */
  readonly base: RouteRecord | null;
  readonly service: string;
  /** The version that served when the operation was decided. */
  readonly left: string | null;
  readonly epoch: number;
  readonly now: number;
  readonly keepPinsMs: number;
  /** The left version must stay reachable, because a failed verify returns to it. */
  readonly keepLeft: boolean;
}

interface Target {
  readonly version: string;
  readonly backend: Backend;
  /** Its copies on other hosts. */
  readonly others?: readonly Backend[] | undefined;
}

/** All new requests to the target; sessions of the left version stay where the policy keeps them. */
export function shiftedRecord(facts: RecordFacts, target: Target): RouteRecord {
  const { base, left, now, keepPinsMs, service, epoch } = facts;
  const pins: Pin[] = (base?.pins ?? []).filter(
    ({ version, until }) => until > now && version !== target.version && version !== left,
  );
  if (left !== null && keepPinsMs > 0 && left !== target.version) pins.push({ version: left, until: now + keepPinsMs });
  return assembled(facts, { service, epoch, primary: target.version, pins }, target);
}

/** A part of the new requests to the target, until the router ends it by itself. */
export function sharedRecord(
  facts: RecordFacts & { readonly base: RouteRecord },
  target: Target,
  share: { readonly weight: number; readonly until: number },
): RouteRecord {
  const { base, now, service, epoch } = facts;
  const pins = base.pins.filter(({ until }) => until > now);
  const { primary } = base;
  const record = { service, epoch, primary, share: { version: target.version, ...share }, pins };
  return assembled(facts, hasProof(base, target) ? { ...record, fallback: base.fallback } : record, target);
}

/**
 * The left version is still primary: should it die between two stages, the router helps itself as before. Only by the copy
 * that was named, whose proof is kept; a fresh one of the same version holds none.
 */
function hasProof(base: RouteRecord, { version, backend }: Target): base is RouteRecord & { fallback: string } {
  const named = base.backends[base.fallback ?? ''] ?? [];
  return base.fallback !== undefined && (base.fallback !== version || named[0]?.instance === backend.instance);
}

/** All requests back to the version that served when the operation was decided; its old pins still hold. */
export function returnedRecord(facts: RecordFacts, route: RouteRecord): RouteRecord {
  const { now, service, epoch } = facts;
  const pins = route.pins.filter(({ version, until }) => until > now && version !== route.primary);
  return assembled({ ...facts, base: route }, { service, epoch, primary: route.primary, pins }, null);
}

function assembled(
  { base, left, now, keepLeft }: RecordFacts,
  record: Omit<RouteRecord, 'backends'>,
  target: Target | null,
): RouteRecord {
  const needed = new Set(versionsInForce({ ...record, backends: {} }, now));
  if (keepLeft && left !== null) needed.add(left);
  const backends: Record<string, readonly Backend[]> = {};
  for (const version of [...needed].sort()) {
    const kept =
      version === target?.version ? [target.backend, ...(target.others ?? [])] : (base?.backends[version] ?? []);
    if (kept.length > 0) backends[version] = kept;
  }
  // A pin without a copy to go to would be refused by the router; its sessions follow the primary.
  const pins = record.pins.filter(({ version }) => backends[version] !== undefined);
  return { ...record, pins, backends };
}
