import { ApplicationFailure } from '@temporalio/common';
import type { Alert } from '../../domain/alert';
import type { LedgerEntry } from '../../domain/ledger';
import type { ServicePolicy } from '../../domain/policy';
import { sameRoute, type Backend, type ObservedRoute, type RouteRecord } from '../../domain/route';
import type { DegradationBegan, TierReading, TiersReported } from '../../domain/service/events';
import type { StoredVersion } from '../../domain/service/state';
import type { DrillActivities } from '../../workflows/contract/drill';
import type {
  ControlActivities,
  HostActivities,
  RouterActivities,
  ShiftOutcome,
} from '../../workflows/contract/activities';

export type Activities = ControlActivities & HostActivities & RouterActivities & DrillActivities;
export type Fakes = { [Name in keyof Activities]?: Activities[Name] };

export const second = 1_000;
export const minute = 60_000;
export const hour = 3_600_000;
export const day = 86_400_000;

/** The shipped policy as far as decisions go; a test changes what it is about. */
export function policyOf(change: Partial<ServicePolicy> = {}): ServicePolicy {
  return {
    mode: 'act',
    cooldownMs: 30 * minute,
    breaker: { consecutiveRollbacks: 2, calmMs: day },
    bakeMs: day,
    attempts: { maxCandidates: 3, totalMs: 30 * minute },
    steps: { validateMs: 10_000, loadMs: 10_000, probeMs: 10_000, shiftMs: 5_000, drainMs: 5_000, stopGraceMs: 1_000 },
    verify: { goodAnswers: 20, verifyMaxMs: 5_000, confirmMs: 20 * minute, confirmMaxMs: 2 * hour },
    standby: { keepWarm: true, proofIntervalMs: 10_000, proofMaxAgeMs: 30_000, asFallback: true },
    sessions: { maxLifetimeMs: hour, keepPinsOn: ['trend'] },
    approval: { tiers: [], timeoutMs: 30 * minute, onTimeout: 'hold' },
    gradual: { stages: [0.05, 0.5], stageMs: minute },
    minimumAcceptable: null,
    copiesLoadedMax: 4,
    ledgerWaitMs: 500,
    ledgerDown: { immediate: 'proceed', 'short-window': 'hold', trend: 'hold' },
    undetermined: { immediate: 'rollback', 'short-window': 'rollback', trend: 'hold' },
    validated: { minAccuracy: 0.8, minRecall: 0.6 },
    changes: 'lastgood',
    onForeignQuarantined: 'alarm',
    freezeWindows: [],
    unverifiedOperators: 'allow',
    detection: {
      metrics: [],
      falseAlarmDays: 30,
      shortWindow: { everyMs: minute, windowMs: 20 * minute },
      trend: { everyMs: hour, minPoints: 24 },
      calmMs: 2 * minute,
      unmeasuredAfterMs: minute,
      minHistoryMs: 30 * minute,
      replay: { maxInputs: 10, budgetMs: 1_000 },
    },
    ...change,
  };
}

/** The world of one service as its activities see it: a router with its rule of epochs, a ledger, a store, a host. */
export class ServiceWorld {
  readonly router: { record: RouteRecord | null; floor: number; fallback: ObservedRoute['fallback'] };
  readonly applied: RouteRecord[] = [];
  readonly ledger: LedgerEntry[] = [];
  readonly alerts: Alert[] = [];
  /** `<incident> <moment>` of every picture that was asked for. */
  readonly pictures: string[] = [];
  readonly fences: number[] = [];
  readonly running = new Set<string>();
  /** Name and version of each call, in the order in which they began. */
  readonly calls: string[] = [];
  versions: StoredVersion[];

  constructor(
    readonly service: string,
    live: string | null = '1.2',
    versions: readonly string[] = ['1.0', '1.1', '1.2', '1.3'],
  ) {
    this.versions = versions.map((version, index) => this.stored(version, 1_000 * (index + 1)));
    const record = live === null ? null : this.route(live, 7);
    this.router = { record, floor: 0, fallback: null };
    if (live !== null) this.running.add(this.backend(live).instance);
  }

