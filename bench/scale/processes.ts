import { readFileSync } from 'node:fs';

/** Kernel ticks a second, as `/proc` counts them on Linux. */
const TICKS = 100;

/** CPU seconds that a process has used, its threads included; null when it is gone. */
export function cpuSeconds(pid: number): number | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS;
  } catch {
    return null;
  }
}

/** MiB: now, and at most so far. */
export function memoryMib(pid: number): { readonly now: number; readonly peak: number } | null {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'utf8');
    const of = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? NaN) / 1_024;
    return { now: of('VmRSS'), peak: of('VmHWM') };
  } catch {
    return null;
  }
}
