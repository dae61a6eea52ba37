import { namesInstance, versionsInForce, type ObservedRoute, type RouteRecord } from '../route';
import type { Actor, Json } from '../ledger';
import type { Check } from './check';
import { endIncident } from './incident';
import { fenceOperation } from './operations';
import type { OperatorMessage } from './messages';
import type { ServiceState } from './state';
import type { Turn } from './turn';

type Detach = Extract<OperatorMessage, { name: 'detach' }>;

/** Facts of one entry are at most 12 KiB; one of very many hosts is read from the router instead. */
const ROUTE_LIMIT_CHARS = 6_000;

/** What is under way is ended by a person first, or by `force`; a gap is never left to nobody. */
export function checkDetach(state: ServiceState, { force = false }: Detach, now: number): Check {
  const no = (why: string): Check => ({ ok: false, why });
  const { operation, drill } = state;
  const declared = inForce(state);
  if (declared?.gap) return no('nobody serves in this moment (swap: stop-first); wait until the new copy does');
  if (force) return { ok: true };
  const end = `lastgood cancel ${state.service} ends it, --force detaches all the same`;
  if (operation) return no(`${operation.kind} ${operation.id} is in flight (step ${operation.step}); ${end}`);
  if (drill) return no(`drill ${drill.id} is under way; ${end}`);
  const pins = (declared?.pins ?? []).filter(({ until }) => until > now);
  const last = Math.max(...pins.map(({ until }) => until));
  return pins.length === 0
    ? { ok: true }
    : no(
        `sessions are pinned to ${pins.map(({ version }) => version).join(', ')} until ${new Date(last).toISOString()}; ` +
          'detach after that, or with --force, which moves them to the version that serves',
      );
}

/** The record that serves: one that somebody else wrote above ours counts, as it does for `resume`. */
function inForce({ declared, foreign }: ServiceState): RouteRecord | null {
  return foreign && foreign.epoch >= (declared?.epoch ?? 0) ? foreign : declared;
}

/**
 * The last decision of this service: who serves goes on to serve, by a record that needs nobody. What is done for it is the
 * detachment's work, which outlives the service workflow.
 */
export function detach(turn: Turn, { reason, force = false }: Detach, actor: Actor): string {
  const { state, now } = turn;
  const { operation, drill, declared, fallbackInUse, incident } = state;
  for (const copy of [state.preparing, state.joining])
    if (copy) turn.effect({ type: 'cancel-preparation', instance: copy.instance });
  fenceOperation(turn, `${actor.name} detaches the service`);
  if (incident) {
    // The copy that it keeps warm is stopped by the detachment; a retirement would report to nobody.
    state.confirming = null;
    endIncident(turn, `${actor.name} detaches the service; nobody decides about it any more`);
  }
  const served = inForce(state);
  const epoch = Math.max(state.nextEpoch, (operation?.epochs.to ?? 0) + 2, (served?.epoch ?? 0) + 1);
  const primary = (served === declared ? fallbackInUse?.version : undefined) ?? served?.primary ?? '';
  const route = served === null ? null : plainRecord(served, primary, epoch, now);
  const kept = route === null ? [] : (route.backends[route.primary] ?? []);
  turn.record(
    'detached',
    `${actor.name} detaches the service from lastgood: ${route === null ? 'nobody serves' : `${route.primary} goes on to serve at ${kept.map(({ address }) => address).join(', ')}`}: ${reason}`,
    {
      stage: 'decided',
      reason,
      force,
      epoch,
      // What the detachment needs, for the controller to start it where this workflow could not.
      ...(JSON.stringify(route).length <= ROUTE_LIMIT_CHARS && { route: JSON.parse(JSON.stringify(route)) as Json }),
      basis: served?.epoch ?? 0,
      primary: route?.primary ?? null,
      addresses: kept.map(({ address }) => address),
      operation: operation?.id ?? null,
      drill: drill?.id ?? null,
      retiring: state.retiring.slice(0, 40).map(({ instance }) => instance),
    },
    { actor, incident: null },
  );
  state.nextEpoch = epoch + 1;
  turn.end({
    service: state.service,
    hosts: state.policy.replicas?.hosts ?? [state.host],
    host: state.host,
    epoch,
    basis: served?.epoch ?? 0,
    route,
    actor,
    reason,
    graceMs: state.policy.steps.stopGraceMs,
    loadMs: state.policy.steps.loadMs,
  });
  return route === null
    ? 'it is detached; nobody served'
    : `it is detached; ${route.primary} goes on to serve at ${kept.map(({ address }) => address).join(', ')}`;
}

/** One version, its copies, and nothing that would have to be decided. */
export function plainRecord(
  { service, backends }: RouteRecord,
  primary: string,
  epoch: number,
  now: number,
): RouteRecord {
  return {
    service,
    epoch,
    primary,
    pins: [],
    detached: { since: now },
    backends: { [primary]: backends[primary] ?? [] },
  };
}

/**
 * The last record for who really serves: the router may be on its fallback, or at a record of an operation that was applied
 * after `basis` and not reported. Our epoch stays, so the same detachment may say it again.
 */
export function servedRecord(decided: RouteRecord, basis: number, { record, fallback }: ObservedRoute): RouteRecord {
  const { epoch } = decided;
  // Said before, and the answer was lost.
  if (record?.epoch === epoch && record.detached !== undefined) return record;
  // A gap names nobody: the decided version is the one that may be there still.
  if (record === null || record.gap || record.epoch < basis || record.epoch >= epoch) return decided;
  const primary = fallback?.epoch === record.epoch ? fallback.version : record.primary;
  if ((record.backends[primary] ?? []).length === 0) return decided;
  return plainRecord(record, primary, epoch, decided.detached?.since ?? 0);
}

/** Copies that the last record does not need. */
export function isLeft(route: RouteRecord | null, instance: string, now: number): boolean {
  return route === null || !(versionsInForce(route, now).length > 0 && namesInstance(route, instance, now));
}
