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

/** Adds a row. Counts that are no numbers are left out. `for … in`: a window has thousands of rows with many small records. */
export function addScores(sums: ScoreSums, row: CountsRow): void {
  for (const label in row.predicted) sums.predicted += finite(row.predicted[label]);
  for (const label in row.scores) {
    const own = known(sums.scores, label, empty);
    const bins = row.scores[label];
    for (const bin in bins) addTo(own, Number(bin), bins[bin]);
  }
  addLabels(sums, row);
}

export function addLabels(sums: Pick<ScoreSums, 'judged' | 'mistaken'>, row: CountsRow): void {
  for (const label in row.judged) {
    const own = known(sums.judged, label, () => ({ n: empty(), correct: empty() }));
    const cells = row.judged[label];
    for (const bin in cells) {
      addTo(own.n, Number(bin), cells[bin]?.[0]);
      addTo(own.correct, Number(bin), cells[bin]?.[1]);
    }
  }
  for (const label in row.mistaken) {
    const own = known(sums.mistaken, label, () => new Map<string, number>());
    const classes = row.mistaken[label];
    for (const truly in classes) own.set(truly, (own.get(truly) ?? 0) + finite(classes[truly]));
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

function addTo(bins: number[], bin: number, n: number | undefined): void {
  if (bin >= 0 && bin <= OUTSIDE_BIN) bins[bin] = (bins[bin] ?? 0) + finite(n);
}

function empty(): number[] {
  return new Array<number>(OUTSIDE_BIN + 1).fill(0);
}

function known<T>(entries: Map<string, T>, name: string, make: () => T): T {
  let entry = entries.get(name);
  if (entry === undefined) entries.set(name, (entry = make()));
  return entry;
}

function finite(n: number | undefined): number {
  return n !== undefined && Number.isFinite(n) ? n : 0;
}
