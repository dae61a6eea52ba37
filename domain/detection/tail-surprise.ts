/** A tail begins here: 2 % of the past lie beyond it. */
const TAIL_SHARE = 0.02;
/** Below so many values of past nothing is surprising. */
const MIN_PAST = 100;
const BINS_PER_DOUBLING = 8;
/** 40 doublings below the largest magnitude seen; what is smaller counts as the smallest bin. */
const MAX_BINS = 320;
/** Weight of a value falls to 1/e after so many values: long enough to have seen what is rare but normal. */
const MEMORY_POINTS = 2000;
/** The tail index forgets four times as slowly: only one value in fifty teaches it. */
const EXCESS_MEMORY_POINTS = 4 * MEMORY_POINTS;
/** A tail is never taken for thinner than this: a factor of e^.05 beyond it would be a thousand-year event otherwise. */
const MIN_TAIL_INDEX = 0.05;
/** One excess moves the tail index by at most so many indices: a catastrophe must not make the next one ordinary. */
const EXCESS_CLIP = 6;

/**
 * How rare a magnitude (≥ 0) is against its own decayed past, whatever its unit and distribution: counts in
 * logarithmic bins, and beyond the 98 % quantile a Pareto tail whose index is estimated as by Hill (1975).
 * JSON-serialisable, at most 320 counts.
 */
export interface TailSurprise {
  /** Logarithmic bin of `counts[0]`; null until a magnitude above zero was seen. */
  firstBin: number | null;
  counts: number[];
  /** Weight of the zeros, of which there is no logarithm. */
  zeros: number;
  total: number;
  /** Weight of the next value; grows instead of letting all the others shrink. */
  weight: number;
  seen: number;
  tailIndex: number;
  excesses: number;
}

export function initialTailSurprise(): TailSurprise {
  return { firstBin: null, counts: [], zeros: 0, total: 0, weight: 1, seen: 0, tailIndex: 0.5, excesses: 0 };
}

/**
 * −ln of the share of the past that was at least as large (0 while there is too little of it), and takes the magnitude
 * into the past, in place. Independent of unit: a factor on all magnitudes changes nothing but the rounding to bins.
 */
export function surprise(past: TailSurprise, magnitude: number): number {
  let result = 0;
  if (past.seen >= MIN_PAST) {
    const threshold = tailThreshold(past);
    if (threshold > 0 && magnitude > threshold) {
      const excess = Math.log(magnitude / threshold);
      result = excess / Math.max(past.tailIndex, MIN_TAIL_INDEX) - Math.log(TAIL_SHARE);
      learnExcess(past, excess);
    } else {
      result = -Math.log((weightFrom(past, magnitude) + past.weight) / (past.total + past.weight));
    }
  }
  learn(past, magnitude);
  return result;
}

/** The magnitude that 2 % of the past exceed; 0 where zeros reach that far up. */
function tailThreshold(past: TailSurprise): number {
  const wanted = TAIL_SHARE * past.total;
  let above = 0;
  for (let bin = past.counts.length - 1; bin >= 0; bin -= 1) {
    const count = past.counts[bin] ?? 0;
    if (above + count >= wanted) {
      const share = (wanted - above) / count;
      return magnitudeOf((past.firstBin ?? 0) + bin + 1 - share);
    }
    above += count;
  }
  return 0;
}

/** Weight of the past at or above a magnitude; within its own bin the past is taken for evenly spread. */
function weightFrom(past: TailSurprise, magnitude: number): number {
  if (!(magnitude > 0)) return past.total;
  if (past.firstBin === null) return 0;
  const position = Math.max(0, binOf(magnitude) - past.firstBin);
  const own = Math.floor(position);
  let weight = (past.counts[own] ?? 0) * (1 - (position - own));
  for (let bin = own + 1; bin < past.counts.length; bin += 1) weight += past.counts[bin] ?? 0;
  return weight;
}

function learnExcess(past: TailSurprise, excess: number): void {
  past.excesses += 1;
  const rate = Math.max(1 / (TAIL_SHARE * EXCESS_MEMORY_POINTS), 1 / (past.excesses + 2));
  past.tailIndex += rate * (Math.min(excess, EXCESS_CLIP * past.tailIndex) - past.tailIndex);
}

function learn(past: TailSurprise, magnitude: number): void {
  past.seen += 1;
  past.total += past.weight;
  if (magnitude > 0) countIn(past, Math.floor(binOf(magnitude)));
  else past.zeros += past.weight;
  past.weight *= 1 + 1 / MEMORY_POINTS;
  if (past.weight > 1e9) rescale(past);
}

function countIn(past: TailSurprise, bin: number): void {
  const { counts } = past;
  past.firstBin ??= bin;
  const top = past.firstBin + counts.length - 1;
  for (let at = top; at < bin; at += 1) counts.push(0);
  while (counts.length > MAX_BINS) {
    const smallest = counts.shift() ?? 0;
    counts[0] = (counts[0] ?? 0) + smallest;
    past.firstBin += 1;
  }
  while (bin < past.firstBin && counts.length < MAX_BINS) {
    counts.unshift(0);
    past.firstBin -= 1;
  }
  const index = Math.max(0, bin - past.firstBin);
  counts[index] = (counts[index] ?? 0) + past.weight;
}

function rescale(past: TailSurprise): void {
  past.counts = past.counts.map((count) => count / past.weight);
  past.zeros /= past.weight;
  past.total /= past.weight;
  past.weight = 1;
}

function binOf(magnitude: number): number {
  return Math.log2(magnitude) * BINS_PER_DOUBLING;
}

function magnitudeOf(bin: number): number {
  return 2 ** (bin / BINS_PER_DOUBLING);
}
