import { assessTrend } from '../../activities/assess-trend';
import { baselineWithOutside, windowWithOutside } from '../../activities/detection-activities';
import type { ArtifactStore, Environment, Telemetry, TrafficRouter } from '../../activities/ports';
import type { ControlActivities } from '../../workflows/contract/activities';
import { replayedPorts, type Recorded } from './recording';

export type Assessments = Pick<ControlActivities, 'assessShortWindow' | 'assessTrend' | 'computeBaseline'>;

/** The assessments of the running system over a record, as it was known at `clock.now`. */
export function replayedAssessments(
  recorded: Recorded,
  clock: { readonly now: number },
  artifacts: Pick<ArtifactStore, 'get'> | null,
): Assessments {
  const { telemetry, outside } = replayedPorts(recorded, clock);
  const ports = {
    outside,
    environment: notOnRecord,
    telemetry: { ...nothingElse, ...telemetry } as unknown as Telemetry,
    router: nothingElse as unknown as TrafficRouter,
    artifacts: (artifacts ?? noReports) as ArtifactStore,
  };
  return {
    assessShortWindow: windowWithOutside(ports),
    assessTrend: assessTrend(ports),
    computeBaseline: baselineWithOutside(ports),
  };
}

/** No record tells how the host was: nothing is laid to it, and nothing is ruled out. */
export const environmentUnknown = 'environment (not on record)';
const notOnRecord: Environment = {
  assess: async () => ({ changed: [], unmeasured: [environmentUnknown], facts: {} }),
};
const noReports: Pick<ArtifactStore, 'get'> = { get: async () => null };
/** What an assessment asks beside the rows rejects, and is unmeasured there. */
const absent = new Error('it is not on record');
const nothingElse = { read: () => Promise.reject(absent) };
