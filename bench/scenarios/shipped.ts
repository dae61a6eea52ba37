import { assessShortWindow } from '../../activities/assess-short-window';
import { judgeCause } from '../../activities/attribute-cause';
import { computeBaseline } from '../../activities/compute-baseline';
import { judgeQuickly } from '../../activities/detection/quick-cause';
import { WatchFold } from '../../activities/detection/watch-fold';
import type { ArtifactStore, Environment, Telemetry, TrafficRouter } from '../../activities/ports';
import type { Attribution } from '../../domain/detection/attribution';
import type { Verdict } from '../../domain/detection/types';
import { TIMED } from '../../workflows/contract/charts';
import type { ServicePolicy } from '../../domain/policy';
import type { CountsRow } from '../../gateway/protocol';
import type {
  AssessmentInput,
  Baseline,
  ChartStates,
  StandingVerdict,
  WatchInput,
} from '../../workflows/contract/activities';
import { changesSeen } from './looks';
import { askedOfBoth, timed } from './replayed-pairs';
import { BEFORE, DEPLOYED, MEMORY_LIMIT, type World } from './world';

/** One verdict of the shipped detection, what it was laid to, and whether the policy rolls back for it. */
export interface Judged {
  readonly atMs: number;
  readonly metric: string;
  readonly attribution: Attribution;
  readonly rollsBack: boolean;
  readonly reasons: readonly string[];
}

const SERVICE = 'scenario';
const ASK_AGAIN_MS = 10 * 60_000;
const STANDBY = { id: 'before', address: 'unused', model: 'm', digest: 'd', version: BEFORE } as unknown as NonNullable<
  WatchInput['standby']
>;

/**
 * Watches a deploy with the code of the running system: baseline of the good hours before, fold of the rows, assessments
 * of the short window, attribution, and what the policy makes of it. Ends with the first rollback.
 */
export async function watchDeploy(world: World, policy: ServicePolicy): Promise<Judged[]> {
  const { deployMs, memory, rows } = world;
  const { detection } = policy;
  const telemetry = telemetryOf(rows);
  const baseline = await baselineOf(world, telemetry, detection);
  const assess = assessShortWindow({
    telemetry,
    environment: unseen,
    router: silent,
    timeBoth: async () => timed(world, clock.now, 'look'),
  });
  const clock = { now: deployMs };
  // A week with a standby has taught what an idle copy gains.
  const usual = Array.from({ length: 5 }, () => timed(world, deployMs, 'look').meanLog);
  let charts: ChartStates = { [TIMED]: { version: BEFORE, learnedAt: deployMs, usual } };
  const input: WatchInput = {
    service: SERVICE,
    version: DEPLOYED,
    model: 'm',
    epoch: 2,
    routedAt: deployMs,
    deployedAt: deployMs,
    standby: STANDBY,
    cursor: 0,
    charts: {},
    standing: [],
    baseline,
    policy: detection,
    returnAfterMs: 60_000,
  };
  const judged: Judged[] = [];
  const causes = new Map<string, Judged>();
  const environmentIds = new Set<string>();
  let standing: StandingVerdict[] = [];
  let fold = new WatchFold(input, { cursor: 0, charts: {} });
  let assessAt = deployMs + detection.shortWindow.everyMs;
  const take = (began: readonly StandingVerdict[], ended: readonly { id: string }[], now: number): boolean => {
    for (const { id, verdict } of began) {
      const cause = judge(world, policy, { verdict, now, windowCharts: charts, ...explaining(verdict) });
      judged.push(cause);
      if (cause.attribution === 'environment') environmentIds.add(id);
      // The watch brings the cause of an immediate verdict itself.
      if (verdict.tier !== 'immediate') causes.set(id, cause);
    }
    standing = [...standing, ...began].filter(({ id }) => !ended.some((one) => one.id === id));
    // As when the watch is started again: with what stands now.
    if (began.length + ended.length > 0)
      fold = new WatchFold({ ...input, standing }, { cursor: fold.cursor, charts: fold.snapshot() });
    return judged.some(({ rollsBack }) => rollsBack);
  };
  /** Another metric that stands and was laid to the environment. */
  const explaining = ({ metric }: Verdict): { explainedBy?: string } => {
    const other = standing.find((one) => one.verdict.metric !== metric && environmentIds.has(one.id));
    return other ? { explainedBy: other.verdict.metric } : {};
  };
  /** As detection does with what stands and was not laid to the model. True when it rolls back now. */
  const askAgain = (now: number): boolean => {
    for (const { id, verdict } of standing) {
      const before = causes.get(id);
      if (!before || before.attribution === 'model' || now - before.atMs < ASK_AGAIN_MS) continue;
      const cause = judge(world, policy, { verdict, now, windowCharts: charts, ...explaining(verdict) });
      causes.set(id, cause);
      if (cause.attribution === 'environment') environmentIds.add(id);
      else environmentIds.delete(id);
      if (cause.attribution !== before.attribution) judged.push(cause);
    }
    return judged.some(({ rollsBack }) => rollsBack);
  };
  for (const [index, row] of rows.entries()) {
    if (row.version !== DEPLOYED) continue;
    fold.take(row);
    const bytes = memory[index] ?? NaN;
    fold.takeMemory({ instance: DEPLOYED, bytes, limitBytes: MEMORY_LIMIT, limitOf: 'the policy' }, row.toMs);
    if (fold.hasNews && take(fold.began, fold.ended, row.toMs)) return judged;
    for (; assessAt <= row.toMs; assessAt += detection.shortWindow.everyMs) {
      const about: AssessmentInput = {
        service: SERVICE,
        version: DEPLOYED,
        epoch: 2,
        routedAt: deployMs,
        baking: true,
        now: assessAt,
        charts,
        standing,
        baseline,
        policy: detection,
      };
      clock.now = assessAt;
      if (askAgain(assessAt)) return judged;
      const { began, charts: kept, ended } = await assess(about);
      charts = kept;
      if (take(began, ended, assessAt)) return judged;
    }
  }
  return judged;
}

