/** What is said of one signal of the environment: of a field of the inputs, a dependency, a machine, the users. */
export type SignalState = 'same' | 'changed' | 'unmeasured';

export interface SignalFinding {
  /** Stable and short, such as `cpu`, `inputs:amount`, `dependency:features`, `users:rate`. */
  readonly name: string;
  readonly state: SignalState;
  /** What was found, with its value, limit and since when; for an alert. */
  readonly words: string;
  /** Where a person should look when it has changed. */
  readonly where: string;
  readonly observed: number | null;
  readonly before: number | null;
  readonly limit: number | null;
  /** Begin of the change, where that can be told. Ms since the epoch. */
  readonly onsetMs: number | null;
  /** Observations behind `observed`. */
  readonly samples: number;
}

/** When a degradation that asks for its cause began: low and high end of its onset's interval. Ms since the epoch. */
export interface OnsetInterval {
  readonly lowMs: number;
  readonly highMs: number;
}

/** Estimates of two onsets may pass each other by so much. */
const ONSET_SLACK_MS = 60_000;

/** What began after the degradation did not cause it. */
export function beganAfter(onsetLowMs: number | null, degradation: OnsetInterval | null): boolean {
  return onsetLowMs !== null && degradation !== null && onsetLowMs > degradation.highMs + ONSET_SLACK_MS;
}
