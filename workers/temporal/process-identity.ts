import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * When a process started, as its system tells it: clock ticks since boot on Linux, a date elsewhere. Two processes
 * that had the same pid one after the other differ in it. Undefined when no such process runs (a zombie does not).
 */
export async function readStartTime(pid: number): Promise<string | undefined> {
  if (process.platform !== 'linux') return await startTimeByPs(pid);
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The command's name is in parentheses and may hold spaces and parentheses itself: count from the last one.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

async function startTimeByPs(pid: number): Promise<string | undefined> {
  try {
    const { stdout } = await run('ps', ['-o', 'stat=,lstart=', '-p', String(pid)]);
    const [state = 'Z', ...rest] = stdout.trim().split(/\s+/);
    return state.startsWith('Z') ? undefined : rest.join(' ');
  } catch {
    return undefined;
  }
}
