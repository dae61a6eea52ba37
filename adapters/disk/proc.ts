import { readFileSync, readdirSync } from 'node:fs';

/**
 * What Linux says of a process. `startTicks` (clock ticks since boot, field 22 of /proc/PID/stat) together with the
 * boot id names one process for ever; a bare pid is reused.
 */
export interface ProcessFacts {
  readonly pid: number;
  readonly startTicks: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  readonly residentBytes: number;
}

const PAGE_BYTES = 4096;

function readProc(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // The process ended between two looks, or belongs to somebody else: both mean "not ours to see".
    return null;
  }
}

/** Id of the running boot; null where there is no /proc. */
export function bootId(): string | null {
  return readProc('/proc/sys/kernel/random/boot_id')?.trim() ?? null;
}

/** Facts of a living process; null when it is gone or a zombie (ended, only not yet reaped by its parent). */
export function processFacts(pid: number): ProcessFacts | null {
  const text = readProc(`/proc/${pid}/stat`);
  if (text === null) return null;
  // The command name may hold spaces and brackets: everything that counts comes after the last one.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, parent, group, session] = fields;
  const startTicks = fields[19];
  const pages = fields[21];
  if (state === undefined || state === 'X' || startTicks === undefined) return null;
  // The first thread is a zombie as soon as it ends; while others are left, one may still be finishing a write.
  if (state === 'Z' && Number(fields[17]) <= 1) return null;
  return {
    pid,
    startTicks,
    parent: Number(parent),
    group: Number(group),
    session: Number(session),
    residentBytes: Number(pages ?? 0) * PAGE_BYTES,
  };
}

/** Environment with which the process was started; null when it is gone or may not be read. */
export function processEnvironment(pid: number): ReadonlyMap<string, string> | null {
  const text = readProc(`/proc/${pid}/environ`);
  if (text === null) return null;
  const pairs = text
    .split('\0')
    .filter((pair) => pair.includes('='))
    .map((pair): [string, string] => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]);
  return new Map(pairs);
}

export function allPids(): number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}

/** Every living process of a session, its leader included. */
export function sessionMembers(session: number): ProcessFacts[] {
  return allPids()
    .map(processFacts)
    .filter((facts): facts is ProcessFacts => facts !== null && facts.session === session);
}
