import type { DrillActivities } from '../workflows/contract/drill';
import { awaitDrillRoute } from './await-drill-route';
import { checkDrill } from './check-drill';
import { compareDrill } from './compare-drill';
import { guarded } from './failures';
import type { DetectionLimits, DrillRequests, EvidenceStore, Ledger, Telemetry, TrafficRouter } from './ports';
import { replayInputs } from './replay-inputs';
import { requestDrill } from './request-drill';
import { watchDrill } from './watch-drill';

export interface DrillPorts {
  readonly router: TrafficRouter;
  readonly telemetry: Telemetry;
  readonly ledger: Ledger;
  readonly evidence: EvidenceStore;
  readonly detection: DetectionLimits;
  readonly requests: DrillRequests;
  readonly repeatable: (service: string) => boolean;
}

/** For the controller's worker (queue `lastgood-control`), beside the steps of the story. */
export function drillActivities(ports: DrillPorts): DrillActivities {
  return guarded<DrillActivities>({
    checkDrill: checkDrill(ports),
    awaitDrillRoute: awaitDrillRoute(ports),
    watchDrill: watchDrill(ports),
    replayInputs: replayInputs(ports),
    compareDrill: compareDrill(ports),
    requestDrill: requestDrill(ports),
  });
}
