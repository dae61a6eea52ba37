import { namesInstance } from '../route';
import type { RouteRecord } from '../route';
import type { ServiceEvent } from './events';
import type { ServiceState } from './state';
import type { Turn } from './turn';

/**
 * Asks for the end of a copy: drained first, stopped only when no record in force names it. A copy that the declared
 * record sends requests to, the standby and the copy that an incident keeps warm are never retired (I5).
 */
export function retire(turn: Turn, version: string, instance: string, why: string): void {
  const { state, now } = turn;
  if (state.retiring.some((copy) => copy.instance === instance)) return;
  const pin = state.declared?.pins.find((candidate) => candidate.version === version);
  const notBefore = Math.max(now, pin?.until ?? 0);
  if (inUse(state, instance, notBefore)) return;
  state.retiring = [...state.retiring, { version, instance }].slice(-50);
  turn.record('standby-changed', `retires ${instance}: ${why}`, { instance });
  turn.effect({
    type: 'retire',
    input: {
      service: state.service,
      version,
      instance,
      host: state.host,
      notBefore,
      drainMaxMs: state.policy.steps.drainMs,
      graceMs: state.policy.steps.stopGraceMs,
      why: why.slice(0, 300),
    },
  });
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
  if (!state.retiring.some((copy) => copy.instance === instance)) return;
  state.retiring = state.retiring.filter((copy) => copy.instance !== instance);
  turn.record('instance-retired', `${instance}: ${outcome}${why ? `, ${why}` : ''}`);
  if (outcome !== 'spared') return;
  if (state.operation)
    state.operation = { ...state.operation, left: [...state.operation.left, { version, instance }].slice(-10) };
  else retire(turn, version, instance, 'it was spared for a decision that has passed');
}

/** The copies of a version that a record knows of. */
export function copiesOf(record: RouteRecord | null, version: string): { version: string; instance: string }[] {
  return (record?.backends[version] ?? []).map(({ instance }) => ({ version, instance }));
}

/** Copies that are loaded or loading: live, standby, kept, in preparation, not yet retired (I7). */
export function loadedCopies(state: ServiceState): number {
  const instances = new Set<string>();
  for (const version of Object.keys(state.declared?.backends ?? {}))
    for (const { instance } of copiesOf(state.declared, version)) instances.add(instance);
  if (state.standby) instances.add(state.standby.backend.instance);
  if (state.confirming?.keep) instances.add(state.confirming.keep.instance);
  if (state.preparing) instances.add(state.preparing.instance);
  for (const { instance } of state.retiring) instances.add(instance);
  return instances.size;
}