  stored(version: string, importedAt: number): StoredVersion {
    const byClass = { spam: { n: 300, recall: 0.92, precision: 0.93 }, bulk: { n: 300, recall: 0.93, precision: 0.9 } };
    const evaluation = { accuracy: 0.96, n: 1_000, byClass };
    return { version, digest: `sha256:${version}`, importedAt, evaluation, probes: 8, model: 'mail' };
  }

  backend(version: string, id = 'x0'): Backend {
    return {
      address: 'http://127.0.0.1:7',
      instance: `${this.service}@${version}#${id}`,
      digest: `sha256:${version}`,
    };
  }

  route(version: string, epoch: number): RouteRecord {
    return {
      service: this.service,
      epoch,
      primary: version,
      pins: [],
      backends: { [version]: [this.backend(version)] },
    };
  }

  observed(): ObservedRoute {
    const { record, floor, fallback } = this.router;
    return { record, floor, fallback, pinned: {} };
  }

  /** Everything goes well; a test replaces what it is about. What it does not name and nothing stubs, throws. */
  fakes(): Omit<Required<Fakes>, 'assessShortWindow' | 'assessTrend' | 'computeBaseline' | 'attributeCause'> {
    return {
      recordDecisions: async (entries) => {
        for (const entry of entries) {
          const known = this.ledger.find(({ key }) => key === entry.key);
          if (known && JSON.stringify(known) !== JSON.stringify(entry))
            throw ApplicationFailure.create({ type: 'LedgerConflict', message: entry.key, nonRetryable: true });
          if (!known) this.ledger.push(entry);
        }
        return { lastSeq: this.ledger.length };
      },
      recoverState: async () => null,
      listVersions: async () => this.versions,
      sendAlert: async (alert) => void this.alerts.push(alert),
      annotateVersion: async () => undefined,
      drawIncident: async ({ incident, moment }) => {
        this.pictures.push(`${incident} ${moment}`);
        return { digest: null };
      },
      validateArtifact: async ({ version }) => this.called('validate', version, { ok: true }),
      probeInstance: async ({ version }) => this.called('probe', version, { ok: true, probes: 8, ms: 4 }),
      shadowReplay: async ({ version }) =>
        this.called('shadow', version, { ok: true, inputs: 9, right: 9, note: 'same' }),
      verifyShift: async ({ version }) =>
        this.called('verify', version, { ok: true, goodAnswers: 20, ms: 5, byProbesOnly: false, note: '20 good' }),
      settleCache: async ({ cache, strategy, version }) => {
        const done = strategy === 'auto' ? 'version-tagged' : strategy;
        return this.called('cache', `${cache} ${version}`, {
          outcome: 'set',
          strategy: done,
          why: 'as told',
          tag: null,
        });
      },
      observeRoute: async () => this.observed(),
      observeDrain: async ({ version }) => this.called('drain', version, { drained: true, inFlight: 0, pinned: 0 }),
      loadTarget: async ({ version, instance }) => {
        const found = this.running.has(instance);
        this.running.add(instance);
        const backend = { address: 'http://127.0.0.1:9', instance, digest: `sha256:${version}` };
        return this.called('load', version, { ok: true, backend, ms: 3, found });
      },
      // Left to the steps, which the tests are about.
      prepareTarget: async () => ({ validate: null, load: null, probe: null, failed: null }),
      inspectInstances: async () =>
        [...this.running].map((instance) => {
          const version = /@(.*)#/.exec(instance)?.[1] ?? '';
          return { instance, version, state: 'running', address: 'http://127.0.0.1:9', digest: null };
        }),
      releaseInstance: async ({ instance }) => this.called('release', instance, { outcome: 'released', why: '' }),
      stopInstance: async ({ instance }) =>
        this.called('stop', instance, { outcome: this.running.delete(instance) ? 'stopped' : 'absent', why: '' }),
      shiftTraffic: async ({ record }) =>
        this.called('shift', record.share?.version ?? record.primary, this.shift(record)),
      applyRoute: async (record) => {
        this.called('apply', record.primary, null);
        const shifted = this.shift(record);
        const { epoch } = this.router.record ?? record;
        if (shifted.outcome === 'shifted') return { applied: true, epoch: record.epoch, persistedAt: 1 };
        return { applied: false, why: 'below-floor', epoch, floor: this.router.floor, detail: shifted.why };
      },
      checkDrill: async ({ way }) => {
        const baseline = { version: null, metrics: {}, ratePerSecond: {}, periods: [], words: 'one hour' };
        return this.called('check-drill', way, { ok: true, baseline });
      },
      awaitDrillRoute: async ({ epoch }) =>
        (this.router.record?.epoch ?? 0) >= epoch
          ? { ok: true, at: Date.now() }
          : { ok: false, why: `the router is at epoch ${this.router.record?.epoch ?? 'none'}` },
      watchDrill: async ({ version }) => {
        const { verdict } = this.degraded('drill');
        return this.called('watch-drill', version, { verdict, onsetAt: Date.now() - 900, answers: 40, at: Date.now() });
      },
      replayInputs: async ({ drill }) => this.called('replay', drill, { asked: 10 }),
      compareDrill: async ({ drill }) => this.called('compare', drill, { slower: null, evidence: 'sha256:e' }),
      requestDrill: async () => {
        throw new Error('nobody asks here');
      },
      fenceRouter: async ({ epoch }) => {
        this.fences.push(epoch);
        this.router.floor = Math.max(this.router.floor, epoch);
        return { floor: this.router.floor };
      },
    };
  }

