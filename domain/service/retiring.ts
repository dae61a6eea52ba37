import { hostOfInstance } from '../hosts';
import { instanceName, namesInstance } from '../route';
import type { RouteRecord } from '../route';
import type { RetirementInput, ServiceEvent } from './events';
import { alertService, usersNow } from './messages-for-people';
import type { Retiring, ServiceState } from './state';
import type { Turn } from './turn';

/** A retirement asks its host ten times, a minute apart, and a host may take its time for each answer. */
const STOP_MAX_MS = 30 * 60_000;
/** A copy that could not be ended is tried again after this, for as long as it is there. */
const FAILED_AGAIN_MS = 10 * 60_000;

/**
 * Asks for the end of a copy: drained first, stopped only when no record in force names it. A copy that the declared
 * record sends requests to, the standby and the copy that an incident keeps warm are never retired (I5).
 */
export function retire(turn: Turn, version: string, instance: string, why: string): void {
  const { state } = turn;
  if (state.retiring.some((copy) => copy.instance === instance)) return;
  const input = inputOf(turn, version, instance, why);
  if (inUse(state, instance, input.notBefore)) return;
  state.retiring = [...state.retiring, { version, instance, dueAt: latestEnd(input) }].slice(-50);
  turn.record('standby-changed', `retires ${instance}: ${why}`, { instance });
  turn.effect({ type: 'retire', input });
}

function inputOf({ state, now }: Turn, version: string, instance: string, why: string): RetirementInput {
  const pin = state.declared?.pins.find((candidate) => candidate.version === version);
  return {
    service: state.service,
    version,
    instance,
    host: hostOfInstance(instance) ?? state.host,
    notBefore: Math.max(now, pin?.until ?? 0),
    drainMaxMs: state.policy.steps.drainMs,
    graceMs: state.policy.steps.stopGraceMs,
    why: why.slice(0, 300),
  };
}

function latestEnd({ notBefore, drainMaxMs, graceMs }: RetirementInput): number {
  return notBefore + drainMaxMs + graceMs + STOP_MAX_MS;
}

/** Copies that a record names so that it can return to them; only those in force, or soon in force, count as in use. */
function inUse(state: ServiceState, instance: string, at: number): boolean {
  return (
    (state.declared !== null && namesInstance(state.declared, instance, at)) ||
    state.standby?.backend.instance === instance ||
    state.confirming?.keep?.instance === instance
  );
}

/** A copy that was spared is looked at again when the operation that wanted it has ended: nothing may be forgotten. */
export function onRetirementEnded(turn: Turn, event: Extract<ServiceEvent, { type: 'retirement-ended' }>): void {
  const { state } = turn;
  const { version, instance, outcome, why } = event.report;
  const entry = state.retiring.find((copy) => copy.instance === instance);
  if (!entry) return;
  turn.record('instance-retired', `${instance}: ${outcome}${why ? `, ${why}` : ''}`);
  if (outcome === 'failed') return keepFailed(turn, entry, why);
  state.retiring = state.retiring.filter((copy) => copy !== entry);
  if (outcome !== 'spared') return;
  if (state.operation)
    state.operation = { ...state.operation, left: [...state.operation.left, { version, instance }].slice(-10) };
  else retire(turn, version, instance, 'it was spared for a decision that has passed');
}

/** It still takes its memory: it goes on counting, and its end is asked for again. */
function keepFailed(turn: Turn, entry: Retiring, why: string): void {
  const { state, now } = turn;
  const { instance } = entry;
  change(turn, entry, { dueAt: now + FAILED_AGAIN_MS, failed: true });
  if (entry.failed) return;
  alertService(turn, `retirement/${instance}/failed`, {
    severity: 'ticket',
    title: `${state.service}: ${instance} could not be stopped`,
    wrong: `It carries no traffic and still runs: ${why}`.slice(0, 600),
    did: 'Serving goes on. Its end is asked for again every few minutes; until then it counts as loaded.',
    users: usersNow(state),
    must: 'Look at the host; stop the copy there if it is not needed.',
    command: `lastgood status ${state.service}`,
  });
}

/**
 * Nobody said how a retirement ended (its workflow was terminated, or never began): it is asked for again. Looked at with
 * every event; nobody needs to be woken for it.
 */
export function askOverdueRetirements(turn: Turn): void {
  for (const entry of turn.state.retiring) {
    if (entry.dueAt === undefined || turn.now < entry.dueAt) continue;
    const { version, instance } = entry;
    const input = inputOf(turn, version, instance, 'nobody said that it ended');
    // Chosen again meanwhile: whoever uses it now says what becomes of it.
    if (inUse(turn.state, instance, input.notBefore)) {
      turn.state.retiring = turn.state.retiring.filter((copy) => copy !== entry);
      continue;
    }
    change(turn, entry, { dueAt: latestEnd(input) });
    turn.record('standby-changed', `asks again for the end of ${instance}`, { instance });
    turn.effect({ type: 'retire', input });
  }
}

function change({ state }: Turn, entry: Retiring, to: Partial<Retiring>): void {
  state.retiring = state.retiring.map((copy) => (copy === entry ? { ...copy, ...to } : copy));
}

/** The copies of a version that a record knows of. */
export function copiesOf(record: RouteRecord | null, version: string): { version: string; instance: string }[] {
  return (record?.backends[version] ?? []).map(({ instance }) => ({ version, instance }));
}

/** Copies that are loaded or loading: live, standby, kept, in preparation, not yet retired (I7). */
export function loadedCopies(state: ServiceState): number {
  return knownCopies(state).size;
}

function knownCopies(state: ServiceState): Set<string> {
  const instances = new Set<string>();
  for (const version of Object.keys(state.declared?.backends ?? {}))
    for (const { instance } of copiesOf(state.declared, version)) instances.add(instance);
  if (state.standby) instances.add(state.standby.backend.instance);
  if (state.confirming?.keep) instances.add(state.confirming.keep.instance);
  if (state.preparing) instances.add(state.preparing.instance);
  if (state.joining) instances.add(state.joining.instance);
  for (const { instance } of state.retiring) instances.add(instance);
  const { drill } = state;
  if (drill && !drill.degrade) instances.add(instanceName(state.service, drill.version, drill.id));
  return instances;
}

/** What runs on the host is looked at this often. */
const INSPECT_EVERY_MS = 60 * 60_000;
/** After a start: what outlived the service workflow before has told of itself by then. */
const INSPECT_FIRST_MS = 60_000;

/** Copies that were made ready or retired while nobody wrote it down are found only by looking (I7). */
export function keepInspected(turn: Turn, started: boolean): void {
  const { state, now } = turn;
  if (started || state.inspectedAt === undefined) state.inspectedAt = now + INSPECT_FIRST_MS - INSPECT_EVERY_MS;
  if (now < state.inspectedAt + INSPECT_EVERY_MS || !settled(state)) return;
  state.inspectedAt = now;
  turn.effect({ type: 'inspect-host' });
}

export function onInstancesInspected(turn: Turn, event: Extract<ServiceEvent, { type: 'instances-inspected' }>): void {
  // What an operation has just begun is not written here yet; the next look sees it.
  if (!settled(turn.state)) return;
  const known = knownCopies(turn.state);
  for (const { version, instance } of event.instances)
    if (!known.has(instance) && !instance.endsWith('#external'))
      retire(turn, version, instance, 'it was found on the host, and nothing names it');
}

/** Nothing is under way that has copies of its own, and the route is the declared one. */
function settled({ operation, preparing, declared, pausedWhy }: ServiceState): boolean {
  return operation === null && preparing === null && declared !== null && pausedWhy === null;
}
