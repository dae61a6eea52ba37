import { endWaiting, putBack } from '../../../workers/chaos/clean-up';
import { Observer } from '../../../workers/chaos/observer';
import type { ChaosWorld, ServiceFacts, ServiceLook } from '../../../workers/chaos/world';

const nobody = new Error('nobody answers');

/** A service whose looks come in this order, the last one again and again; an `Error` is a look that failed. */
function world(looks: (Partial<ServiceFacts> | Error)[], refusal: string | null = null) {
  const acts: [string, unknown][] = [];
  const stubbed: Partial<ChaosWorld> = {
    look: () => {
      const next = looks.length > 1 ? looks.shift() : looks[0];
      if (next instanceof Error) return Promise.reject(next);
      return Promise.resolve({
        state: { service: 'mail', versions: [], ...next },
        observed: null,
      } as unknown as ServiceLook);
    },
    act: (name, fields) => {
      acts.push([name, fields]);
      const decision = refusal === null ? 'accepted' : 'refused';
      return Promise.resolve({ decision, why: refusal ?? '', reference: null });
    },
  };
  return { acts, world: stubbed as ChaosWorld, observer: new Observer(stubbed as ChaosWorld, 0) };
}

const waiting = { operation: { id: 'manual-1', incident: null, waiting: 'load failed' } } as unknown as ServiceFacts;
const idle = { operation: null };

test('a rollback that waits is ended, also when the first look is answered by nobody', async () => {
  const { acts, world: one, observer } = world([nobody, nobody, waiting, waiting, idle]);
  expect(await endWaiting(one, observer, 'r')).toBeNull();
  expect(acts).toEqual([
    ['intervene', { incident: 'manual-1', action: 'abort', reason: expect.any(String) as string }],
  ]);
});

test('nothing is ordered where nothing waits, and a refusal is told', async () => {
  const calm = world([idle]);
  expect(await endWaiting(calm.world, calm.observer, 'r')).toBeNull();
  expect(calm.acts).toEqual([]);
  const refused = world([waiting], 'two persons are needed');
  expect(await endWaiting(refused.world, refused.observer, 'r')).toBe(
    'manual-1 waits for a human: two persons are needed',
  );
});

const on = (primary: string, standing = 'validated'): Partial<ServiceFacts> =>
  ({ ...idle, declared: { primary }, versions: [{ version: '1', standing }] }) as unknown as ServiceFacts;

test('the former version is deployed again, its quarantine cleared, and what is refused is told with what to type', async () => {
  const { acts, world: one, observer } = world([on('2', 'quarantined'), on('1')]);
  expect(await putBack(one, observer, { run: 'r', before: '1' })).toBeNull();
  expect(acts.map(([name]) => name)).toEqual(['clearQuarantine', 'deploy']);
  const there = world([on('1')]);
  expect(await putBack(there.world, there.observer, { run: 'r', before: '1' })).toBeNull();
  expect(there.acts).toEqual([]);
  const refused = world([on('2')], 'a freeze window is in force');
  expect(await putBack(refused.world, refused.observer, { run: 'r', before: '1' })).toBe(
    "a freeze window is in force; deploy it by hand: lastgood deploy mail@1 --reason '…'",
  );
});