  called<T>(step: string, version: string, result: T): T {
    this.calls.push(`${step} ${version}`.trim());
    return result;
  }

  shift(record: RouteRecord): ShiftOutcome {
    const inForce = this.router.record;
    const again = inForce !== null && sameRoute(inForce, record);
    if (!again && (record.epoch <= (inForce?.epoch ?? 0) || record.epoch < this.router.floor))
      return { outcome: 'stopped', why: `epoch ${record.epoch} is below the floor ${this.router.floor}` };
    this.router.record = record;
    if (!again) {
      this.applied.push(record);
      this.router.fallback = null;
    }
    return { outcome: 'shifted', epoch: record.epoch, at: Date.now(), readBack: true, seenInTraffic: record.primary };
  }

  kinds(): string[] {
    return this.ledger.map(({ kind }) => kind);
  }

  summaries(): string {
    return this.ledger.map(({ kind, summary }) => `${kind}: ${summary}`).join('\n');
  }

  alerted(): string {
    return this.alerts.map(({ severity, title }) => `${severity}: ${title}`).join('\n');
  }

  /** A verdict on the version and epoch that the router has in force. */
  degraded(
    id: string,
    change: Partial<DegradationBegan> & { readonly tier?: 'immediate' | 'short-window' | 'trend' } = {},
  ): DegradationBegan {
    const { tier = 'immediate', ...rest } = change;
    return {
      id,
      epoch: this.router.record?.epoch ?? 0,
      version: this.router.record?.primary ?? '',
      verdict: {
        kind: 'degraded',
        tier,
        metric: 'error-rate',
        hard: tier === 'immediate',
        observed: 1,
        expected: 0.005,
        ucl: 0.02,
        lcl: null,
        unit: 'ratio',
        samples: 40,
        sinceMs: 1_000,
        onsetMs: 1_000,
        onsetLowMs: null,
        onsetHighMs: null,
        statistic: { name: 'cusum', value: 9, threshold: 5, falseAlarmDays: 30 },
        sentence: 'every answer is an error',
        baseline: 'one hour of 1.1',
      },
      attribution: 'model',
      reasons: ['the same inputs are right on the previous version'],
      suppressed: false,
      ...rest,
    };
  }

  tiers(at: number, kind: TierReading['kind'] = 'ok', metric = 'error-rate'): TiersReported {
    const reading: TierReading = {
      tier: 'immediate',
      metric,
      kind,
      observed: 0,
      expected: 0,
      limit: 1,
      samples: 40,
      at,
    };
    const { epoch = 0, primary: version = '' } = this.router.record ?? {};
    return { epoch, version, at, tiers: [reading], unmeasuredSince: null, environment: [] };
  }
}
