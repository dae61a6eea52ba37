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
