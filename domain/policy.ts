import type { DrillPolicy } from './drill';
import type { ReplicaPlan } from './hosts';
import type { CacheStrategy } from './caches/choice';
import type { PipelinePolicy } from './items/pipeline-policy';
import type { Tier } from './detection/types';

/** What lastgood may do by itself: only watch, propose and wait for a person, or act. */
export type Mode = 'observe' | 'confirm' | 'act';

/** One quality metric and how it is judged. */
export interface MetricPolicy {
  /** `error-rate`, `timeout-rate`, `malformed-rate`, `recall` (each class of its own), `accuracy`, `latency-p95`, `memory`, `estimated-…`. */
  readonly metric: string;
  readonly kind: 'rate' | 'mean' | 'quantile' | 'memory' | 'class-rate';
  readonly badDirection: 'up' | 'down' | 'both';
  readonly tier: Tier;
  /** Fewer samples give `inconclusive`. */
  readonly minSamples: number;
  /** Changes up to this size never count, however significant; in the metric's own unit (rates 0–1, latency ms). */
  readonly practicalMargin: number;
  /** Assumed good value while there is neither history nor an evaluation report; rates 0–1. */
  readonly assumed: number | null;
  /** A failure of this metric means that users are not served at all: it pages even inside cooldown. */
  readonly hard: boolean;
}

/**
 * A metric that is not counted from requests but comes from outside, as a series of values. Where it is asked for (an
 * address, a query, a column) stays with the controller: histories hold no addresses.
 */
export interface OutsideMetric {
  readonly metric: string;
  /**
   * Bounds what a value may be: `rate` 0–1, `memory` and `distribution` at least 0, the others any finite number. A `series`
   * is judged by its own past alone.
   */
  readonly kind: 'rate' | 'mean' | 'quantile' | 'memory' | 'distribution' | 'series';
  readonly badDirection: 'up' | 'down' | 'both';
  readonly tier: Tier;
  readonly unit: string;
  /** In its own unit: changes up to this size never count; 0 for a series of which nobody knows one. */
  readonly practicalMargin: number;
  /** Values are put together until they hold so many samples; that is one point of the chart. */
  readonly minSamples: number;
  /** How far back an assessment looks. */
  readonly windowMs: number;
  /** `pushed`: whoever has a token can write it. `engine`: the serving copies of the live version tell it. */
  readonly from: 'pushed' | 'prometheus' | 'engine' | 'alertmanager';
}

export interface DetectionPolicy {
  readonly metrics: readonly MetricPolicy[];
  /** Absent in policies of older releases, and where nothing comes from outside. */
  readonly outside?: readonly OutsideMetric[];
  /** One false alarm of one chart in this many days; at least 30 in production. */
  readonly falseAlarmDays: number;
  readonly shortWindow: { readonly everyMs: number; readonly windowMs: number };
  readonly trend: { readonly everyMs: number; readonly minPoints: number };
  /** A verdict ends after this long without a sign of it. */
  readonly calmMs: number;
  /** No row from the gateway for this long is `unmeasured`, with its own alert. */
  readonly unmeasuredAfterMs: number;
  /**
   * A watch that has said nothing for so long counts as dead, instead of the shorter times that one service of few has:
   * given by a controller of many services, whose signs of life the server could not write otherwise.
   */
  readonly signOfLifeMs?: number;
  /** Below this much known good history the limits are those of warm-up. */
  readonly minHistoryMs: number;
  /**
   * Estimates from confidences (metrics `estimated-…`); absent in policies of older releases. `minLabels`: of a predicted
   * class in the good periods, before its confidences count as calibrated. `onDegraded`: a verdict that rests on an
   * estimate is put before a person (`ask`, also in mode `act`), or decided like any other (`act`).
   */
  readonly estimates?: { readonly minLabels: number; readonly onDegraded: 'ask' | 'act' };
  /** Paired replay of sampled inputs on the previous version: how many, and the time for all of them. */
  readonly replay: { readonly maxInputs: number; readonly budgetMs: number };
}

/**
 * By what the target of a rollback is chosen among the versions that may be chosen; `domain/rollback/order` has the
 * criteria of each. Whatever it says, what was rolled back from for an undetermined cause comes last (I8).
 */
export type TargetOrder = 'previous' | 'closest-profile' | 'human-validated' | 'newest-validated';

