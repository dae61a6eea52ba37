import type { DetectionPolicy } from '../policy';

/**
 * Metrics that are estimated from calibrated confidences and not counted from labels. Whoever decides must be able to tell
 * them apart by their name: an estimate confirms nothing, and what it accuses is put before a person.
 */
export const ESTIMATED_ACCURACY = 'estimated-accuracy';
export const ESTIMATED_PRECISION = 'estimated-precision';
export const ESTIMATED_RECALL = 'estimated-recall';

const PREFIX = 'estimated-';

export function restsOnEstimates(metric: string): boolean {
  return metric.startsWith(PREFIX);
}

/** Whether a rollback for this metric needs a person's word, whatever the mode: so it is unless the policy says `act`. */
export function isBeforePerson(policy: { readonly detection: DetectionPolicy }, metric: string): boolean {
  return restsOnEstimates(metric) && policy.detection.estimates?.onDegraded !== 'act';
}
