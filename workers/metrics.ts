import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { InstanceEvent, Ledger } from '../activities/ports';
import type { Tier } from '../domain/detection/types';
import type { ChainedEntry, LedgerEntry } from '../domain/ledger';
import type { RouteRecord } from '../domain/route';
import type { ServiceStatus } from '../workflows/contract/status';
import { pausedBy } from '../domain/service/readiness';
import { DecisionStory } from './decision-story';

const tiers: readonly Tier[] = ['immediate', 'short-window', 'trend'];
const asksPerson = new Set<string>(['awaiting-approval', 'waiting-for-human', 'on-fallback']);
const exposureBuckets = [0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 900, 3_600, 14_400, 86_400];
/** Reports name their metrics; more names than a policy has would be series without an end. */
const metricNamesLimit = 50;
/** Enough to know why the newest rollback began. */
const storyEntries = 200;

/**
 * The controller's metrics. Labels are names of the configuration and words of closed lists, never digests, incidents or
 * request ids; of versions only those that the route names now. Counters begin at zero with the process: entries are
 * counted when they are first appended.
 */
export class ControllerMetrics {
  readonly registry = new Registry();
  private readonly stories = new Map<string, DecisionStory>();
  private readonly metricNames = new Map<string, Set<string>>();
  private readonly unmeasuredSeenAt = new Map<string, number>();
  private leading = false;
  private readonly routeSeries = new Map<string, { role: string; version: string }[]>();

