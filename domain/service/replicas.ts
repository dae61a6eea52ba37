import { hostOfInstance, instanceOn } from '../hosts';
import { declare } from './declared-route';
import type { ServiceEvent } from './events';
import { alertService, usersNow } from './messages-for-people';
import { pausedBy } from './readiness';
import { retire } from './retiring';
import { liveSeen } from './revival';
import type { ServiceState, VersionFacts } from './state';
import type { Turn } from './turn';

/** A host that could not be asked, or could not make its copy ready, is tried again after the next of these pauses. */
const JOIN_PAUSES_MS = [15_000, 30_000, 60_000, 2 * 60_000, 5 * 60_000] as const;
/** Nobody took the load (`workflows/rollback/activity-failure.ts`), so nothing was begun there. */
const HOST_UNREACHABLE = 'HostUnreachable';

/**
 * A service on several hosts: a host without a copy of the live version (it was gone, or an emergency went to one warm copy)
 * is brought to the declared state: validated, loaded, probed there, and only then named by a new record (I1). One at a
 * time, and never beside an operation (I2). Called after every event.
 */
export function keepReplicas(turn: Turn): void {
  const { state, now } = turn;
  if (!state.policy.replicas) return;
  const { joining } = state;
  if (joining && now >= joining.until) state.joining = null;
  leaveOutDown(turn);
  if (state.joining || state.operation || state.preparing || !mayChange(state, now)) return;
  const host = hostsWithout(state).find((name) => dueAt(state, name) <= now);
  const facts = state.versions.find(({ version }) => version === state.declared?.primary);
  if (host === undefined || !facts || !mayServe(facts)) return;
  const { version, digest, model } = facts;
  const instance = instanceOn(state.service, version, turn.nextInstanceId(), host);
  const { validateMs, loadMs, probeMs } = state.policy.steps;
  state.joining = { host, version, instance, until: now + validateMs + 2 * loadMs + probeMs };
  const times = (state.askedHosts?.[host]?.times ?? 0) + 1;
  state.askedHosts = { ...state.askedHosts, [host]: { at: now, times } };
  turn.record('standby-changed', `makes ${version} ready on ${host}, which has no copy of it`, { instance });
  turn.effect({ type: 'prepare-standby', version, digest, instance, model });
}

/** When a host is asked next; null while nothing joins by time alone. */
export function joinWakesAt(state: ServiceState): number | null {
  const { joining, operation, preparing, pausedUntil } = state;
  if (!state.policy.replicas || joining || operation || preparing || pausedUntil !== null) return null;
  const facts = state.versions.find(({ version }) => version === state.declared?.primary);
  const hosts = hostsWithout(state);
  if (hosts.length === 0 || !facts || !mayServe(facts) || !mayChange(state, 0)) return null;
  return Math.min(...hosts.map((host) => dueAt(state, host)));
}

function dueAt({ askedHosts }: ServiceState, host: string): number {
  const asked = askedHosts?.[host];
  return asked ? asked.at + JOIN_PAUSES_MS[Math.min(asked.times, JOIN_PAUSES_MS.length) - 1]! : 0;
}

/**
 * One of several live copies does not answer: it is named no more, its end is asked for on its host, and that host joins
 * anew. The last one stays: whether that is dead is another question (`revival.ts`).
 */
function leaveOutDown(turn: Turn): void {
  const { state, now } = turn;
  const { declared, operation } = state;
  const down = liveSeen(state)?.down ?? [];
  if (down.length === 0 || declared === null || operation !== null || !mayChange(state, now)) return;
  const version = declared.primary;
  const copies = declared.backends[version] ?? [];
  const left = copies.filter(({ instance }) => !down.includes(instance));
  if (left.length === 0 || left.length === copies.length) return;
  const record = { ...declared, epoch: state.nextEpoch, backends: { ...declared.backends, [version]: left } };
  declare(turn, record, now);
  turn.record(
    'reconciled',
    `${down.join(', ')} does not answer and is left out (epoch ${record.epoch})`.slice(0, 900),
    {
      epoch: record.epoch,
    },
  );
  turn.effect({ type: 'apply-route', record });
  for (const { instance } of copies) {
    if (!down.includes(instance)) continue;
    retire(turn, version, instance, 'it does not answer, and the others serve');
    tellLeftOut(turn, [hostOfInstance(instance) ?? state.host], `${instance} does not answer any more`);
  }
}

function mayChange(state: ServiceState, now: number): boolean {
  const { declared, fallbackInUse, mode } = state;
  // A higher epoch would end the router's own move to its fallback.
  return declared !== null && fallbackInUse === null && mode !== 'observe' && pausedBy(state, now) === null;
}

function mayServe({ standing, evaluation }: VersionFacts): boolean {
  return standing !== 'revoked' && standing !== 'quarantined' && evaluation.ok;
}

function hostsWithout({ policy, declared, host }: ServiceState): readonly string[] {
  const copies = declared?.backends[declared.primary] ?? [];
  const with_ = new Set(copies.map(({ instance }) => hostOfInstance(instance) ?? host));
  return (policy.replicas?.hosts ?? []).filter((name) => !with_.has(name));
}

/** True when the copy was for a host that joins: this is its end. */
export function onCopyPrepared(turn: Turn, event: Extract<ServiceEvent, { type: 'standby-prepared' }>): boolean {
  const { state, now } = turn;
  const { joining } = state;
  if (!joining || joining.instance !== event.instance) return false;
  state.joining = null;
  const { host, version, instance } = joining;
  const { backend } = event;
  const { declared } = state;
  if (backend === null || declared === null) {
    turn.record('standby-changed', `${version} could not be made ready on ${host}: ${event.why}`.slice(0, 900), {
      instance,
    });
    // It may have been started before it failed; stopping what is not there does no harm.
    if (!event.why.startsWith(HOST_UNREACHABLE)) retire(turn, version, instance, 'it could not be made ready');
    tellLeftOut(turn, [host], event.why);
    return true;
  }
  const useless =
    state.operation !== null ||
    declared.primary !== version ||
    !mayChange(state, now) ||
    !hostsWithout(state).includes(host);
  if (useless) {
    retire(turn, version, instance, 'it was made ready for a record that has passed');
    return true;
  }
  const copies = [...(declared.backends[version] ?? []), backend];
  const record = { ...declared, epoch: state.nextEpoch, backends: { ...declared.backends, [version]: copies } };
  const { [host]: _joined, ...others } = state.askedHosts ?? {};
  state.askedHosts = others;
  declare(turn, record, now);
  turn.record('reconciled', `${host} takes part again by ${instance} (epoch ${record.epoch})`, {
    epoch: record.epoch,
    host,
  });
  turn.effect({ type: 'apply-route', record });
  return true;
}

/** One ticket a host: what runs elsewhere serves, and the host is tried again by itself. */
export function tellLeftOut(turn: Turn, hosts: readonly string[], why: string): void {
  const { state } = turn;
  for (const host of hosts) {
    alertService(turn, `host/${host}/out/${state.declared?.primary ?? ''}`, {
      severity: 'ticket',
      title: `${state.service}: ${host} has no copy of the version that serves`,
      wrong: `${host}: ${why}`.slice(0, 600),
      did: 'Serves by the copies on the other hosts. It is tried again by itself and gets traffic only when its copy is ready and proven.',
      users: usersNow(state),
      must: 'Start the host worker there again, or take the host out of the configuration.',
      command: `lastgood status ${state.service}`,
    });
  }
}
