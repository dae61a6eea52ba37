/** The control chart of the demo, one line a step: the class that fails beside the aggregate that reacts later. */
import type { Seen } from './load';

export interface Limits {
  /** What good history says, 0–1. */
  expected: number;
  /** Below this the chart is outside its limits. */
  limit: number;
}

const LOW = 0.6;
const WIDTH = 32;

/** Recall of a class (or accuracy of all) over the labels that arrived in the window. */
export function rateOf(seen: readonly Seen[], fromMs: number, label: string | null): { n: number; rate: number } {
  let n = 0;
  let right = 0;
  for (let index = seen.length - 1; index >= 0; index -= 1) {
    const one = seen[index] as Seen;
    if (one.labelAtMs < fromMs - 2_000) break;
    if (one.labelAtMs < fromMs || (label !== null && one.truth !== label)) continue;
    n += 1;
    if (one.answer === one.truth) right += 1;
  }
  return { n, rate: n === 0 ? Number.NaN : right / n };
}

/** `────────┊───●──` between 60 % and 100 %: ┊ the lower limit, ● the value, ◆ a value outside. */
export function bar(rate: number, limits: Limits | null): string {
  const cells = new Array<string>(WIDTH).fill('─');
  const place = (value: number): number =>
    Math.max(0, Math.min(WIDTH - 1, Math.round(((value - LOW) / (1 - LOW)) * (WIDTH - 1))));
  if (limits) cells[place(limits.limit)] = '┊';
  if (!Number.isNaN(rate)) cells[place(rate)] = limits && rate < limits.limit ? '◆' : '●';
  return cells.join('');
}

export function percent(rate: number): string {
  return Number.isNaN(rate) ? '   – ' : `${(rate * 100).toFixed(0).padStart(3)} %`;
}
