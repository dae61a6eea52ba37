import type { DetectionState } from '../contract/inputs';
import type { Loops } from './loops';
import type { Reports } from './reports';

/** The detection of one service, as its loops see it. */
export interface Detecting {
  readonly service: string;
  /** By the input of the start: something else runs what serves. */
  readonly external: boolean;
  state: DetectionState;
  readonly reports: Reports;
  readonly loops: Loops;
  /** Changes the state and what is shown of it. */
  change(change: Partial<DetectionState>): void;
}
