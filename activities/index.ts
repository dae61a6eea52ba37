import type { ControlActivities, HostActivities, RouterActivities } from '../workflows/contract/activities';
import { annotateVersion } from './annotate-version';
import { applyRoute } from './apply-route';
import { guarded } from './failures';
import { drawIncident } from './draw-incident';
import { fenceRouter } from './fence-router';
import { inspectInstances } from './inspect-instances';
import { listVersions } from './list-versions';
import { loadTarget } from './load-target';
import { observeDrain } from './observe-drain';
import { observeRoute } from './observe-route';
import type {
  Alerts,
  ArtifactStore,
  Engine,
  EvidenceStore,
  ExternalParts,
  InputFits,
  Ledger,
  OutputCaches,
  OutsideMetrics,
  ServiceStanding,
  ServingRuntime,
  Telemetry,
  TrafficRouter,
} from './ports';
import { prepareTarget } from './prepare-target';
import { probeInstance } from './probe-instance';
import { recordDecisions } from './record-decisions';
import { recoverState } from './recover-state';
import { releaseInstance } from './release-instance';
import { sendAlert } from './send-alert';
import { settleCache } from './settle-cache';
import { shadowReplay } from './shadow-replay';
import { shiftTraffic } from './shift-traffic';
import { stopInstance } from './stop-instance';
import { validateArtifact } from './validate-artifact';
import { verifyShift } from './verify-shift';

export interface ControlPorts {
  readonly ledger: Ledger;
  readonly artifacts: ArtifactStore;
  readonly alerts: Alerts;
  readonly router: TrafficRouter;
  readonly telemetry: Telemetry;
  readonly outside: OutsideMetrics;
  readonly evidence: EvidenceStore;
  /** Absent where nothing runs outside of the serving processes. */
  readonly external?: ExternalParts;
  /** Absent where no service has one. */
  readonly caches?: OutputCaches;
  readonly engine: (service: string) => Engine;
  /** False where a request has effects beyond its answer. */
  readonly repeatable: (service: string) => boolean;
  /** Absent where nobody compares profiles with the inputs of now. */
  readonly fits?: InputFits;
}

export interface HostPorts {
  readonly artifacts: ArtifactStore;
  readonly router: TrafficRouter;
  readonly serving: (service: string) => ServingRuntime;
  readonly engine: (service: string) => Engine;
}

export interface RouterPorts {
  readonly router: TrafficRouter;
  readonly standing: ServiceStanding;
  readonly artifacts: ArtifactStore;
  readonly engine: (service: string) => Engine;
}

/** The activities of detection run on the same queue and are composed beside these. */
export type StepActivities = Omit<
  ControlActivities,
  'assessShortWindow' | 'assessTrend' | 'computeBaseline' | 'attributeCause'
>;

/** For the controller's worker (queue `lastgood-control`). */
export function controlActivities(ports: ControlPorts): StepActivities {
  return guarded<StepActivities>({
    recordDecisions: recordDecisions(ports),
    recoverState: recoverState(ports),
    listVersions: listVersions(ports),
    sendAlert: sendAlert(ports),
    annotateVersion: annotateVersion(ports),
    drawIncident: drawIncident(ports),
    validateArtifact: validateArtifact(ports),
    probeInstance: probeInstance(ports),
    shadowReplay: shadowReplay(ports),
    verifyShift: verifyShift(ports),
    settleCache: settleCache({ router: ports.router, caches: ports.caches ?? { of: () => [] } }),
    observeDrain: observeDrain(ports),
    observeRoute: observeRoute(ports),
  });
}

/** For the worker beside what serves (queue of the host, one slot). */
export function hostActivities(ports: HostPorts): HostActivities {
  return guarded<HostActivities>({
    loadTarget: loadTarget(ports),
    prepareTarget: prepareTarget(ports),
    stopInstance: stopInstance(ports),
    inspectInstances: inspectInstances(ports),
    releaseInstance: releaseInstance(ports),
  });
}

/** For the worker beside the routers (queue of the host's routers, one slot). */
export function routerActivities(ports: RouterPorts): RouterActivities {
  return guarded<RouterActivities>({
    shiftTraffic: shiftTraffic(ports),
    applyRoute: applyRoute(ports),
    fenceRouter: fenceRouter(ports),
  });
}