export interface TargetPolicy {
  readonly order: TargetOrder;
  /** With `closest-profile`: a version whose distance to the inputs of now is above is not moved to unasked. PSI. */
  readonly maxDistance: number;
  /** How often the controller compares the profiles with the inputs of now. */
  readonly measureEveryMs: number;
}

/** An output cache that must not serve answers of a version that was left. Where it is stays with the controller. */
export interface CachePolicy {
  readonly name: string;
  readonly strategy: CacheStrategy;
  /** Longest life of an entry. */
  readonly ttlMs: number;
}

/**
 * Everything that governs one service; pinned into the service workflow by `configure`. Defaults are those of
 * `workers/configuration`; demos and benchmarks bring files of their own.
 */
export interface ServicePolicy {
  readonly mode: Mode;
  readonly cooldownMs: number;
  readonly breaker: { readonly consecutiveRollbacks: number; readonly calmMs: number };
  readonly bakeMs: number;
  readonly attempts: { readonly maxCandidates: number; readonly totalMs: number };
  readonly steps: {
    readonly validateMs: number;
    readonly loadMs: number;
    readonly probeMs: number;
    readonly shiftMs: number;
    readonly drainMs: number;
    readonly stopGraceMs: number;
  };
  readonly verify: {
    readonly goodAnswers: number;
    readonly verifyMaxMs: number;
    readonly confirmMs: number;
    readonly confirmMaxMs: number;
  };
  readonly standby: {
    readonly keepWarm: boolean;
    readonly proofIntervalMs: number;
    readonly proofMaxAgeMs: number;
    readonly asFallback: boolean;
  };
  readonly sessions: {
    readonly maxLifetimeMs: number;
    readonly keepPinsOn: readonly Tier[];
    /** Longest stay of a session on a version that was left for an incident of the tier. Absent in policies of older releases. */
    readonly keepPinsAtMostMs?: Readonly<Record<Tier, number>>;
  };
  readonly approval: {
    /** Tiers whose rollback waits for a person even in mode `act`. */
    readonly tiers: readonly Tier[];
    readonly timeoutMs: number;
    readonly onTimeout: 'hold' | 'proceed';
  };
  readonly gradual: { readonly stages: readonly number[]; readonly stageMs: number };
  /** Absent in policies of older releases: `previous`. */
  readonly target?: TargetPolicy;
  /** Never chosen by the machine when older than this one (by import order). */
  readonly minimumAcceptable: string | null;
  /** On each host. */
  readonly copiesLoadedMax: number;
  /**
   * Memory holds one copy, so the old one is stopped before the new one is loaded, and nobody serves meanwhile. Absent where
   * the new one is loaded beside it. `gapMaxMs`: what the users are promised at most.
   */
  readonly swap?: { readonly how: 'stop-first'; readonly gapMaxMs: number };
  /** Absent for a service on one host. */
  readonly replicas?: ReplicaPlan;
  /** Absent where there is none. */
  readonly caches?: readonly CachePolicy[];
  /** What is done with the items that a version handled while it was degraded; absent where no pipeline is declared. */
  readonly pipelines?: readonly PipelinePolicy[];
  readonly ledgerWaitMs: number;
  readonly ledgerDown: Readonly<Record<Tier, 'proceed' | 'hold'>>;
  readonly undetermined: Readonly<Record<Tier, 'rollback' | 'hold'>>;
  readonly validated: { readonly minAccuracy: number; readonly minRecall: number };
  readonly changes: 'lastgood' | 'external';
  readonly onForeignQuarantined: 'alarm' | 'revert';
  /** Deploys are refused inside these weekly windows (UTC; 0 = Sunday); `toHour` before `fromHour` is the next day. */
  readonly freezeWindows: readonly {
    readonly days: readonly number[];
    readonly fromHour: number;
    readonly toHour: number;
  }[];
  /** Absent in policies of older releases: no live drills. */
  readonly drills?: DrillPolicy;
  readonly unverifiedOperators: 'allow' | 'refuse';
  /**
   * Public keys whose signature proves the actor of a message (Ed25519, 32 bytes in hex); absent: an actor is believed as it
   * is written.
   */
  readonly actKeys?: readonly string[];
  /** Acts that take a brake away need a second person. */
  readonly regulated?: boolean;
  readonly detection: DetectionPolicy;
}
