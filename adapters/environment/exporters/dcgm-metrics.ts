import type { HardwareRules } from '../hardware-change';
import type { HardwareReading } from '../reading-history';
import type { ExposedSample } from './exposition';

export const DCGM_NAMES: ReadonlySet<string> = new Set([
  'DCGM_FI_DEV_GPU_UTIL',
  'DCGM_FI_DEV_FB_USED',
  'DCGM_FI_DEV_FB_FREE',
  'DCGM_FI_DEV_XID_ERRORS',
  'DCGM_FI_DEV_CLOCK_THROTTLE_REASONS',
  'DCGM_FI_DEV_CLOCKS_EVENT_REASONS',
]);

/**
 * XID errors that hardware, bus or firmware are the cause of (NVIDIA's catalogue of XID errors): ECC errors 48, 63, 64,
 * 92, 94, 95, internal controllers 61, 62, NVLink 74, fallen off the bus 79, GSP firmware 119, 120. Others, such as 13, 31,
 * 43 and 45, are what a faulty program causes as well: a bad version of the model must not be excused by them.
 */
export const HARDWARE_XIDS: ReadonlySet<number> = new Set([48, 61, 62, 63, 64, 74, 79, 92, 94, 95, 119, 120]);

/** Reasons of a lowered clock that are no one's wish: hardware slow-down 8, heat 32 and 64, power brake 128 (NVML). */
const HARMFUL_THROTTLING = 8 | 32 | 64 | 128;

export const GPU_RULES: HardwareRules = {
  'gpu-busy': { bad: 'above', limit: 0.98, margin: 0.25, noun: 'busy', unit: 'share' },
  'gpu-memory': { bad: 'above', limit: 0.97, margin: 0.1, noun: 'of its memory in use', unit: 'share' },
  'gpu-xid': {
    bad: 'above',
    limit: 0,
    margin: 1,
    noun: 'GPUs with an XID error of hardware',
    unit: 'count',
    event: true,
    optional: true,
  },
  'gpu-throttled': {
    bad: 'above',
    limit: 0,
    margin: 1,
    noun: 'GPUs slowed by heat or power',
    unit: 'count',
    optional: true,
  },
  'gpu-missing': {
    bad: 'above',
    limit: 0,
    margin: 1,
    noun: 'GPUs that were there are missing',
    unit: 'count',
    event: true,
  },
};

/**
 * The state of the GPUs of one machine as dcgm-exporter tells it, the worst of them for each metric. `known` is the set of
 * GPUs that were seen before; it grows. What is not exported is null.
 */
export function dcgmReading(
  samples: readonly ExposedSample[],
  gpus: ReadonlySet<string> | null,
  known: Set<string>,
): HardwareReading['values'] {
  const byGpu = new Map<string, Map<string, number>>();
  for (const { name, labels, value } of samples) {
    const gpu = labels['gpu'] ?? labels['UUID'] ?? '';
    if ((gpus !== null && !gpus.has(gpu)) || !Number.isFinite(value)) continue;
    const device = byGpu.get(gpu) ?? new Map<string, number>();
    // With several processes or partitions on a GPU there are several series: the worst counts.
    device.set(name, Math.max(value, device.get(name) ?? -Infinity));
    byGpu.set(gpu, device);
  }
  for (const gpu of byGpu.keys()) known.add(gpu);
  const devices = [...byGpu.values()];
  return {
    'gpu-busy': worst(devices.map((gpu) => shareOf(gpu.get('DCGM_FI_DEV_GPU_UTIL')))),
    'gpu-memory': worst(
      devices.map((gpu) => {
        const [used, free] = [gpu.get('DCGM_FI_DEV_FB_USED'), gpu.get('DCGM_FI_DEV_FB_FREE')];
        return used === undefined || free === undefined || used + free <= 0 ? null : used / (used + free);
      }),
    ),
    'gpu-xid': counted(devices.map((gpu) => flag(gpu.get('DCGM_FI_DEV_XID_ERRORS'), (xid) => HARDWARE_XIDS.has(xid)))),
    'gpu-throttled': counted(devices.map(throttled)),
    'gpu-missing': known.size === 0 ? null : known.size - byGpu.size,
  };
}

function throttled(gpu: ReadonlyMap<string, number>): boolean | null {
  const reasons = gpu.get('DCGM_FI_DEV_CLOCKS_EVENT_REASONS') ?? gpu.get('DCGM_FI_DEV_CLOCK_THROTTLE_REASONS');
  return flag(reasons, (bits) => (bits & HARMFUL_THROTTLING) !== 0);
}

function shareOf(percent: number | undefined): number | null {
  return percent === undefined ? null : percent / 100;
}

function flag(value: number | undefined, holds: (value: number) => boolean): boolean | null {
  return value === undefined ? null : holds(value);
}

function worst(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : Math.max(...known);
}

function counted(flags: readonly (boolean | null)[]): number | null {
  const known = flags.filter((each) => each !== null);
  return known.length === 0 ? null : known.filter(Boolean).length;
}