  private readonly rollbacks = this.counter('lastgood_rollbacks_total', 'Decisions about a rollback by outcome', [
    'service',
    'cause',
    'tier',
    'outcome',
  ]);
  private readonly verdicts = this.counter(
    'lastgood_verdicts_total',
    'Verdicts of degradation by what became of them',
    ['service', 'tier', 'metric', 'what'],
  );
  private readonly entries = this.counter('lastgood_ledger_entries_total', 'Decisions written to the ledger', [
    'service',
    'kind',
  ]);
  private readonly copyEvents = this.counter(
    'lastgood_copy_events_total',
    'Deaths, memory kills, health of copies and absences of their engine, as the Docker engine tells of them',
    ['service', 'event'],
  );
  private readonly alerts = this.counter(
    'lastgood_alerts_total',
    'Alerts handed to a sink, by whether they arrived within its limit',
    ['sink', 'outcome'],
  );
  private readonly unmeasured = this.counter(
    'lastgood_unmeasured_seconds_total',
    'Time in which a service could not be measured, as far as this process saw it',
    ['service'],
  );
  private readonly exposure = new Histogram({
    name: 'lastgood_exposure_seconds',
    help: 'One settled incident: stage total is the exposure of users, onset to restored (new requests go to the target), made of detect, decide, prepare and shift; verify is the time from there to settled',
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
  private readonly route = this.gauge('lastgood_route', '1: the declared route names this version in this role', [
    'service',
    'role',
    'version',
  ]);
  private readonly epoch = this.gauge('lastgood_route_epoch', 'Epoch of the declared route', ['service']);
  private readonly fallback = this.gauge('lastgood_on_fallback', '1: the router uses the fallback', ['service']);
  private readonly incident = this.gauge('lastgood_incident_open', '1: an incident is open', ['service']);
  private readonly assessed = this.gauge(
    'lastgood_last_assessment_timestamp_seconds',
    'Last time that a tier measured anything',
    ['service', 'tier'],
  );
  private readonly lag = this.gauge('lastgood_ledger_lag_seconds', 'Age of the oldest decision not yet in the ledger', [
    'service',
  ]);
  private readonly reachable = this.gauge('lastgood_decisions_reachable', '1: the service workflow answers', [
    'service',
  ]);

  private readonly unmeasuredSince = this.gauge(
    'lastgood_unmeasured_since_timestamp_seconds',
    'Since when the service cannot be measured; 0: it can',
    ['service'],
  );
  private readonly waiting = this.gauge(
    'lastgood_waiting_for_human',
    '1: an incident or an operation goes on only when a person says how',
    ['service'],
  );
  private readonly paused = this.gauge('lastgood_paused', '1: nothing is decided, by a person or because of a doubt', [
    'service',
  ]);
  private readonly temporal = this.gauge('lastgood_temporal_reachable', '1: Temporal answers the controller', []);

  private readonly leader = this.gauge('lastgood_controller_leads', '1: this controller leads, 0: another one', []);

  /** Time before `startedAtMs` was counted by the process before this one. */
  constructor(private startedAtMs = Date.now()) {
    collectDefaultMetrics({ register: this.registry });
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  text(): Promise<string> {
    return this.registry.metrics();
  }

  /** Reads an entry of the time before this process, so that what follows it is understood; counts nothing. */
  learn(entry: LedgerEntry): void {
    this.storyOf(entry.service).take(entry);
  }

  /** Counts an entry; called once, when it was appended the first time, in the order of the ledger. */
  countEntry(entry: LedgerEntry): void {
    const { service, kind } = entry;
    this.entries.inc({ service, kind });
    const { rollback, verdict, exposure } = this.storyOf(service).take(entry);
    if (rollback) this.rollbacks.inc({ service, ...rollback });
    if (verdict) this.verdicts.inc({ service, ...verdict, metric: this.boundedMetric(service, verdict.metric) });
    for (const [stage, ms] of Object.entries(exposure ?? {})) this.exposure.observe({ service, stage }, ms / 1000);
  }

  countCopyEvent(service: string, event: InstanceEvent['event']): void {
    this.copyEvents.inc({ service, event });
  }

  observeTemporal(reachable: boolean): void {
    this.temporal.set(reachable ? 1 : 0);
  }

  /** Who does not lead tells nothing about services: two tellings would be two alerts. Counters stay. */
  observeLeads(leads: boolean): void {
    const led = this.leading;
    this.leading = leads;
    this.leader.set(leads ? 1 : 0);
    if (leads || !led) return;
    const told = [this.ready, this.warm, this.breaker, this.cooldown, this.consecutive, this.route, this.epoch];
    const more = [this.fallback, this.incident, this.assessed, this.lag, this.reachable, this.unmeasuredSince];
    for (const gauge of [...told, ...more, this.waiting, this.paused]) gauge.reset();
    this.routeSeries.clear();
    this.unmeasuredSeenAt.clear();
    this.startedAtMs = Date.now();
  }

  countAlert(sink: string, arrived: boolean): void {
    this.alerts.inc({ sink, outcome: arrived ? 'delivered' : 'failed' });
  }

  /** Takes over one answer of the status query; null when nobody answered. */
  observe(service: string, status: ServiceStatus | null, nowMs: number): void {
    this.reachable.set({ service }, status === null ? 0 : 1);
    if (status === null) {
      // Who does not answer rolls nothing back; the other gauges stay what was last known.
      this.ready.set({ service }, 0);
      this.warm.set({ service }, 0);
      return;
    }
    const { state, readiness, ledgerLag } = status;
    this.ready.set({ service }, readiness.ready ? 1 : 0);
    this.warm.set({ service }, readiness.warm ? 1 : 0);
    this.breaker.set({ service }, state.breaker.open ? 1 : 0);
    this.cooldown.set({ service }, secondsFrom(nowMs, state.cooldownUntil));
    this.consecutive.set({ service }, state.consecutive);
    this.fallback.set({ service }, state.fallbackInUse === null ? 0 : 1);
    this.incident.set({ service }, state.incident === null || state.incident.phase === 'ended' ? 0 : 1);
    this.lag.set({ service }, ledgerLag.oldestAt === null ? 0 : Math.max(0, nowMs - ledgerLag.oldestAt) / 1000);
    this.waiting.set({ service }, waitsForHuman(state) ? 1 : 0);
    this.paused.set({ service }, pausedBy(state, nowMs) === null ? 0 : 1);
    this.unmeasuredSince.set({ service }, (state.unmeasuredSince ?? 0) / 1000);
    this.observeRoute(service, state.declared);
    this.epoch.set({ service }, state.declared?.epoch ?? 0);
    for (const tier of tiers) {
      const measured = state.tiers.filter((reading) => reading.tier === tier && reading.kind !== 'unmeasured');
      if (measured.length === 0) continue;
      this.assessed.set({ service, tier }, Math.max(...measured.map(({ at }) => at)) / 1000);
    }
    this.observeUnmeasured(service, state.unmeasuredSince, nowMs);
  }

  /** One series a role; those of versions that the route does not name any more must not stay for ever. */
  private observeRoute(service: string, route: RouteRecord | null): void {
    for (const series of this.routeSeries.get(service) ?? []) this.route.remove({ service, ...series });
    const roles = { primary: route?.primary, share: route?.share?.version, fallback: route?.fallback };
    const named = Object.entries(roles).flatMap(([role, version]) =>
      version === undefined ? [] : [{ role, version: version.slice(0, 128) }],
    );
    for (const series of named) this.route.set({ service, ...series }, 1);
    this.routeSeries.set(service, named);
  }

  private observeUnmeasured(service: string, since: number | null, nowMs: number): void {
    if (since !== null) {
      const from = Math.max(since, this.unmeasuredSeenAt.get(service) ?? this.startedAtMs);
      this.unmeasured.inc({ service }, Math.max(0, nowMs - from) / 1000);
    } else {
      this.unmeasured.inc({ service }, 0);
    }
    this.unmeasuredSeenAt.set(service, nowMs);
  }

  private storyOf(service: string): DecisionStory {
    const known = this.stories.get(service) ?? new DecisionStory();
    this.stories.set(service, known);
    return known;
  }

  private boundedMetric(service: string, metric: string): string {
    const names = this.metricNames.get(service) ?? new Set<string>();
    this.metricNames.set(service, names);
    if (!/^[a-zA-Z0-9_.-]{1,64}$/.test(metric)) return 'other';
    if (names.size < metricNamesLimit) names.add(metric);
    return names.has(metric) ? metric : 'other';
  }

  private counter<L extends string>(name: string, help: string, labelNames: L[]): Counter<L> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  private gauge<L extends string>(name: string, help: string, labelNames: L[]): Gauge<L> {
    return new Gauge({ name, help, labelNames, registers: [this.registry] });
  }
}

/**
 * The ledger, with each entry counted when it is appended the first time. Before the first entry of a service, `onEarlier`
 * gets the newest ones that stand in the ledger already.
 */
export function countedLedger(
  ledger: Ledger,
  onAppended: (entry: LedgerEntry) => void,
  onEarlier: (entry: LedgerEntry) => void = () => undefined,
): Ledger {
  const learned = new Map<string, Promise<void>>();
  const learn = async (service: string): Promise<void> => {
    const newest = await ledger.read(service, { newestFirst: true, limit: storyEntries });
    for (const entry of newest.reverse()) onEarlier(entry);
  };
  return {
    async append(entry) {
      const earlier = learned.get(entry.service) ?? learn(entry.service);
      learned.set(entry.service, earlier);
      // A count that knows less must not keep a decision out of the ledger; the next entry tries again.
      await earlier.catch(() => learned.delete(entry.service));
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

function waitsForHuman({ incident, operation }: ServiceStatus['state']): boolean {
  return (operation !== null && operation.waiting !== null) || (incident !== null && asksPerson.has(incident.phase));
}

function secondsFrom(nowMs: number, until: number | null): number {
  return until === null ? 0 : Math.max(0, until - nowMs) / 1000;
}
