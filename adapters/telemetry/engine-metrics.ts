import { request } from 'undici';
import type { PushedMetrics, TrafficRouter } from '../../activities/ports';
import {
  readEngine,
  type CopyReading,
  type EngineQuery,
  type EngineSnapshot,
} from '../../domain/detection/engine-reading';
import type { VersionSelector } from '../../domain/route';
import { readExposition } from './exposition';
import { repeatLooks, type Look, type RepeatedLooks } from './repeated-looks';

export interface EngineMetric {
  readonly metric: string;
  readonly query: EngineQuery;
  /** What a value of its kind can be; null: no bound. Anything else was not measured. */
  readonly min: number | null;
  readonly max: number | null;
}

/** Metrics of one service that are asked for together. */
export interface EngineGroup {
  readonly service: string;
  readonly everyMs: number;
  /** Path of the metrics at a copy's address, and its port where that is another one (Triton: 8002). */
  readonly path: string;
  readonly port: number | null;
  readonly metrics: readonly EngineMetric[];
}

export interface EngineSources {
  readonly router: Pick<TrafficRouter, 'read'>;
  readonly store: Pick<PushedMetrics, 'take'>;
}

export interface EngineLimits {
  /** For one whole answer; default 3 s, at most half of the interval. */
  readonly timeoutMs?: number;
  /** Longest answer that is read; default 4 MiB. */
  readonly limitBytes?: number;
}

/** Copies of one version that are asked. */
const COPIES_MAX = 16;
/** An increase over a longer time says nothing about now. */
const GAP_MAX = 4;

/**
 * The metrics that the copies of the live version tell of themselves, read at each look and kept beside the pushed ones.
 * What counts up becomes a value from the second look at the same copy on. Never rejects: it resolves to what went wrong.
 */
export class EngineLook {
  private known = new Map<string, EngineSnapshot>();
  private readonly names: ReadonlySet<string>;

  constructor(
    private readonly group: EngineGroup,
    private readonly sources: EngineSources,
    private readonly limits: EngineLimits = {},
  ) {
    this.names = new Set(
      group.metrics.flatMap(({ query }) => [query.name, ...(query.read.how === 'ratio' ? [query.read.per.name] : [])]),
    );
  }

  /**
   * One look at the moment `nowMs`. Values are of the begin of the interval that it lies in, and named by it: whoever looks
   * as well, or again, changes nothing.
   */
  async look(nowMs: number, signal: AbortSignal): Promise<readonly string[]> {
    const { service, everyMs, metrics } = this.group;
    const at = Math.floor(nowMs / everyMs) * everyMs;
    try {
      const { problems, copies } = await this.readCopies(nowMs, signal);
      const items = metrics.flatMap(({ metric, query, min, max }) => {
        const found = readEngine(query, copies);
        if (found === null || !Number.isFinite(found.value)) return [];
        if ((min !== null && found.value < min) || (max !== null && found.value > max)) {
          problems.push(`${metric}: found ${found.value}, which its kind cannot be`);
          return [];
        }
        const { value, n } = found;
        return [{ metric, value, at: new Date(at).toISOString(), ...(n === null ? {} : { n: Math.min(n, 1e9) }) }];
      });
      if (items.length > 0) {
        const answer = await this.sources.store.take(service, { key: this.keyOf(at), items });
        // Another controller of the same service was first: its values stand.
        if (!answer.taken && !answer.problems.every((problem) => problem.startsWith('key:')))
          problems.push(...answer.problems);
      }
      return problems;
    } catch (fault) {
      return [messageOf(fault)];
    }
  }

  private keyOf(at: number): string {
    const { everyMs, path, port } = this.group;
    return `engine/${everyMs}${port === null ? '' : `:${port}`}${path}`.slice(0, 120) + `/${at}`;
  }

