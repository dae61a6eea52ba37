/** Fewer earlier values give no limit. */
export const INDIVIDUALS_MIN = 5;
/** 3 / d2 for moving ranges of two (Wheeler 1993; Montgomery, Introduction to Statistical Quality Control, 6.4). */
const THREE_SIGMA_PER_RANGE = 2.66;

export interface IndividualsLimit {
  readonly centre: number;
  readonly upper: number;
  readonly points: number;
}

/**
 * Upper limit of a control chart of single values: mean and three standard deviations, the deviation from the mean moving
 * range of the values in the order of their time. `leastMargin`: never nearer to the centre than this; values that hardly
 * scattered so far would make every small change an alarm. Null with fewer than {@link INDIVIDUALS_MIN} values.
 */
export function individualsLimit(values: readonly number[], leastMargin: number): IndividualsLimit | null {
  const points = values.length;
  if (points < INDIVIDUALS_MIN) return null;
  const centre = values.reduce((sum, value) => sum + value, 0) / points;
  let ranges = 0;
  for (let at = 1; at < points; at += 1) ranges += Math.abs((values[at] as number) - (values[at - 1] as number));
  const margin = Math.max(leastMargin, (THREE_SIGMA_PER_RANGE * ranges) / (points - 1));
  return { centre, upper: centre + margin, points };
}
