import type { Verdict } from '../../domain/detection/types';
import type { TierReading } from '../../workflows/contract/activities';

/** What one metric of a window is: the verdict on it, and the line of `status`. */
export interface Judged {
  readonly reading: TierReading;
  readonly verdict: Verdict | null;
}
