import { assessShortWindow } from '../../activities/assess-short-window';
import { assessTrend } from '../../activities/assess-trend';
import { computeBaseline } from '../../activities/compute-baseline';
import { WatchFold } from '../../activities/detection/watch-fold';
import type { ArtifactStore, Environment, Telemetry, TrafficRouter } from '../../activities/ports';
import type { DetectionPolicy } from '../../domain/policy';
import type { CountsRow } from '../../gateway/protocol';
import type { AssessmentInput, WatchInput } from '../../workflows/contract/activities';
import { policySchema, resolvePolicy } from '../../workers/configuration/policy-schema';
import { baselineOf, BEGIN_MS, HOUR_MS, LIVE, SERVICE } from './hour';

/** The shipped policy, but for a window of an hour. */
export function policyOfAnHour(): DetectionPolicy {
  const { detection } = resolvePolicy(policySchema.parse({}), {
    sessionMaxLifetimeMs: 0,
    changes: 'lastgood',
    onForeignQuarantined: 'alarm',
    unverifiedOperators: 'refuse',
  });
  return { ...detection, shortWindow: { ...detection.shortWindow, windowMs: HOUR_MS } };
}

function unused(): never {
  throw new Error('the assessments of this benchmark do not ask for it');
}

const environment: Environment = { assess: async () => ({ changed: [], unmeasured: [], facts: {} }) };
const router: TrafficRouter = {
  read: unused,
  apply: unused,
  fence: unused,
  drained: unused,
  entrance: unused,
};
const artifacts: ArtifactStore = {
  list: unused,
  get: () => Promise.reject(new Error('no report')),
  verify: unused,
  materialise: unused,
  probes: unused,
  annotate: unused,
};

/** Rows that are in memory already. */
export function telemetryOf(rows: readonly CountsRow[]): Telemetry {
  const window: Telemetry['window'] = (_, fromMs, toMs) =>
    Promise.resolve(rows.filter((row) => row.fromMs >= fromMs && row.fromMs < toMs));
  return { window, follow: unused, samples: unused, feedback: unused, answer: unused, answersAt: unused };
}

export function assessmentOf(now: number, policy: DetectionPolicy): AssessmentInput {
  const baseline = baselineOf();
  return {
    service: SERVICE,
    version: LIVE,
    epoch: 1,
    routedAt: BEGIN_MS,
    now,
    charts: {},
    standing: [],
    baseline,
    policy,
  };
}

/** The activities of a decision, over whatever telemetry. */
export interface Assessments {
  /** The short window: every metric of the policy, exact limits, class by class. */
  decide(input: AssessmentInput): Promise<void>;
  /** A day of hours that no assessment has seen yet. */
  trend(input: AssessmentInput): Promise<void>;
  /** Six hours of good periods. */
  baseline(now: number, policy: DetectionPolicy): Promise<void>;
}

export function assessments(telemetry: Telemetry): Assessments {
  const window = assessShortWindow({ telemetry, router, environment });
  const trend = assessTrend({ telemetry, environment });
  const history = computeBaseline({ telemetry, artifacts });
  return {
    async decide(input) {
      const { tiers } = await window(input);
      const measured = tiers.filter(({ kind }) => kind !== 'unmeasured').length;
      if (measured < 20) throw new Error(`a decision on ${measured} metrics, expected 20`);
    },
    async trend(input) {
      await trend(input);
    },
    async baseline(now, policy) {
      const periods = [{ version: LIVE, from: now - 6 * HOUR_MS, to: now }];
      const input = { service: SERVICE, version: LIVE, anchorVersion: LIVE, anchors: {}, periods, policy };
      const { metrics } = await history(input);
      if (Object.keys(metrics).length < 20) throw new Error('the baseline lacks metrics');
    },
  };
}

/** A watch that catches up: rows as the stream gives them, a turn of the event loop after each chunk of a read. */
export async function catchUp(rows: readonly CountsRow[], policy: DetectionPolicy): Promise<void> {
  const input: WatchInput = {
    service: SERVICE,
    version: LIVE,
    model: 'cost',
    epoch: 1,
    routedAt: BEGIN_MS,
    deployedAt: null,
    standby: null,
    cursor: 0,
    charts: {},
    standing: [],
    baseline: baselineOf(),
    policy,
    returnAfterMs: 60_000,
  };
  const fold = new WatchFold(input, { cursor: 0, charts: {} });
  for (const [index, row] of rows.entries()) {
    fold.take(row);
    if (index % ROWS_OF_A_READ === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  JSON.stringify(fold.snapshot());
}

/** 64 KiB of the stream at about 1 KiB a row. */
const ROWS_OF_A_READ = 64;
