import { clockText, percentText } from '../../domain/detection/verdict';
import { beganAfter, type OnsetInterval } from '../../domain/environment/finding';
import { median, type HardwareReading } from './reading-history';
import type { Signal } from './signal-source';

/**
 * When a state of a machine counts as changed: it is bad in itself (`limit`), and it has moved by at least `margin` from
 * its own history. A machine that is always busy has not changed; one that became a little busier has no problem.
 */
export interface HardwareRule {
  readonly bad: 'above' | 'below';
  readonly limit: number;
  readonly margin: number;
  /** What the number is, such as `busy`. */
  readonly noun: string;
  readonly unit: 'share' | 'count';
  /** One reading is enough: it says that something has happened, and stays. */
  readonly event?: true;
  /** Not every source has it: where it never came nothing is said of it. */
  readonly optional?: true;
}
export type HardwareRules = Readonly<Record<string, HardwareRule>>;

export const DEFAULT_HOST_RULES: HardwareRules = {
  cpu: { bad: 'above', limit: 0.95, margin: 0.25, noun: 'busy', unit: 'share' },
  memory: { bad: 'below', limit: 0.08, margin: 0.1, noun: 'available', unit: 'share' },
  disk: { bad: 'below', limit: 0.03, margin: 0.02, noun: 'free', unit: 'share' },
};

/** Fewer readings than this say nothing. */
export const MIN_RECENT = 3;
export const MIN_BEFORE = 12;

export interface HardwareQuestion {
  /** Readings before are the history. */
  readonly sinceMs: number;
  readonly onset?: OnsetInterval;
}

/**
 * The readings since the onset (where it is known, else since `sinceMs`; at least the newest three) against those before
 * `sinceMs`, by their medians: one spike is no change. The newest three count by themselves too: a moment that was set a
 * minute back, to be sure, must not hide what began seconds ago. Without enough of a history `same` is said only of what
 * is within its limit, over all the readings and in the newest.
 */
export function compareHardware(
  machine: string,
  readings: readonly HardwareReading[],
  question: HardwareQuestion,
  rules: HardwareRules,
): Signal[] {
  return Object.entries(rules).flatMap(([metric, rule]) => {
    const known = readings.flatMap(({ atMs, values }) => {
      const value = values[metric] ?? null;
      return value === null ? [] : [{ atMs, value }];
    });
    if (rule.optional === true && known.length === 0) return [];
    return [compare(machine, metric, known, question, rule)];
  });
}

interface Known {
  readonly atMs: number;
  readonly value: number;
}

function compare(
  machine: string,
  metric: string,
  known: readonly Known[],
  { sinceMs, onset }: HardwareQuestion,
  rule: HardwareRule,
): Signal {
  const after = known.filter(({ atMs }) => atMs >= sinceMs);
  const earlier = known.filter(({ atMs }) => atMs < sinceMs);
  const sinceOnset = onset === undefined ? after : after.filter(({ atMs }) => atMs >= onset.lowMs);
  const judged = sinceOnset.length >= MIN_RECENT ? sinceOnset : after.slice(-MIN_RECENT);
  const valuesOf = (some: readonly Known[]): number[] => some.map(({ value }) => value);
  const middle = median(valuesOf(judged));
  const newest =
    rule.event === true ? (after[after.length - 1]?.value ?? null) : median(valuesOf(after.slice(-MIN_RECENT)));
  const before = median(valuesOf(earlier));
  const bad = (value: number): boolean => (rule.bad === 'above' ? value > rule.limit : value < rule.limit);
  const worse = (value: number): number => (rule.bad === 'above' ? value - (before ?? 0) : (before ?? 0) - value);
  const changed = [middle, newest].find((value) => value !== null && bad(value) && worse(value) >= rule.margin);
  const recent = changed ?? middle;
  const state = (): Signal['state'] => {
    const [needed, neededBefore] = rule.event === true ? [1, 1] : [MIN_RECENT, MIN_BEFORE];
    if (middle === null || newest === null || judged.length < needed) return 'unmeasured';
    if (before !== null && earlier.length >= neededBefore) return changed === undefined ? 'same' : 'changed';
    // What is not bad has not changed for the worse, whatever it was before; what is bad may always have been.
    return bad(middle) || bad(newest) ? 'unmeasured' : 'same';
  };
  const found = state();
  const begin = found === 'changed' ? beginOf(after, bad) : null;
  const late = beganAfter(begin, onset ?? null);
  const shown = (value: number): string => (rule.unit === 'share' ? percentText(value) : String(value));
  const shownBefore = before === null ? 'before unknown' : `${shown(before)} before`;
  return {
    name: machine === '' ? metric : `${machine}:${metric}`,
    state: late ? 'same' : found,
    words:
      recent === null
        ? 'could not be read'
        : `${shown(recent)} ${rule.noun} (limit ${shown(rule.limit)}, ${shownBefore})` +
          (begin === null ? '' : `, since ${clockText(begin)}${late ? ', which is after the degradation began' : ''}`),
    where: `${metric} of ${machine === '' ? 'this host' : machine}`,
    observed: rounded(recent),
    before: rounded(before),
    limit: rule.limit,
    onsetMs: begin,
    samples: judged.length,
    more: { recent: rounded(recent), readings: { recent: judged.length, before: earlier.length } },
  };
}

/** The first reading of the newest stretch of bad ones. */
function beginOf(readings: readonly Known[], bad: (value: number) => boolean): number | null {
  let begin: number | null = null;
  for (let at = readings.length - 1; at >= 0; at -= 1) {
    const reading = readings[at];
    if (!reading || !bad(reading.value)) {
      // One good reading in between ends nothing.
      const before = readings[at - 1];
      if (!before || !bad(before.value)) break;
    } else begin = reading.atMs;
  }
  return begin;
}

function rounded(value: number | null): number | null {
  return value === null ? null : Math.round(value * 1e4) / 1e4;
}
