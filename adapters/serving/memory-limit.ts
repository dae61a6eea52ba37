import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface MemoryLimit {
  readonly bytes: number;
  /** Where it comes from, in words. */
  readonly of: string;
}

/**
 * How much memory a process may hold before something ends it: what the configuration says, else the smallest limit of its
 * cgroups (v2), else what it holds and what the host has left. Null where none of it can be read.
 */
export function memoryLimit(
  pid: number,
  residentBytes: number,
  configured: number | null,
  roots: { readonly proc: string; readonly cgroup: string } = { proc: '/proc', cgroup: '/sys/fs/cgroup' },
): MemoryLimit | null {
  if (configured !== null) return { bytes: configured, of: 'serving.memoryLimit' };
  const group = cgroupLimit(pid, roots);
  if (group !== null) return { bytes: group, of: 'the limit of its cgroup' };
  const available = Number(/^MemAvailable:\s+(\d+) kB/m.exec(textOf(join(roots.proc, 'meminfo')) ?? '')?.[1]);
  if (!Number.isFinite(available)) return null;
  return { bytes: residentBytes + available * 1024, of: 'what it holds and what the host has left' };
}

function cgroupLimit(pid: number, roots: { readonly proc: string; readonly cgroup: string }): number | null {
  const path = /^0::(\/.*)$/m.exec(textOf(join(roots.proc, String(pid), 'cgroup')) ?? '')?.[1];
  if (path === undefined) return null;
  const limits: number[] = [];
  const parts = path.split('/').filter((part) => part !== '' && part !== '..');
  for (let depth = parts.length; depth >= 0; depth--) {
    const text = textOf(join(roots.cgroup, ...parts.slice(0, depth), 'memory.max'))?.trim();
    // `max` is no limit; the one of a group above may be.
    if (text !== undefined && /^\d+$/.test(text)) limits.push(Number(text));
  }
  return limits.length > 0 ? Math.min(...limits) : null;
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

/**
 * Bytes that the processes of one copy hold. Pages that several of them share count once (`Pss`), or workers that were
 * forked from a loaded model would seem to hold it once each.
 */
export function memoryOf(members: readonly { readonly pid: number; readonly residentBytes: number }[]): number {
  const alone = members.length === 1;
  return members.reduce((sum, { pid, residentBytes }) => {
    const pssKib = alone ? null : /^Pss:\s+(\d+) kB/m.exec(textOf(`/proc/${pid}/smaps_rollup`) ?? '')?.[1];
    return sum + (pssKib === null || pssKib === undefined ? residentBytes : Number(pssKib) * 1024);
  }, 0);
}
