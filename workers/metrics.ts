import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Ledger } from '../activities/ports';
import type { Tier } from '../domain/detection/types';
import type { ChainedEntry, Json, LedgerEntry } from '../domain/ledger';
import type { Incident } from '../domain/service/state';
import type { ServiceStatus } from '../workflows/contract/status';

const tiers: readonly Tier[] = ['immediate', 'short-window', 'trend'];
const causes = ['model', 'environment', 'undetermined'];
const stages = ['detect', 'decide', 'prepare', 'shift', 'verify', 'total'] as const;
const exposureBuckets = [0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 900, 3_600, 14_400, 86_400];

/** Kinds of entries that end or refuse a rollback, and the outcome that they stand for. */
const outcomes: Partial<Record<LedgerEntry['kind'], string>> = {
  settled: 'settled',
  'rollback-held': 'held',
  'rollback-refused': 'refused',
  'waiting-for-human': 'waiting-for-human',
};

/**
 * The controller's metrics. Labels are names of the configuration and words of closed lists, never versions' digests,
 * incidents or request ids. Counters begin at zero with the process: entries are counted when they are first appended.
 */
export class ControllerMetrics {
  readonly registry = new Registry();
  private readonly exposed = new Set<string>();
  private readonly unmeasuredSeenAt = new Map<string, number>();

  private readonly rollbacks = this.counter('lastgood_rollbacks_total', 'Decisions about a rollback by outcome', [
    'service',
    'cause',
    'tier',
    'outcome',
  ]);
  private readonly verdicts = this.counter('lastgood_verdicts_total', 'Verdicts of degradation that began or ended', [
    'service',
    'tier',
    'metric',
    'what',
  ]);
  private readonly entries = this.counter('lastgood_ledger_entries_total', 'Decisions written to the ledger', [
    'service',
    'kind',
  ]);
  private readonly unmeasured = this.counter(
    'lastgood_unmeasured_seconds_total',
    'Time in which a service could not be measured',
    ['service'],
  );
  private readonly exposure = new Histogram({
    name: 'lastgood_exposure_seconds',
    help: 'Exposure of users in one incident: onset to restored, and its parts',
    labelNames: ['service', 'stage'],
    buckets: exposureBuckets,
    registers: [this.registry],
  });
  private readonly ready = this.gauge('lastgood_ready_to_roll_back', '1: a target is ready', ['service']);
  private readonly warm = this.gauge('lastgood_standby_warm', '1: the target runs and its proof is fresh', ['service']);
  private readonly breaker = this.gauge('lastgood_breaker_open', '1: no automatic rollback until a clear', ['service']);
  private readonly cooldown = this.gauge('lastgood_cooldown_seconds', 'Rest of the cooldown', ['service']);
  private readonly consecutive = this.gauge('lastgood_consecutive_rollbacks', 'Rollbacks without calm between', [
    'service',
  ]);
  private readonly route = this.gauge('lastgood_route_primary', '1: this version has the traffic', [
    'service',
    'version',
  ]);
  private readonly epoch = this.gauge('lastgood_route_epoch', 'Epoch of the declared route', ['service']);
  private readonly fallback = this.gauge('lastgood_on_fallback', '1: the router uses the fallback', ['service']);
  private readonly incident = this.gauge('lastgood_incident_open', '1: an incident is open', ['service']);
  private readonly assessed = this.gauge('lastgood_last_assessment_timestamp_seconds', 'Last assessment of a tier', [
    'service',
    'tier',
  ]);
  private readonly lag = this.gauge('lastgood_ledger_lag_seconds', 'Age of the oldest decision not yet in the ledger', [
    'service',
  ]);
  private readonly reachable = this.gauge('lastgood_decisions_reachable', '1: the service workflow answers', [
    'service',
  ]);

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  text(): Promise<string> {
    return this.registry.metrics();
  }

  /** Counts an entry; called once, when it was appended the first time. */
  countEntry(entry: LedgerEntry): void {
    const { service, kind, facts } = entry;
    this.entries.inc({ service, kind });
    const tier = oneOf(tiers, facts['tier'] ?? inner(facts['verdict'], 'tier'));
    if (kind === 'degradation-began' || kind === 'degradation-ended') {
      const metric = text(facts['metric'] ?? inner(facts['verdict'], 'metric')).split(':')[0] ?? 'unknown';
      this.verdicts.inc({ service, tier, metric, what: kind === 'degradation-began' ? 'began' : 'ended' });
    }
    const outcome = kind === 'incident-ended' ? endOf(facts) : outcomes[kind];
    if (outcome !== undefined) {
      this.rollbacks.inc({ service, cause: oneOf(causes, facts['attribution'] ?? facts['cause']), tier, outcome });
    }
  }