  private async readCopies(
    nowMs: number,
    signal: AbortSignal,
  ): Promise<{ problems: string[]; copies: readonly CopyReading[] }> {
    const { record, fallback } = await this.sources.router.read(this.group.service);
    // On the fallback it is another version that answers; what the primary says is of nobody's requests.
    const backends = record === null || fallback !== null ? [] : (record.backends[record.primary] ?? []);
    const problems: string[] = [];
    const next = new Map<string, EngineSnapshot>();
    const copies = await Promise.all(
      backends.slice(0, COPIES_MAX).map(async ({ address, instance, selector }): Promise<CopyReading[]> => {
        const before = this.known.get(instance) ?? null;
        try {
          const all = readExposition(await this.ask(address, signal), this.names, nowMs);
          const now = seriesOf(all, selector);
          next.set(instance, now);
          const usable = before !== null && nowMs - before.atMs <= GAP_MAX * this.group.everyMs;
          return [{ before: usable ? before : null, now }];
        } catch (fault) {
          problems.push(`${instance}: ${messageOf(fault)}`);
          if (before !== null) next.set(instance, before);
          return [];
        }
      }),
    );
    this.known = next;
    return { problems, copies: copies.flat() };
  }

  private async ask(address: string, signal: AbortSignal): Promise<string> {
    const { everyMs, path, port } = this.group;
    const url = new URL(path, address);
    if (port !== null) url.port = String(port);
    const timeoutMs = Math.min(this.limits.timeoutMs ?? 3_000, everyMs / 2);
    const limitBytes = this.limits.limitBytes ?? 4 * 1024 * 1024;
    const timeout = AbortSignal.timeout(timeoutMs);
    try {
      const answer = await request(url, {
        signal: AbortSignal.any([signal, timeout]),
        headers: { accept: 'text/plain;version=0.0.4' },
      });
      const parts: Buffer[] = [];
      let bytes = 0;
      for await (const part of answer.body as AsyncIterable<Buffer>) {
        bytes += part.length;
        if (bytes > limitBytes) throw new Error(`the answer is longer than ${limitBytes} bytes`);
        parts.push(part);
      }
      if (answer.statusCode !== 200) throw new Error(`answered ${answer.statusCode}`);
      return Buffer.concat(parts).toString('utf8');
    } catch (fault) {
      const why = timeout.aborted ? `no whole answer within ${timeoutMs} ms` : messageOf(fault);
      throw new Error(`${url.href}: ${why}`, { cause: fault });
    }
  }
}

/** `/v2/models/m/versions/3`: how Triton's paths name one version of a model, as its metrics do by two labels. */
const versionPath = /\/v2\/models\/([^/]+)\/versions\/(\d+)$/;

/**
 * Of a server that runs several versions, what it tells of this one: series with the labels `model` and `version` of another
 * are left out; series without them are of the whole server, and stay.
 */
function seriesOf(snapshot: EngineSnapshot, selector: VersionSelector | undefined): EngineSnapshot {
  const [, model, version] = (selector?.by === 'path' && versionPath.exec(selector.to)) || [];
  if (model === undefined || version === undefined) return snapshot;
  const isOther = (labels: Readonly<Record<string, string>>): boolean =>
    (labels.model !== undefined && labels.model !== decodeURIComponent(model)) ||
    (labels.version !== undefined && labels.version !== version);
  return { ...snapshot, series: snapshot.series.filter(({ labels }) => !isOther(labels)) };
}

/** Looks at every group at its interval until it is closed. */
export function watchEngines(
  groups: readonly EngineGroup[],
  sources: EngineSources,
  onChange: (group: { readonly service: string }, problems: readonly string[]) => void,
  wanted: () => boolean = () => true,
): RepeatedLooks {
  const looks = groups.map((group): Look => {
    const one = new EngineLook(group, sources);
    const { service, everyMs } = group;
    return { service, everyMs, look: (nowMs, signal) => one.look(nowMs, signal) };
  });
  return repeatLooks(looks, onChange, wanted);
}

function messageOf(fault: unknown): string {
  return fault instanceof Error ? fault.message : String(fault);
}
