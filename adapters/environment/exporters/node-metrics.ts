import type { HardwareReading } from '../reading-history';
import type { ExposedSample } from './exposition';

/** Processor times of an earlier reading, in seconds of all processors. */
export interface CpuTimes {
  readonly busy: number;
  readonly total: number;
}

export const NODE_NAMES: ReadonlySet<string> = new Set([
  'node_cpu_seconds_total',
  'node_memory_MemAvailable_bytes',
  'node_memory_MemTotal_bytes',
  'node_filesystem_avail_bytes',
  'node_filesystem_size_bytes',
]);

/**
 * The state of a machine as node_exporter tells it: `cpu` busy since the reading before (counters: two readings are
 * needed; after a restart of the machine they begin anew), `memory` available, `disk` free at the mount point. Shares 0–1.
 */
export function nodeReading(
  samples: readonly ExposedSample[],
  mountpoint: string,
  before: CpuTimes | null,
): { values: HardwareReading['values']; cpu: CpuTimes | null } {
  const cpu = cpuTimes(samples);
  const one = (name: string, labels: Readonly<Record<string, string>> = {}): number | null => {
    const found = samples.find(
      (sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
    );
    return found !== undefined && Number.isFinite(found.value) ? found.value : null;
  };
  const share = (part: number | null, whole: number | null): number | null =>
    part === null || whole === null || whole <= 0 ? null : part / whole;
  const at = { mountpoint };
  return {
    cpu,
    values: {
      cpu: busyShare(before, cpu),
      memory: share(one('node_memory_MemAvailable_bytes'), one('node_memory_MemTotal_bytes')),
      disk: share(one('node_filesystem_avail_bytes', at), one('node_filesystem_size_bytes', at)),
    },
  };
}

function busyShare(before: CpuTimes | null, now: CpuTimes | null): number | null {
  if (before === null || now === null) return null;
  const [busy, total] = [now.busy - before.busy, now.total - before.total];
  return total <= 0 || busy < 0 ? null : Math.min(1, busy / total);
}

function cpuTimes(samples: readonly ExposedSample[]): CpuTimes | null {
  let [busy, total] = [0, 0];
  for (const { name, labels, value } of samples) {
    if (name !== 'node_cpu_seconds_total' || !Number.isFinite(value)) continue;
    total += value;
    if (labels['mode'] !== 'idle' && labels['mode'] !== 'iowait') busy += value;
  }
  return total > 0 ? { busy, total } : null;
}
