import { createServer, type Server } from 'node:http';
import { Registry } from 'prom-client';
import type { ReturnCheck } from './return-check';
import type { Service } from './service';
import { LATENCY_BUCKETS_MS, type OpenRow } from './telemetry-recorder';

/** Versions of a service with series of their own; the longest unused go first, so labels stay bounded. */
const VERSIONS_MAX = 20;
const OUTCOMES = ['ok', 'client_error', 'failure', 'timeout', 'cut', 'malformed', 'repeated'] as const;
type Outcome = (typeof OUTCOMES)[number];

interface Totals {
  readonly outcomes: Record<Outcome, number>;
  readonly buckets: number[];
  latencySum: number;
  latencyCount: number;
}

/** Cumulative counts of one service, fed from closed rows: a request itself touches no metric. */
export class ServiceMeters {
  readonly versions = new Map<string, Totals>();
  readonly refusals = new Map<string, number>();

  add(row: OpenRow): void {
    // A drill may run on the live version itself: what is made worse for it is none of the live version's counts.
    const totals = this.totals(row.of.cohort === 'drill' ? `${row.of.version} (drill)` : row.of.version);
    const { outcomes } = totals;
    const bad = row.failures + row.timeouts + row.clientErrors + row.cut;
    outcomes.ok += Math.max(row.requests - bad, 0);
    outcomes.client_error += row.clientErrors;
    outcomes.failure += row.failures - row.malformed;
    outcomes.malformed += row.malformed;
    outcomes.timeout += row.timeouts;
    outcomes.cut += row.cut;
    outcomes.repeated += row.repeated;
    row.buckets.forEach((count, index) => (totals.buckets[index] = (totals.buckets[index] ?? 0) + count));
    totals.latencySum += row.sketch.sum;
    totals.latencyCount += row.sketch.count;
  }

  refused(reason: string): void {
    this.refusals.set(reason, (this.refusals.get(reason) ?? 0) + 1);
  }

  private totals(version: string): Totals {
    const existing = this.versions.get(version);
    if (existing) this.versions.delete(version);
    const totals = existing ?? {
      outcomes: { ok: 0, client_error: 0, failure: 0, timeout: 0, cut: 0, malformed: 0, repeated: 0 },
      buckets: LATENCY_BUCKETS_MS.map(() => 0).concat(0),
      latencySum: 0,
      latencyCount: 0,
    };
    this.versions.set(version, totals);
    if (this.versions.size > VERSIONS_MAX) {
      const oldest = this.versions.keys().next().value;
      if (oldest !== undefined) this.versions.delete(oldest);
    }
    return totals;
  }
}

type Labels = Record<string, string | number>;
interface Value {
  readonly value: number;
  readonly labels: Labels;
  readonly metricName?: string;
}
type Add = (name: string, type: Kind, help: string, read: () => Value[]) => void;
type Kind = 'counter' | 'gauge' | 'histogram';

/** A metric whose values are read when it is scraped, in the form that prom-client's registry prints. */
class ReadMetric {
  constructor(
    readonly name: string,
    private readonly help: string,
    private readonly type: Kind,
    private readonly read: () => Value[],
  ) {}

  get(): Promise<unknown> {
    const { name, help, type } = this;
    return Promise.resolve({ name, help, type, aggregator: 'sum', values: this.read() });
  }

  reset(): void {
    // Cumulative over the life of the process by definition.
  }
}

