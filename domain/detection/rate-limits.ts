import { binomialUpperQuantile } from './binomial-distribution';
import { normalQuantile } from './normal-distribution';

export interface RateInterval {
  low: number;
  high: number;
}

/** Wilson's score interval of a rate, two-sided at `confidence` (.95 by default). No trials: [0, 1]. */
export function wilsonInterval(failures: number, trials: number, confidence = 0.95): RateInterval {
  return scoreInterval(failures, trials, normalQuantile(1 - (1 - confidence) / 2));
}

/** One-sided upper limit of a rate (Wilson). No trials: 1, so that an unknown history can never accuse anybody. */
export function wilsonUpper(failures: number, trials: number, confidence = 0.9): number {
  return scoreInterval(failures, trials, normalQuantile(confidence)).high;
}

/** One-sided lower limit of a rate (Wilson). No trials: 0. */
export function wilsonLower(failures: number, trials: number, confidence = 0.9): number {
  return scoreInterval(failures, trials, normalQuantile(confidence)).low;
}

/** Limits of the rate seen in one window. */
export interface WindowLimits {
  /** null: no count in this window can exceed it. */
  ucl: number | null;
  lcl: number;
}

/**
 * Exact binomial control limits for a window of `trials` at rate `p0`, each tail at most `alpha` (.00135 is the
 * classical three sigma). The practical margin moves the *rate*, not the count: a significant change smaller than
 * the margin stays inside.
 */
export function binomialControlLimits(trials: number, p0: number, practicalMargin = 0, alpha = 0.00135): WindowLimits {
  if (!(trials > 0)) return { ucl: null, lcl: 0 };
  const raised = Math.min(1, p0 + practicalMargin);
  const lowered = Math.max(0, p0 - practicalMargin);
  const highest = binomialUpperQuantile(trials, raised, alpha);
  const lowest = trials - binomialUpperQuantile(trials, 1 - lowered, alpha);
  return { ucl: highest >= trials ? null : highest / trials, lcl: lowest / trials };
}

function scoreInterval(failures: number, trials: number, z: number): RateInterval {
  if (!(trials > 0) || !(failures >= 0) || failures > trials) return { low: 0, high: 1 };
  const rate = failures / trials;
  const denominator = 1 + (z * z) / trials;
  const center = rate + (z * z) / (2 * trials);
  const half = z * Math.sqrt((rate * (1 - rate)) / trials + (z * z) / (4 * trials * trials));
  return {
    low: failures === 0 ? 0 : Math.max(0, (center - half) / denominator),
    high: failures === trials ? 1 : Math.min(1, (center + half) / denominator),
  };
}
