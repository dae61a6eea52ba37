import { SCORE_BINS } from './score-bins';

/** Labelled answers of one predicted class in each bin of the score; negative cells (corrections) count as none. */
export interface JudgedBins {
  readonly n: readonly number[];
  readonly correct: readonly number[];
}

/** Neighbouring bins that share one calibrated value. */
export interface CalibrationBlock {
  /** Last bin of it. */
  readonly toBin: number;
  readonly labels: number;
  /** P(right | predicted class, score in this block). */
  readonly right: number;
  /** Of `right`, from the number of labels. */
  readonly variance: number;
}

/** What a confidence of one predicted class is worth. Blocks ascend, in score and in `right`, and cover every bin. */
export interface Calibration {
  readonly label: string;
  readonly labels: number;
  readonly correct: number;
  readonly blocks: readonly CalibrationBlock[];
}

/** Fewer labels make no block: a value from less would be noise that the isotonic fit takes for shape. */
const BLOCK_LABELS = 20;

/**
 * Isotonic calibration of one predicted class: bins are put together from below until they hold 20 labels, then
 * pooled where a higher score was right less often (pool adjacent violators; Ayer et al. 1955), each block (right + ½) ÷
 * (labels + 1). Scores lower than any labelled one get the value of the lowest block, which under monotony is no lower
 * than theirs: the estimate may be too good there, never too bad. Null with fewer than `minLabels` labels.
 */
export function calibrate(label: string, judged: JudgedBins, minLabels: number): Calibration | null {
  const cells = Array.from({ length: SCORE_BINS }, (_, bin): Cell => {
    const labels = Math.max(0, judged.n[bin] ?? 0);
    return { toBin: bin, labels, correct: Math.min(labels, Math.max(0, judged.correct[bin] ?? 0)) };
  });
  const [labels, correct] = [total(cells, 'labels'), total(cells, 'correct')];
  if (labels < Math.max(1, minLabels)) return null;
  const blocks = pooled(supported(cells)).map((cell): CalibrationBlock => {
    const right = worth(cell);
    return { toBin: cell.toBin, labels: cell.labels, right, variance: (right * (1 - right)) / (cell.labels + 1) };
  });
  return { label, labels, correct, blocks };
}

/** Answers in each block. */
export function byBlock({ blocks }: Calibration, bins: readonly number[]): number[] {
  let bin = 0;
  return blocks.map(({ toBin }) => {
    let sum = 0;
    for (; bin <= toBin; bin += 1) sum += Math.max(0, bins[bin] ?? 0);
    return sum;
  });
}

interface Cell {
  readonly toBin: number;
  readonly labels: number;
  readonly correct: number;
}

function supported(cells: readonly Cell[]): Cell[] {
  const blocks: Cell[] = [];
  let open: Cell | null = null;
  for (const cell of cells) {
    open = open === null ? cell : together(open, cell);
    if (open.labels < BLOCK_LABELS) continue;
    blocks.push(open);
    open = null;
  }
  const last = blocks.pop();
  if (open === null) return last === undefined ? blocks : [...blocks, last];
  return [...blocks, last === undefined ? open : together(last, open)];
}

function pooled(cells: readonly Cell[]): Cell[] {
  const blocks: Cell[] = [];
  for (const cell of cells) {
    let block = cell;
    for (let before = blocks.at(-1); before !== undefined && worth(before) >= worth(block); before = blocks.at(-1)) {
      blocks.pop();
      block = together(before, block);
    }
    blocks.push(block);
  }
  return blocks;
}

function together(left: Cell, right: Cell): Cell {
  return { toBin: right.toBin, labels: left.labels + right.labels, correct: left.correct + right.correct };
}

function worth({ labels, correct }: Cell): number {
  return (correct + 0.5) / (labels + 1);
}

function total(cells: readonly Cell[], what: 'labels' | 'correct'): number {
  return cells.reduce((sum, cell) => sum + cell[what], 0);
}