function judge(
  world: World,
  policy: ServicePolicy,
  {
    verdict,
    now,
    windowCharts,
    explainedBy,
  }: {
    verdict: Verdict;
    now: number;
    windowCharts: ChartStates;
    explainedBy?: string;
  },
): Judged {
  const about = {
    deployedAt: world.deployMs,
    now,
    verdict,
    version: DEPLOYED,
    windowCharts,
    ...(explainedBy && { explainedBy }),
  };
  const environment = changesSeen(world, verdict, now);
  // An immediate verdict has no time for a replay; the standby answers its probes in every case of this bench.
  const { attribution, reasons } =
    verdict.tier === 'immediate'
      ? judgeQuickly({ deployedAt: world.deployMs, standby: STANDBY }, verdict, {
          environment,
          standby: { state: 'passed' },
          now,
        })
      : judgeCause(about, askedOfBoth(world, verdict, policy.detection.replay, now), environment);
  const rollsBack =
    attribution === 'model' || (attribution === 'undetermined' && policy.undetermined[verdict.tier] === 'rollback');
  return { atMs: now, metric: verdict.metric, attribution, rollsBack, reasons };
}

async function baselineOf(
  { deployMs, rows }: World,
  telemetry: Telemetry,
  policy: ServicePolicy['detection'],
): Promise<Baseline> {
  const artifacts = { get: async () => null } as unknown as ArtifactStore;
  return await computeBaseline({ telemetry, artifacts })({
    service: SERVICE,
    version: DEPLOYED,
    periods: [{ version: BEFORE, from: rows[0]?.fromMs ?? deployMs, to: deployMs }],
    anchorVersion: BEFORE,
    anchors: {},
    policy,
  });
}

/** Rows in the order of their time. */
export function telemetryOf(rows: readonly CountsRow[]): Telemetry {
  const window = async (_service: string, fromMs: number, toMs: number): Promise<CountsRow[]> =>
    rows.slice(firstFrom(rows, fromMs), firstFrom(rows, toMs));
  return { window } as unknown as Telemetry;
}

/** Index of the first row that begins at that time or later. */
function firstFrom(rows: readonly CountsRow[], atMs: number): number {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rows[middle]?.fromMs ?? Infinity) < atMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The cause is asked of the world itself, see `looks.ts`; an assessment only shows the surroundings. */
const unseen: Environment = { assess: async () => ({ changed: [], unmeasured: [], facts: {} }) };
const silent = { read: () => Promise.reject(new TypeError('no router')) } as unknown as TrafficRouter;
