import { Load } from './load';
import { until } from './poll';

/** Fewer requests say nothing about a run. */
export const ENOUGH = 50;

const running = new Set<Load>();

/** Two users of a model called `mail` that count every request. */
export function users(entrance: string): Load {
  const load = new Load(entrance, { clients: 2, pauseMs: 20 });
  running.add(load);
  return load;
}

export async function answers(load: Load, more = ENOUGH): Promise<void> {
  const before = load.tally.answered.length;
  await until('answers', () => load.tally.answered.length >= before + more, 30_000);
}

/** Goes on until there was enough traffic; then nobody may have lost anything. */
export async function expectNothingLost(load: Load): Promise<void> {
  await answers(load, Math.max(0, ENOUGH - load.tally.answered.length));
  const { answered, lost } = await end(load);
  expect(lost).toEqual([]);
  expect(answered.filter(({ status }) => status !== 200)).toEqual([]);
  expect(answered.length).toBeGreaterThanOrEqual(ENOUGH);
}

export async function end(load: Load): Promise<Load['tally']> {
  running.delete(load);
  return await load.stop();
}

/** Those that a failed test left. */
export async function endUsers(): Promise<void> {
  for (const load of running) await end(load);
}
