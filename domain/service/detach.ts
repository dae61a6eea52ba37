import { namesInstance, versionsInForce, type RouteRecord } from '../route';
import type { Actor } from '../ledger';
import type { Check } from './check';
import { fenceOperation } from './operations';
import type { OperatorMessage } from './messages';
import type { ServiceState } from './state';
import type { Turn } from './turn';

type Detach = Extract<OperatorMessage, { name: 'detach' }>;

/** What is under way is ended by a person first, or by `force`; a gap is never left to nobody. */
export function checkDetach(state: ServiceState, { force = false }: Detach, now: number): Check {
  const no = (why: string): Check => ({ ok: false, why });
  const { operation, drill, declared } = state;
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

/**
 * The last decision of this service: who serves goes on to serve, by a record that needs nobody. What is done for it is the
 * detachment's work, which outlives the service workflow.
 */
export function detach(turn: Turn, { reason, force = false }: Detach, actor: Actor): string {
  const { state, now } = turn;
  const { operation, drill, declared, fallbackInUse } = state;
  if (state.preparing) turn.effect({ type: 'cancel-preparation', instance: state.preparing.instance });
  fenceOperation(turn, `${actor.name} detaches the service`);
  const epoch = Math.max(state.nextEpoch, (operation?.epochs.to ?? 0) + 2);
  const route =
    declared === null ? null : plainRecord(declared, fallbackInUse?.version ?? declared.primary, epoch, now);
  const kept = route === null ? [] : (route.backends[route.primary] ?? []);
  turn.record(
    'detached',
    `${actor.name} detaches the service from lastgood: ${route === null ? 'nobody serves' : `${route.primary} goes on to serve at ${kept.map(({ address }) => address).join(', ')}`}: ${reason}`,
    {
      stage: 'decided',
      reason,
      force,
      epoch,
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
    route,
    actor,
    reason,
    graceMs: state.policy.steps.stopGraceMs,
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

/** Copies that the last record does not need. */
export function isLeft(route: RouteRecord | null, instance: string, now: number): boolean {
  return route === null || !(versionsInForce(route, now).length > 0 && namesInstance(route, instance, now));
}
