import { OUTSIDE_BIN, scoreBin } from '../domain/detection/score-bins';
import type { CountsRow } from './protocol';

/** Classes of one row with scores or confusions of their own: the class comes from the model's answer, it is input. */
const CLASSES_MAX = 50;
const OTHER_CLASS = '(other)';

type Cells = Map<number, [n: number, correct: number]>;

/** What one row knows of scores: of answers by predicted class, and of their labels as they come. */
export class ScoreCounts {
  private readonly scores = new Map<string, number[]>();
  private readonly judged = new Map<string, Cells>();
  private readonly mistaken = new Map<string, Map<string, number>>();

  answered(predicted: string, score: number): void {
    const bins = entryOf(this.scores, predicted, emptyBins);
    const bin = scoreBin(score);
    bins[bin] = (bins[bin] as number) + 1;
  }

  /** A label of an answer with this class and score; −1 takes one back. */
  labelled(predicted: string, score: number, label: string, n: 1 | -1): void {
    const correct = label === predicted;
    const cells = entryOf(this.judged, predicted, (): Cells => new Map());
    const bin = scoreBin(score);
    const [labels, right] = cells.get(bin) ?? [0, 0];
    cells.set(bin, [labels + n, right + (correct ? n : 0)]);
    if (correct) return;
    const trueClasses = entryOf(this.mistaken, predicted, () => new Map<string, number>());
    const name = trueClasses.has(label) || trueClasses.size < CLASSES_MAX ? label : OTHER_CLASS;
    trueClasses.set(name, (trueClasses.get(name) ?? 0) + n);
  }

  ofAnswers(): Pick<CountsRow, 'scores'> {
    return this.scores.size > 0 ? { scores: records(this.scores, filled) } : {};
  }

  ofLabels(): Pick<CountsRow, 'judged' | 'mistaken'> {
    return {
      ...(this.judged.size > 0 ? { judged: records(this.judged, Object.fromEntries) } : {}),
      ...(this.mistaken.size > 0 ? { mistaken: records(this.mistaken, Object.fromEntries) } : {}),
    };
  }
}

function emptyBins(): number[] {
  return new Array<number>(OUTSIDE_BIN + 1).fill(0);
}

function entryOf<T>(entries: Map<string, T>, name: string, make: () => T): T {
  const known = entries.get(name);
  if (known !== undefined) return known;
  const key = entries.size < CLASSES_MAX ? name : OTHER_CLASS;
  const entry = entries.get(key) ?? make();
  entries.set(key, entry);
  return entry;
}

function records<T, R>(entries: ReadonlyMap<string, T>, record: (entry: T) => R): Record<string, R> {
  return Object.fromEntries([...entries].map(([name, entry]) => [name, record(entry)]));
}

/** Few of the bins are used in one second: the empty ones are left out. */
function filled(bins: readonly number[]): Record<string, number> {
  return Object.fromEntries(bins.flatMap((count, bin) => (count > 0 ? [[bin, count] as const] : [])));
}
