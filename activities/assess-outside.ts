import type { Assessment, AssessmentInput } from '../workflows/contract/activities';
import { judgeOutside } from './detection/judge-outside';
import { SeriesPasts } from './detection/series-pasts';
import type { OutsideMetrics } from './ports';

export interface OutsidePorts {
  readonly outside: OutsideMetrics;
}

/** Verdicts that begin in one assessment: what fits into its result. The others begin with the next one. */
const BEGAN_MAX = 5;

type OutsideAssessed = Pick<Assessment, 'began' | 'ended' | 'tiers'>;

/**
 * The metrics that come from outside, each over its own window, beside the short window; those of the immediate tier as
 * well, which the watch looks at more often. Ids come from the time in the input: a repeated activity gives the same.
 * Read-only.
 */
export function assessOutside({ outside }: OutsidePorts): (input: AssessmentInput) => Promise<OutsideAssessed> {
  const pasts = new SeriesPasts(outside);
  return async (input) => {
    const metrics = input.policy.outside ?? [];
    const judged = await Promise.all(metrics.map((metric) => judgeOutside(outside, input, metric, pasts)));
    return {
      began: judged.flatMap(({ began }) => (began ? [began] : [])).slice(0, BEGAN_MAX),
      ended: judged.flatMap(({ ended }) => (ended ? [ended] : [])),
      tiers: judged.map(({ reading }) => reading),
    };
  };
}
