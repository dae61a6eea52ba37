import type { Prometheus } from '../../telemetry/prometheus';
import type { HardwareReader } from '../hardware-signals';
import type { HardwareReading } from '../reading-history';
import { HARDWARE_XIDS } from './dcgm-metrics';
import { ExporterUnreachable, type Exporter } from './exporter-reader';

export interface ScrapedExporter extends Omit<Exporter, 'url'> {
  /** Base address of the Prometheus server. */
  readonly prometheus: string;
  /** Value of the label `instance` under which it scrapes the exporter. */
  readonly instance: string;
}

const HISTORY_MS = 3_600_000;
const HISTORY_EVERY_MS = 30_000;

/** PromQL of each metric, one number each: the same as is read from the exporter itself. */
export function queriesOf({ kind, instance, mountpoint, gpus }: ScrapedExporter): Readonly<Record<string, string>> {
  const at = `instance=${quoted(instance)}`;
  if (kind === 'node') {
    const disk = `${at},mountpoint=${quoted(mountpoint)}`;
    return {
      cpu: `1 - sum(rate(node_cpu_seconds_total{${at},mode=~"idle|iowait"}[2m])) / sum(rate(node_cpu_seconds_total{${at}}[2m]))`,
      memory: `min(node_memory_MemAvailable_bytes{${at}}) / min(node_memory_MemTotal_bytes{${at}})`,
      disk: `min(node_filesystem_avail_bytes{${disk}} / node_filesystem_size_bytes{${disk}})`,
    };
  }
  const of = gpus === null ? at : `${at},gpu=~${quoted(gpus.map(escapedPattern).join('|'))}`;
  const xids = [...HARDWARE_XIDS].map((xid) => `(DCGM_FI_DEV_XID_ERRORS{${of}} == ${xid})`).join(' or ');
  return {
    'gpu-busy': `max(DCGM_FI_DEV_GPU_UTIL{${of}}) / 100`,
    'gpu-memory': `max(DCGM_FI_DEV_FB_USED{${of}} / (DCGM_FI_DEV_FB_USED{${of}} + DCGM_FI_DEV_FB_FREE{${of}}))`,
    // No such error is 0 only where the metric is there at all.
    'gpu-xid': `count(${xids}) or (0 * count(DCGM_FI_DEV_XID_ERRORS{${of}}))`,
    'gpu-missing': `max_over_time(count(DCGM_FI_DEV_GPU_UTIL{${of}})[1h:1m]) - count(DCGM_FI_DEV_GPU_UTIL{${of}})`,
  };
}

/** The same state by way of a Prometheus server, with the hour before from its memory. */
export function prometheusReader(exporter: ScrapedExporter, server: Prometheus, now: () => number): HardwareReader {
  const queries = Object.entries(queriesOf(exporter));
  const asked = (query: string): { url: string; query: string } => ({ url: exporter.prometheus, query });
  return {
    async read() {
      const values = await Promise.all(
        queries.map(async ([metric, query]) => [metric, (await server.now(asked(query)))?.value ?? null] as const),
      );
      if (values.every(([, value]) => value === null)) {
        const { prometheus, instance, kind } = exporter;
        throw new ExporterUnreachable(`${prometheus}: has no values of a ${kind} exporter at instance ${instance}`);
      }
      return { atMs: now(), values: Object.fromEntries(values) };
    },
    async history() {
      const byTime = new Map<number, Record<string, number | null>>();
      for (const [metric, query] of queries) {
        for (const { atMs, value } of await server.range(asked(query), now() - HISTORY_MS, now(), HISTORY_EVERY_MS)) {
          const values = byTime.get(atMs) ?? {};
          values[metric] = value;
          byTime.set(atMs, values);
        }
      }
      const readings = [...byTime].map(([atMs, values]): HardwareReading => ({ atMs, values }));
      return readings.sort((left, right) => left.atMs - right.atMs);
    },
  };
}

function quoted(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n')}"`;
}

function escapedPattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
