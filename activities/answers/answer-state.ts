import type { ChartStates, TierReading } from '../../workflows/contract/activities';

/** What is carried from one assessment to the next: under 2 KiB, in the state of the detection workflow. */
export interface AnswerState {
  /** Answers until then were judged; windows never overlap. */
  readonly judgedTo: number;
  readonly canaryAt: number;
  /** Windows in a row beyond the limit, by metric, and when the first of them began. */
  readonly beyond: Readonly<Record<string, { readonly windows: number; readonly sinceMs: number }>>;
  /** Of the last window; shown until the next one is judged. */
  readonly readings: readonly TierReading[];
}

export const CANARY = 'canary-drift';

const KEY = 'answers';
const INITIAL: AnswerState = { judgedTo: 0, canaryAt: 0, beyond: {}, readings: [] };
/** One window may be odd; a second one in a row, of other answers, is a change. */
const WINDOWS_IN_A_ROW = 2;

export function answerStateOf(charts: ChartStates): AnswerState {
  return { ...INITIAL, ...(charts[KEY] as Partial<AnswerState> | undefined) };
}

export function chartsOf(state: AnswerState): ChartStates {
  return { [KEY]: state };
}

/** The state after one more window of a metric, and what that makes of the metric. */
export function withWindow(
  state: AnswerState,
  metric: string,
  found: { readonly beyond: boolean; readonly excused: boolean; readonly sinceMs: number },
): { state: AnswerState; kind: 'ok' | 'degraded' | 'inconclusive'; sinceMs: number } {
  const { [metric]: before, ...others } = state.beyond;
  if (!found.beyond) return { state: { ...state, beyond: others }, kind: 'ok', sinceMs: found.sinceMs };
  // Nothing can be concluded from it: it neither counts nor interrupts.
  if (found.excused) return { state, kind: 'inconclusive', sinceMs: found.sinceMs };
  const windows = (before?.windows ?? 0) + 1;
  const sinceMs = before?.sinceMs ?? found.sinceMs;
  const beyond = { ...others, [metric]: { windows: Math.min(windows, WINDOWS_IN_A_ROW), sinceMs } };
  return { state: { ...state, beyond }, kind: windows >= WINDOWS_IN_A_ROW ? 'degraded' : 'inconclusive', sinceMs };
}

export function withReading(state: AnswerState, reading: TierReading): AnswerState {
  return { ...state, readings: [...state.readings.filter(({ metric }) => metric !== reading.metric), reading] };
}
