import pino from 'pino';
import { ensureWorkflows } from '../../workers/service-workflows';
import { keepWorkflows, Wake } from '../../workers/workflow-keeper';

jest.mock('../../workers/service-workflows');
afterEach(() => jest.useRealTimers());

test('a service whose workflows can never be ensured is tried again each second, and the others still have their minute', async () => {
  jest.useFakeTimers();
  const tries = new Map<string, number>();
  jest.mocked(ensureWorkflows).mockImplementation(({ name }) => {
    tries.set(name, (tries.get(name) ?? 0) + 1);
    return name === 'bad' ? Promise.reject(new Error('never')) : Promise.resolve();
  });
  const ending = new AbortController();
  const options = {
    configuration: { services: [{ name: 'bad' }, { name: 'good' }] },
    log: pino({ level: 'silent' }),
    signal: ending.signal,
  };
  const asked = { ledger: { read: () => Promise.resolve([]) }, detached: new Set(), wake: new Wake() };
  const kept = keepWorkflows(
    options as unknown as Parameters<typeof keepWorkflows>[0],
    asked as unknown as Parameters<typeof keepWorkflows>[1],
    { leads: () => true, commonRules: () => 1, run: () => Promise.resolve() },
  );
  await jest.advanceTimersByTimeAsync(130_000);
  ending.abort();
  await kept;
  expect(tries.get('bad')).toBeGreaterThan(100);
  expect(tries.get('good')).toBe(3);
});
