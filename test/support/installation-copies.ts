import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { processFacts } from '../../adapters/disk/proc';

/** One copy of a version, as its process reported it. */
export interface ServingCopy {
  readonly instance: string;
  readonly version: string;
  readonly pid: number;
  readonly address: string;
  /** Listener for faults: the server's own port for light ones. */
  readonly controlPort: number;
  readonly answersLog: string;
}

/** Copies below a folder of the process runtime that run now, found by their own reports. */
export function runningCopies(folder: string): ServingCopy[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((name) => {
    const recordFile = join(folder, name, 'record.json');
    if (!existsSync(recordFile)) return [];
    const { instance, version, nonce } = json(recordFile) as Record<'instance' | 'version' | 'nonce', string>;
    const run = join(folder, name, nonce);
    if (!existsSync(join(run, 'report.json'))) return [];
    const report = json(join(run, 'report.json')) as { port: number; pid: number; controlPort?: number };
    if (processFacts(report.pid) === null) return [];
    const { port, pid, controlPort = port } = report;
    const answersLog = join(run, 'answers.log');
    return [{ instance, version, pid, address: `http://127.0.0.1:${port}`, controlPort, answersLog }];
  });
}

function json(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'));
}
