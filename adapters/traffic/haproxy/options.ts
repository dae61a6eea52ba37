import type { HaproxyLayout } from './layout';

export interface HaproxyRouterOptions extends HaproxyLayout {
  /** Socket of the master process: it reaches the worker in charge and those that a reload has left. */
  readonly masterSocket: string;
  /** For one whole conversation; default 2 s, less than every activity that holds one. */
  readonly deadlineMs?: number;
  /** How long another writer is waited for; default 1 s. */
  readonly lockWaitMs?: number;
}
