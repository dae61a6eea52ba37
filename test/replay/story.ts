import type { ServiceOptions, ServiceRig } from '../support/service-rig';
import type { ServiceWorld } from '../support/service-world';

/** What a service lives through on a real server, so that its histories can be kept. */
export interface Story {
  readonly options?: ServiceOptions;
  /** Changes the world before the service begins. */
  readonly prepare?: (world: ServiceWorld) => void;
  /** The story itself begins, instead of a service that has a proven standby. */
  readonly unready?: true;
  /** Rejects where the story does not end as it should: its histories would show something else. */
  readonly tell: (rig: ServiceRig) => Promise<void>;
}
