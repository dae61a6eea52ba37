import { calibrate, type Calibration } from '../../domain/detection/confidence-calibration';
import type { ConfidenceHistory } from '../../domain/detection/confidence-assessment';
import { OUTSIDE_BIN } from '../../domain/detection/score-bins';
import type { CountsRow } from '../../gateway/protocol';

/** Scores and labelled scores of many rows, by predicted class. Rows of older gateways have none. */
export interface ScoreSums {
  readonly scores: Map<string, number[]>;
  readonly judged: Map<string, { readonly n: number[]; readonly correct: number[] }>;
  readonly mistaken: Map<string, Map<string, number>>;
  /** Answers with a predicted class, whether or not they had a score. */
  predicted: number;
}

export function noScores(): ScoreSums {
  return { scores: new Map(), judged: new Map(), mistaken: new Map(), predicted: 0 };
}

/** Adds a row. Counts that are no numbers are left out. */
export function addScores(sums: ScoreSums, row: CountsRow): void {
  for (const n of Object.values(row.predicted)) sums.predicted += finite(n);
  for (const [label, bins] of Object.entries(row.scores ?? {})) addBins(known(sums.scores, label, empty), bins);
  addLabels(sums, row);
}

export function addLabels(sums: Pick<ScoreSums, 'judged' | 'mistaken'>, row: CountsRow): void {
  for (const [label, cells] of Object.entries(row.judged ?? {})) {
    const own = known(sums.judged, label, () => ({ n: empty(), correct: empty() }));
    for (const [bin, [n, correct]] of Object.entries(cells)) {
      addBins(own.n, { [bin]: n });
      addBins(own.correct, { [bin]: correct });
    }
  }
  for (const [label, classes] of Object.entries(row.mistaken ?? {})) {
    const own = known(sums.mistaken, label, () => new Map<string, number>());
    for (const [truly, n] of Object.entries(classes)) own.set(truly, (own.get(truly) ?? 0) + finite(n));
  }
}

export function answersOf({ scores }: ScoreSums): number {
  let all = 0;
  for (const bins of scores.values()) for (const n of bins) all += n;
  return all;
}

export function historyOf({ scores, judged, mistaken }: ScoreSums, minLabels: number): ConfidenceHistory {
  const calibrations = new Map<string, Calibration>();
  for (const [label, bins] of judged) {
    const calibration = calibrate(label, bins, minLabels);
    if (calibration) calibrations.set(label, calibration);
  }
  return { scores, calibrations, confusions: mistaken };
}

function addBins(into: number[], bins: Readonly<Record<string, number>>): void {
  for (const [bin, n] of Object.entries(bins)) {
    const index = Number(bin);
    if (index >= 0 && index <= OUTSIDE_BIN) into[index] = (into[index] ?? 0) + finite(n);
  }
}

function empty(): number[] {
  return new Array<number>(OUTSIDE_BIN + 1).fill(0);
}

function known<T>(entries: Map<string, T>, name: string, make: () => T): T {
  const entry = entries.get(name) ?? make();
  entries.set(name, entry);
  return entry;
}

function finite(n: number): number {
  return Number.isFinite(n) ? n : 0;
}