export function metricsRegistry(services: readonly Service[], returning: ReturnCheck | null): Registry {
  const registry = new Registry();
  const each = (read: (service: Service, labels: { service: string }) => Value[]): (() => Value[]) => {
    return () => services.flatMap((service) => read(service, { service: service.config.name }));
  };
  const add: Add = (name, type, help, read) => {
    const metric = new ReadMetric(`lastgood_gateway_${name}`, help, type, read);
    registry.registerMetric(metric as unknown as Parameters<Registry['registerMetric']>[0]);
  };
  add('requests_total', 'counter', 'Requests by version and outcome (up to one second old).', each(requests));
  add('request_duration_seconds', 'histogram', 'Time from the whole request to the end of its answer.', each(latency));
  add(
    'refused_total',
    'counter',
    'Requests refused before any version was involved.',
    each((service, labels) =>
      [...service.meters.refusals].map(([reason, value]) => ({ value, labels: { ...labels, reason } })),
    ),
  );
  add(
    'in_flight',
    'gauge',
    'Requests in flight by version.',
    each((service, labels) =>
      Object.entries(service.upstreams.inFlight()).map(([version, value]) => ({
        value,
        labels: { ...labels, version },
      })),
    ),
  );
  add(
    'route_epoch',
    'gauge',
    'Epoch of the route in force.',
    each((service, labels) => (service.route.record ? [{ value: service.route.record.epoch, labels }] : [])),
  );
  add(
    'fallback_in_use',
    'gauge',
    '1 while the declared fallback serves for a dead primary.',
    each((service, labels) => [{ value: service.route.fallback ? 1 : 0, labels }]),
  );
  add(
    'telemetry_reader_age_seconds',
    'gauge',
    'Time since the telemetry was last read: large means that nobody watches.',
    each((service, labels) =>
      service.isDetached ? [] : [{ value: Math.max(Date.now() - service.readAtMs, 0) / 1_000, labels }],
    ),
  );
  add(
    'telemetry_write_errors_total',
    'counter',
    'Rows that the database refused at first.',
    each((service, labels) => [{ value: service.telemetry.writeErrors, labels }]),
  );
  add(
    'sessions_unpinned_total',
    'counter',
    'Sessions that were not pinned because the table was full.',
    each((service, labels) => [{ value: service.sessions.unpinned, labels }]),
  );
  add(
    'certificate_end_timestamp_seconds',
    'gauge',
    'When the certificate of the entrance ends, in seconds since 1970.',
    each((service, labels) =>
      service.entrance ? [{ value: service.entrance.certificateEndsAt / 1_000, labels }] : [],
    ),
  );
  add(
    'certificate_reload_errors_total',
    'counter',
    'Changed certificate files of the entrance that could not be used; the former ones stay.',
    each((service, labels) => (service.entrance ? [{ value: service.entrance.reloadErrors, labels }] : [])),
  );
  addCaches(add, each);
  if (returning) addReturns(add, returning);
  return registry;
}

type Each = (read: (service: Service, labels: { service: string }) => Value[]) => () => Value[];

/** Of services whose answers are kept for other requests; none of these requests is in the series of a version. */
function addCaches(add: Add, each: Each): void {
  const outcomes = ['hit', 'miss', 'coalesced'] as const;
  add(
    'cache_requests_total',
    'counter',
    'Requests that were looked for in the cache: answered from it (hit, or with the answer of an equal request in flight) or by the model (miss).',
    each(({ cache }, labels) =>
      outcomes.flatMap((outcome) => (cache ? [{ value: cache.counts[outcome], labels: { ...labels, outcome } }] : [])),
    ),
  );
  add(
    'cache_evicted_total',
    'counter',
    'Kept answers that were given up because the memory of the cache was full.',
    each(({ cache }, labels) => (cache ? [{ value: cache.counts.evicted, labels }] : [])),
  );
  add(
    'cache_bytes',
    'gauge',
    'Memory of the kept answers.',
    each(({ cache }, labels) => (cache ? [{ value: cache.usedBytes, labels }] : [])),
  );
}

/** Of a gateway that is one of several. */
function addReturns(add: Add, returning: ReturnCheck): void {
  add(
    'route_unchecked_seconds',
    'gauge',
    'Time since this gateway came back and could ask no peer for a newer route; 0 when it has.',
    () => {
      const since = returning.uncheckedSinceMs;
      return [{ value: since === null ? 0 : Math.max(Date.now() - since, 1) / 1_000, labels: {} }];
    },
  );
  add('returns_total', 'counter', 'Returns by what came of them: took a newer route, own was the newest, alone.', () =>
    Object.entries(returning.ended).map(([outcome, value]) => ({ value, labels: { outcome } })),
  );
}

/** The listener for `/metrics`. */
export function metricsServer(registry: Registry): Server {
  return createServer((req, res) => {
    if (req.method !== 'GET' || req.url?.split('?')[0] !== '/metrics') {
      res.writeHead(404).end();
      return;
    }
    registry.metrics().then(
      (text) => res.writeHead(200, { 'content-type': registry.contentType }).end(text),
      (error: unknown) => res.writeHead(500).end(String(error)),
    );
  });
}

function requests(service: Service, labels: Labels): Value[] {
  return [...service.meters.versions].flatMap(([version, { outcomes }]) =>
    OUTCOMES.map((outcome) => ({ value: outcomes[outcome], labels: { ...labels, version, outcome } })),
  );
}

function latency(service: Service, labels: Labels): Value[] {
  const name = 'lastgood_gateway_request_duration_seconds';
  return [...service.meters.versions].flatMap(([version, totals]) => {
    let cumulative = 0;
    const of = { ...labels, version };
    const values: Value[] = LATENCY_BUCKETS_MS.map((bound, index) => {
      cumulative += totals.buckets[index] ?? 0;
      return { value: cumulative, labels: { ...of, le: bound / 1_000 }, metricName: `${name}_bucket` };
    });
    values.push({ value: totals.latencyCount, labels: { ...of, le: '+Inf' }, metricName: `${name}_bucket` });
    values.push({ value: totals.latencySum / 1_000, labels: of, metricName: `${name}_sum` });
    values.push({ value: totals.latencyCount, labels: of, metricName: `${name}_count` });
    return values;
  });
}
