import { readFileSync, readdirSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { processFacts } from '../../adapters/disk/proc';
import { bound } from '../../domain/detection/bernoulli-bound';

export const FAULTS = ['killed', 'errors500', 'hang', 'errors5pct', 'oneclass'] as const;
export type FaultName = (typeof FAULTS)[number];

/** The class that `oneclass` loses, and how much of it: as real releases do, not all of it. */
export const LOST_CLASS = 'bulk';
export const LOST_SHARE = 0.3;
const ERROR_SHARE = 0.05;

interface Injection {
  readonly fault: object;
  readonly perSecond: number;
  /** Longest wait for the rollback to settle. */
  readonly limitMs: number;
}

export const INJECTIONS: Readonly<Record<FaultName, Injection>> = {
  killed: { fault: { kind: 'crash' }, perSecond: 20, limitMs: 30_000 },
  errors500: { fault: { kind: 'errors500' }, perSecond: 20, limitMs: 45_000 },
  hang: { fault: { kind: 'hang' }, perSecond: 20, limitMs: 45_000 },
  errors5pct: { fault: { kind: 'errors', rate: ERROR_SHARE }, perSecond: 20, limitMs: 180_000 },
  oneclass: {
    fault: { kind: 'wrong-class', class: LOST_CLASS, rate: LOST_SHARE },
    perSecond: 50,
    limitMs: 180_000,
  },
};

/** What the serving process says when the fault is in effect. */
export interface InEffect {
  readonly monoMs: number;
  readonly atMs: number;
}

/** Control port of the running copy, from the report that its process wrote. */
export function controlPortOf(servingDirectory: string, instance: string): number {
  for (const name of readdirSync(servingDirectory)) {
    if (name.endsWith('.lock')) continue;
    const record = readJson(join(servingDirectory, name, 'record.json')) as { instance: string; nonce: string } | null;
    if (record?.instance !== instance) continue;
    const report = readJson(join(servingDirectory, name, record.nonce, 'report.json')) as {
      pid: number;
      controlPort: number;
    } | null;
    if (report !== null && processFacts(report.pid) !== null) return report.controlPort;
  }
  throw new Error(`no running copy ${instance} below ${servingDirectory}`);
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return null;
  }
}

/** Switches a fault; resolves with the moment from which it is in effect, on the machine's monotonic clock. */
export function setFault(controlPort: number, fault: object): Promise<InEffect> {
  const body = Buffer.from(JSON.stringify(fault));
  return new Promise((resolve, reject) => {
    const call = request(
      {
        host: '127.0.0.1',
        port: controlPort,
        method: 'POST',
        path: '/fault',
        headers: { 'content-length': body.length },
        timeout: 5_000,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          if (response.statusCode !== 200) return reject(new Error(`fault: ${response.statusCode} ${text}`));
          const { monotonicNs, timeMs } = JSON.parse(text) as { monotonicNs: string; timeMs: number };
          resolve({ monoMs: Number(monotonicNs) / 1e6, atMs: timeMs });
        });
      },
    );
    call.on('timeout', () => call.destroy(new Error('the fault listener does not answer')));
    call.on('error', reject);
    call.end(body);
  });
}

/** Failure rates before and after, and how many observations of them come in a second. */
export interface Rates {
  readonly before: number;
  readonly after: number;
  readonly perSecond: number;
}

/**
 * Milliseconds that no detector with one false alarm in `falseAlarmDays` can beat by more than a constant: the
 * observations of Lorden's bound at their rate.
 */
export function boundMs({ before, after, perSecond }: Rates, falseAlarmDays: number): number {
  const arl = falseAlarmDays * 86_400 * perSecond;
  return (bound(before, after, arl) / perSecond) * 1_000;
}

export function errorRates(before: number, perSecond: number): Rates {
  return { before, after: before + (1 - before) * ERROR_SHARE, perSecond };
}
