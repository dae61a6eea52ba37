/** A value axis: from, to, and ticks at round numbers inside. */
export interface ValueScale {
  readonly from: number;
  readonly to: number;
  readonly ticks: readonly number[];
}

const PADDING = 0.08;

/** Holds every finite value with a little room; a series that never moves still gets a height. */
export function valueScale(values: readonly number[], floor: number | null = null): ValueScale {
  const finite = values.filter((value) => Number.isFinite(value));
  const low = Math.min(...finite);
  const high = Math.max(...finite);
  if (finite.length === 0) return { from: 0, to: 1, ticks: [0, 0.5, 1] };
  const height = high > low ? high - low : Math.abs(high) / 2 || 1;
  const padded = low - PADDING * height;
  const from = floor !== null && low >= floor ? Math.max(floor, padded) : padded;
  const to = high + PADDING * height;
  return { from, to, ticks: roundTicks(from, to) };
}

/** Three to six multiples of 1, 2 or 5 times a power of ten. */
function roundTicks(from: number, to: number): number[] {
  const rough = (to - from) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power;
  const first = Math.ceil(from / step);
  const count = Math.floor(to / step) - first + 1;
  // Products, not sums: 0.1 + 0.2 is no round number.
  return Array.from({ length: Math.max(0, count) }, (_, index) => Number(((first + index) * step).toPrecision(12)));
}

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const TIME_STEPS_MS = [
  ...[1, 2, 5, 10, 15, 30].map((step) => step * MINUTE_MS),
  ...[1, 2, 3, 6, 12].map((step) => step * HOUR_MS),
  ...[1, 2, 7, 14].map((step) => step * DAY_MS),
];
const TIME_TICKS_MAX = 7;

/** Moments at round times (UTC), at most seven, with the words that tell them apart. */
export function timeTicks(fromMs: number, toMs: number): { readonly atMs: number; readonly label: string }[] {
  const step = TIME_STEPS_MS.find((each) => (toMs - fromMs) / each <= TIME_TICKS_MAX) ?? (toMs - fromMs) / 4;
  const ticks = [];
  for (let atMs = Math.ceil(fromMs / step) * step; atMs <= toMs; atMs += step) {
    const text = new Date(atMs).toISOString();
    ticks.push({ atMs, label: step >= DAY_MS ? text.slice(5, 10) : text.slice(11, 16) });
  }
  return ticks;
}
