import type { EngineSeries } from '../../domain/detection/engine-reading';
import { readExposition } from '../telemetry/exposition';
import { EngineAnswerRefused } from './errors';
import { httpCall } from './http';

export interface CountersAt {
  readonly address: string;
  readonly timeoutMs: number;
  readonly limitBytes: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** The series of these names in a server's `/metrics`. */
export async function readSeries(
  { address, timeoutMs, limitBytes, headers }: CountersAt,
  names: readonly string[],
): Promise<readonly EngineSeries[]> {
  const url = `${address}/metrics`;
  const answer = await httpCall({ url, method: 'GET', timeoutMs, limitBytes, headers });
  if (answer.status !== 200) throw new EngineAnswerRefused(`${url} answered ${answer.status}`);
  try {
    return readExposition(answer.text, new Set(names), 0).series;
  } catch (fault) {
    throw new EngineAnswerRefused(`${url}: ${fault instanceof Error ? fault.message : String(fault)}`);
  }
}

/**
 * Values of a server's `/metrics`, each the sum over its series (an engine with several ranks has one for each). A name
 * without a series, or with one that is no number, is missing: nothing is known of it, which is not zero.
 */
export async function readCounters(at: CountersAt, names: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const sums = new Map<string, number>();
  for (const { name, value } of await readSeries(at, names)) sums.set(name, (sums.get(name) ?? 0) + value);
  return new Map([...sums].filter(([, value]) => Number.isFinite(value)));
}

/** Requests that are worked on and that wait. Rejects with {@link EngineAnswerRefused} where the server counts neither. */
export async function readWork(
  at: CountersAt,
  names: { readonly running: string; readonly waiting: string },
): Promise<{ running: number; waiting: number }> {
  const counters = await readCounters(at, [names.running, names.waiting]);
  const running = counters.get(names.running);
  const waiting = counters.get(names.waiting);
  if (running === undefined || waiting === undefined) {
    const missing = [names.running, names.waiting].filter((name) => !counters.has(name)).join(' and ');
    throw new EngineAnswerRefused(`${at.address}/metrics has no ${missing}, so whether it is idle is not known`);
  }
  return { running, waiting };
}
