import type { OutsideMetric } from '../../domain/policy';

/** A pushed score of which a fall by two points matters, over twenty minutes. */
export const pushedScore: OutsideMetric = {
  metric: 'quality',
  kind: 'mean',
  badDirection: 'down',
  tier: 'short-window',
  unit: 'points',
  practicalMargin: 2,
  minSamples: 1,
  windowMs: 20 * 60_000,
  from: 'pushed',
};
