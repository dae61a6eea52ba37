import { readFile, statfs } from 'node:fs/promises';
import { join } from 'node:path';

/** State of this machine at one moment; null where it could not be read. Shares are 0–1. */
export interface HostReading {
  readonly atMs: number;
  /** Share of the processor time since the reading before that was not idle. */
  readonly cpuBusy: number | null;
  readonly memoryAvailable: number | null;
  readonly diskFree: number | null;
}

export interface HostSource {
  read(): Promise<HostReading>;
}

/** A tenth of a second of two processors. */
const MIN_TICKS = 20;

/** Reads /proc/stat, /proc/meminfo and the file system of `diskPath`. */
export function hostSource(options: { diskPath: string; procRoot?: string; now?: () => number }): HostSource {
  const procRoot = options.procRoot ?? '/proc';
  const now = options.now ?? Date.now;
  let before: { busy: number; total: number } | null = null;

  async function cpuBusy(): Promise<number | null> {
    const times = await cpuTimes(join(procRoot, 'stat'));
    const last = before;
    // Two looks right after each other share too few ticks to say anything: the next one compares with the first.
    if (times !== null && last !== null && times.total > last.total && times.total - last.total < MIN_TICKS)
      return null;
    before = times;
    if (times === null || last === null || times.total <= last.total) return null;
    return (times.busy - last.busy) / (times.total - last.total);
  }

  return {
    async read() {
      const [cpu, memory, disk] = await Promise.all([
        cpuBusy(),
        memoryAvailable(join(procRoot, 'meminfo')),
        diskFree(options.diskPath),
      ]);
      return { atMs: now(), cpuBusy: cpu, memoryAvailable: memory, diskFree: disk };
    },
  };
}

async function cpuTimes(path: string): Promise<{ busy: number; total: number } | null> {
  const line = (await textOf(path))?.split('\n').find((each) => each.startsWith('cpu '));
  const ticks = line?.trim().split(/\s+/).slice(1, 9).map(Number);
  if (ticks === undefined || ticks.length < 5 || ticks.some((tick) => !Number.isFinite(tick))) return null;
  const total = ticks.reduce((sum, tick) => sum + tick, 0);
  // Fields 4 and 5: idle and waiting for a disk. Source: proc(5).
  return { total, busy: total - (ticks[3] ?? 0) - (ticks[4] ?? 0) };
}

async function memoryAvailable(path: string): Promise<number | null> {
  const text = await textOf(path);
  const kilobytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text ?? '')?.[1]);
  const share = kilobytes('MemAvailable') / kilobytes('MemTotal');
  return Number.isFinite(share) ? share : null;
}

async function diskFree(path: string): Promise<number | null> {
  try {
    const { bavail, blocks } = await statfs(path);
    return blocks > 0 ? bavail / blocks : null;
  } catch {
    return null;
  }
}

async function textOf(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return null;
  }
}