  /** Takes over one answer of the status query; null when nobody answered. */
  observe(service: string, status: ServiceStatus | null, nowMs: number): void {
    this.reachable.set({ service }, status === null ? 0 : 1);
    if (status === null) return;
    const { state, readiness, ledgerLag } = status;
    this.ready.set({ service }, readiness.ready ? 1 : 0);
    this.warm.set({ service }, readiness.warm ? 1 : 0);
    this.breaker.set({ service }, state.breaker.open ? 1 : 0);
    this.cooldown.set({ service }, secondsFrom(nowMs, state.cooldownUntil));
    this.consecutive.set({ service }, state.consecutive);
    this.fallback.set({ service }, state.fallbackInUse === null ? 0 : 1);
    this.incident.set({ service }, state.incident === null || state.incident.phase === 'ended' ? 0 : 1);
    this.lag.set({ service }, ledgerLag.oldestAt === null ? 0 : Math.max(0, nowMs - ledgerLag.oldestAt) / 1000);
    this.observeRoute(
      service,
      state.declared?.primary ?? null,
      state.versions.map(({ version }) => version),
    );
    this.epoch.set({ service }, state.declared?.epoch ?? 0);
    for (const reading of state.tiers) {
      this.assessed.set({ service, tier: reading.tier }, reading.at / 1000);
    }
    this.observeUnmeasured(service, state.unmeasuredSince, nowMs);
    if (state.incident !== null) this.observeExposure(service, state.incident);
  }

  private observeRoute(service: string, primary: string | null, versions: readonly string[]): void {
    // Versions that are gone must not stay as series for ever.
    this.route.remove({ service });
    for (const version of new Set([...versions, ...(primary === null ? [] : [primary])])) {
      this.route.set({ service, version }, version === primary ? 1 : 0);
    }
  }

  private observeUnmeasured(service: string, since: number | null, nowMs: number): void {
    if (since === null) {
      this.unmeasuredSeenAt.delete(service);
      return;
    }
    const from = Math.max(since, this.unmeasuredSeenAt.get(service) ?? since);
    this.unmeasured.inc({ service }, Math.max(0, nowMs - from) / 1000);
    this.unmeasuredSeenAt.set(service, nowMs);
  }

  private observeExposure(service: string, incident: Incident): void {
    const { onsetAt, detectedAt, decidedAt, preparedAt, shiftedAt, settledAt } = incident;
    const key = `${service}/${incident.id}`;
    if (settledAt === null || decidedAt === null || shiftedAt === null || this.exposed.has(key)) return;
    this.exposed.add(key);
    const onset = onsetAt ?? detectedAt;
    const prepared = preparedAt ?? decidedAt;
    const spans: Record<(typeof stages)[number], number> = {
      detect: detectedAt - onset,
      decide: decidedAt - detectedAt,
      prepare: prepared - decidedAt,
      shift: shiftedAt - prepared,
      verify: settledAt - shiftedAt,
      total: settledAt - onset,
    };
    for (const stage of stages) this.exposure.observe({ service, stage }, Math.max(0, spans[stage]) / 1000);
  }

  private counter<L extends string>(name: string, help: string, labelNames: L[]): Counter<L> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  private gauge<L extends string>(name: string, help: string, labelNames: L[]): Gauge<L> {
    return new Gauge({ name, help, labelNames, registers: [this.registry] });
  }
}

/** The ledger, with each entry counted when it is appended the first time. */
export function countedLedger(ledger: Ledger, onAppended: (entry: LedgerEntry) => void): Ledger {
  return {
    async append(entry) {
      const result = await ledger.append(entry);
      if (!result.repeated) onAppended(entry);
      return result;
    },
    read: (service, query): Promise<ChainedEntry[]> => ledger.read(service, query),
    head: (service) => ledger.head(service),
    verify: (service, expectedHead) => ledger.verify(service, expectedHead),
    services: () => ledger.services(),
  };
}

function endOf(facts: LedgerEntry['facts']): string | undefined {
  const outcome = facts['outcome'];
  return outcome === 'failed' || outcome === 'cancelled' || outcome === 'abandoned' ? outcome : undefined;
}

function oneOf(words: readonly string[], value: Json | undefined): string {
  return typeof value === 'string' && words.includes(value) ? value : 'unknown';
}

function inner(value: Json | undefined, key: string): Json | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return (value as { readonly [name: string]: Json })[key];
}

function text(value: Json | undefined): string {
  return typeof value === 'string' ? value : 'unknown';
}

function secondsFrom(nowMs: number, until: number | null): number {
  return until === null ? 0 : Math.max(0, until - nowMs) / 1000;
}
