import type { OperationInput } from '../rollback/operation';
import type { PlanStep, Procedure } from '../rollback/plan';
import { makePlan } from '../rollback/plan';
import type { Gap, RouteRecord } from '../route';
import { alertService, clock, duration, usersNow } from './messages-for-people';
import type { Operation, ServiceState } from './state';
import type { Turn } from './turn';

/** How long nobody will serve when the version is changed now, and from what that is known. */
export interface ExpectedGap {
  readonly expectedMs: number;
  readonly maxMs: number;
  readonly from: 'the last gap' | 'the last load and probe' | 'the limits of load and probe';
}

/** Null where two copies fit beside each other, and where nothing is live that could be stopped first. */
export function expectedGap(state: ServiceState): ExpectedGap | null {
  const { swap, steps } = state.policy;
  if (swap === undefined || state.declared === null) return null;
  const { lastGapMs, lastLoadMs } = state.swapTimes ?? {};
  const maxMs = swap.gapMaxMs;
  if (lastGapMs !== undefined) return { expectedMs: lastGapMs, maxMs, from: 'the last gap' };
  if (lastLoadMs !== undefined) return { expectedMs: lastLoadMs, maxMs, from: 'the last load and probe' };
  return { expectedMs: steps.loadMs + steps.probeMs, maxMs, from: 'the limits of load and probe' };
}

export function gapWords({ expectedMs, maxMs, from }: ExpectedGap): string {
  return `memory for one copy: nobody serves for about ${duration(expectedMs)} (${from}), promised at most ${duration(maxMs)}`;
}

/** The plan of a change of this service. An emergency needs a second copy in memory, so there is none with a gap. */
export function planFor(
  state: ServiceState,
  procedure: Procedure,
  samples: boolean,
  items?: OperationInput['items'],
): PlanStep[] {
  const stopFirst = expectedGap(state) !== null;
  const caches = state.policy.caches !== undefined;
  const more = { ...(stopFirst && { stopFirst }), ...(caches && { caches }), ...(items && { items: true as const }) };
  return makePlan({ procedure, samples, policy: state.policy, ...more });
}

/** Nobody serves, and no operation is left that would end that: it was stopped, or its workflow is gone. */
export function leftInGap({ declared, operation }: ServiceState): boolean {
  return declared?.gap !== undefined && operation === null;
}

/** Times of the last change, from which the next one is foretold. Only kept where there are gaps. */
export function learnLoadTime(turn: Turn, step: string, ms: number): void {
  const { state } = turn;
  if (state.policy.swap === undefined || ms <= 0 || (step !== 'load' && step !== 'probe')) return;
  const before = step === 'load' ? 0 : (state.swapTimes?.lastLoadMs ?? 0);
  state.swapTimes = { ...state.swapTimes, lastLoadMs: before + ms };
}

/** The old copy gets no new requests any more; nobody does. Told at once: users notice. */
export function gapBegan(turn: Turn, { id, from, version }: Operation, record: RouteRecord, gap: Gap): void {
  const { state } = turn;
  const lasts = duration(gap.expectedAt - gap.since);
  const words = `nobody serves since ${clock(gap.since)}, for about ${lasts}: memory holds one copy, and ${record.primary} is stopped first`;
  turn.record('traffic-shifted', words, { ...gap, epoch: record.epoch, operation: id });
  alertService(turn, `gap/${id}/${record.epoch}`, {
    severity: 'ticket',
    title: `${state.service}: nobody serves for about ${lasts}`,
    wrong: `Memory holds one copy, so ${record.primary} is stopped before ${version ?? 'the next one'} is loaded (swap: stop-first), since ${clock(gap.since)}.`,
    did: `${id} announced it when it was decided${from === '' ? '' : `; if the load fails, ${from} is loaded again`}.`,
    users: usersNow(state),
    must: `Nothing, unless it lasts beyond ${clock(gap.until)}: then you are paged.`,
    command: `lastgood status ${state.service}`,
  });
}

export function gapEnded(turn: Turn, gap: Gap, record: RouteRecord, at: number): void {
  const { state } = turn;
  const lastGapMs = Math.max(0, at - gap.since);
  state.swapTimes = { ...state.swapTimes, lastGapMs };
  const words = `the gap is over: ${record.primary} serves since ${clock(at)}, after ${duration(lastGapMs)}`;
  turn.record('traffic-shifted', words, { epoch: record.epoch, lastedMs: lastGapMs });
}

/** When somebody must be told that a gap lasts longer than was promised; null when nobody must. */
export function gapOverdueAt({ declared, gapTold }: ServiceState): number | null {
  const gap = declared?.gap;
  return gap === undefined || gapTold === declared?.epoch ? null : gap.until;
}

export function tellOverdueGap(turn: Turn): void {
  const { state, now } = turn;
  const at = gapOverdueAt(state);
  const { declared, operation } = state;
  if (at === null || now < at || !declared?.gap) return;
  state.gapTold = declared.epoch;
  const { since, until } = declared.gap;
  const doing = operation ? `${operation.id} is at ${operation.step}` : 'no operation is in flight';
  turn.record('waiting-for-human', `the gap lasts longer than was promised (until ${clock(until)}); ${doing}`, {
    epoch: declared.epoch,
  });
  alertService(turn, `gap/${declared.epoch}/over`, {
    severity: 'page',
    title: `${state.service}: nobody serves, for longer than was promised`,
    wrong: `The gap began ${clock(since)} and was to end by ${clock(until)}.`,
    did: `Goes on: ${doing}.`,
    users: usersNow(state),
    must: 'See why the load takes so long (status, the log of the copy); choose another version if it does not end.',
    command: `lastgood status ${state.service}`,
  });
}
