import type { Calibration } from '../../domain/detection/confidence-calibration';
import { bothPromises, NO_LABELS, promiseOf, type PromiseCheck } from '../../domain/detection/confidence-trust';
import type { CountsRow } from '../../gateway/protocol';
import type { AssessmentInput, ChartStates } from '../../workflows/contract/activities';
import type { KnownHistory } from './known-history';
import { addLabels, noScores } from './score-sums';

type Sums = readonly [labels: number, right: number, promised: number, variance: number];

/** Labels since the calibration, carried from one assessment to the next: under 1 KiB with twelve classes. */
export interface LabelState {
  /** Which calibration, and which version answered; another one begins anew. */
  readonly of: string;
  /** Rows until then are in the sums. */
  readonly seenTo: number;
  readonly classes: Readonly<Record<string, Sums>>;
}

const KEY = 'estimates';
/** Older labels of a class fade: what was true last month says little of today. */
const LABELS_KEPT = 1_000;

/** The state with the labels of the new rows in it. Each row is counted once, however much the windows overlap. */
export function withLabels(
  input: Pick<AssessmentInput, 'charts' | 'routedAt' | 'version'>,
  known: KnownHistory,
  labels: readonly string[],
  rows: readonly CountsRow[],
): LabelState {
  const of = `${known.key}/${input.version}`;
  const before = input.charts[KEY] as LabelState | undefined;
  const fresh = known.version === input.version ? Math.max(known.toMs, input.routedAt) : input.routedAt;
  const state: LabelState = before?.of === of ? before : { of, seenTo: fresh, classes: {} };
  const sums = noScores();
  let { seenTo } = state;
  for (const row of rows) {
    if (row.fromMs <= state.seenTo) continue;
    seenTo = Math.max(seenTo, row.fromMs);
    addLabels(sums, row);
  }
  const classes: Record<string, Sums> = {};
  for (const label of labels) {
    const calibration: Calibration | undefined = known.history.calibrations.get(label);
    if (!calibration) continue;
    const judged = sums.judged.get(label);
    const all = bothPromises(checkOf(state, label), judged ? promiseOf(calibration, judged) : NO_LABELS);
    if (all.labels <= 0) continue;
    const fade = all.labels > LABELS_KEPT ? 0.5 : 1;
    classes[label] = [all.labels, all.right, all.promised, all.variance].map((sum) =>
      short(fade * sum),
    ) as unknown as Sums;
  }
  return { of, seenTo, classes };
}

export function checkOf({ classes }: Pick<LabelState, 'classes'>, label: string): PromiseCheck {
  const sums = classes[label];
  if (!sums) return NO_LABELS;
  const [labels, right, promised, variance] = sums;
  return { labels, right, promised, variance };
}

export function checkOfAll(state: LabelState): PromiseCheck {
  return Object.keys(state.classes).reduce((all, label) => bothPromises(all, checkOf(state, label)), NO_LABELS);
}

export function chartsOf(state: LabelState): ChartStates {
  return { [KEY]: state };
}

/** Whether this service had estimates before. */
export function isKnown(charts: ChartStates): boolean {
  return KEY in charts;
}

export function keptCharts(charts: ChartStates): ChartStates {
  return KEY in charts ? { [KEY]: charts[KEY] } : {};
}

function short(value: number): number {
  return Number(value.toPrecision(8));
}
