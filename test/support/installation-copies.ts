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

interface RunRecord {
  readonly instance: string;
  readonly version: string;
  readonly nonce: string;
  readonly startedAt: number;
}

/** Copies below a folder of the process runtime that run now, found by their own reports; the newest is the last. */
export function runningCopies(folder: string): ServingCopy[] {
  if (!existsSync(folder)) return [];
  const copies = readdirSync(folder).flatMap((name) => {
    const recordFile = join(folder, name, 'record.json');
    if (!existsSync(recordFile)) return [];
    const { instance, version, nonce, startedAt } = json(recordFile) as RunRecord;
    const run = join(folder, name, nonce);
    if (!existsSync(join(run, 'report.json'))) return [];
    const report = json(join(run, 'report.json')) as { port: number; pid: number; controlPort?: number };
    if (processFacts(report.pid) === null) return [];
    const { port, pid, controlPort = port } = report;
    const answersLog = join(run, 'answers.log');
    const copy = { instance, version, pid, address: `http://127.0.0.1:${port}`, controlPort, answersLog };
    return [{ startedAt, copy }];
  });
  return copies.sort((left, right) => left.startedAt - right.startedAt).map(({ copy }) => copy);
}

function json(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'));
}
