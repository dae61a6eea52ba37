import type { RouterActivities } from '../../../workflows/contract/activities';
import { shiftTraffic } from '../../../activities/shift-traffic';
import { addressOf, model, recordOf, service, StepWorld } from './step-world';

type Input = Parameters<RouterActivities['shiftTraffic']>[0];

describe('shiftTraffic', () => {
  let world: StepWorld;
  beforeEach(async () => {
    world = await StepWorld.start();
  });

  const input = (change: Partial<Input> = {}): Input => ({
    service,
    operation: 'i-1',
    incident: 'i-1',
    model,
    record: recordOf('1.2', 8),
    allowBreakerOpen: false,
    allowPaused: false,
    allowDisagreement: false,
    returnsTo: null,
    ...change,
  });
  const run = async (change: Partial<Input> = {}): ReturnType<RouterActivities['shiftTraffic']> =>
    await world.env.run(shiftTraffic(world), input(change));
  const primary = async (): Promise<string | undefined> => (await world.router.read(service)).record?.primary;

  it('applies, reads back, and sees the version answer at the entrance', async () => {
    expect(await run()).toMatchObject({ outcome: 'shifted', epoch: 8, readBack: true, seenInTraffic: '1.2' });
    expect(await primary()).toBe('1.2');
    expect(world.fake.asked).toEqual([{ address: 'http://127.0.0.1:1', headers: { 'x-lastgood-probe': 'fake' } }]);
  });

  it('says shifted again when it runs twice, even though it would be forbidden by now', async () => {
    const first = await run();
    world.view = { ...world.view, breakerOpen: true, grant: null, pausedUntil: Date.now() + 60_000 };
    world.fake.put(addressOf('1.2'), '1.2', { ready: false });
    const { fence } = world.router;
    await fence.call(world.router, service, 40);

    expect(await run()).toMatchObject({ ...first, seenInTraffic: '1.2' });
    expect(world.router.calls.filter((call) => call.includes('apply 8'))).toHaveLength(1);
  });

  it.each([
    ['the breaker is open', { breakerOpen: true, breakerEpoch: 3 }, {}, 'the breaker is open (epoch 3)'],
    ['the service is paused', { pausedUntil: 4_000_000_000_000 }, {}, 'the service is paused until 2096-10-02'],
    ['nothing is granted', { grant: null }, {}, 'epoch 8 is not granted any more'],
    ['the grant is another one', { grant: { incident: 'i-2', from: 40, to: 71 } }, {}, 'granted are 40 to 71'],
    [
      'ledger and router disagree',
      { pausedWhy: 'the router has epoch 99' },
      { allowPaused: true },
      'the service is paused: the router has epoch 99',
    ],
  ] as const)('is stopped when %s', async (_, view, change, why) => {
    world.view = { ...world.view, ...view };

    const outcome = await run(change);

    expect(outcome).toMatchObject({ outcome: 'stopped' });
    expect('why' in outcome && outcome.why).toContain(why);
    expect(await primary()).toBe('1.3');
  });

  it('is unready, so that the next candidate is tried, when the version was barred meanwhile', async () => {
    world.view = { ...world.view, unusable: [{ version: '1.2', standing: 'revoked', why: 'revoked by ada' }] };

    expect(await run()).toEqual({ outcome: 'unready', why: '1.2 may not be used: revoked by ada' });
    expect(await primary()).toBe('1.3');
  });

  it('goes the declared way back to a version that was quarantined for being left, never to a revoked one', async () => {
    world.view = { ...world.view, unusable: [{ version: '1.2', standing: 'revoked', why: 'revoked by ada' }] };
    expect(await run({ returnsTo: '1.2' })).toMatchObject({ outcome: 'unready' });

    world.view = { ...world.view, unusable: [{ version: '1.2', standing: 'quarantined', why: 'rolled back from' }] };
    expect(await run({ returnsTo: '1.3' })).toMatchObject({ outcome: 'unready' });
    expect(await run({ returnsTo: '1.2' })).toMatchObject({ outcome: 'shifted' });
  });

  it('lets a person who rolls back by hand overrule a disagreement about the route', async () => {
    world.view = { ...world.view, pausedWhy: 'the router has epoch 99' };

    expect(await run({ allowPaused: true, allowDisagreement: true })).toMatchObject({ outcome: 'shifted' });
  });

  it('lets a person act with the breaker open and the service paused', async () => {
    world.view = { ...world.view, breakerOpen: true, pausedUntil: Date.now() + 60_000 };

    expect(await run({ allowBreakerOpen: true, allowPaused: true })).toMatchObject({ outcome: 'shifted' });
  });

  it.each([
    ['is not ready', { ready: false }, 'not ready: status 503'],
    [
      'has loaded something else',
      { digest: 'sha256:other' },
      'it reports sha256:other (reported-digest), expected sha256:1.2',
    ],
    ['does not say what it serves', { fault: new Error('timed out') }, 'it does not say what it serves: timed out'],
  ])('is unready when the target %s, after a second look', async (_, copy, why) => {
    world.fake.put(addressOf('1.2'), '1.2', copy);

    expect(await run()).toEqual({ outcome: 'unready', why: `mail@1.2#s1: ${why}` });
    expect(world.fake.looks).toHaveLength(2);
    expect(await primary()).toBe('1.3');
  });

  it('looks at who gets a share, not at the primary that is left', async () => {
    world.fake.put(addressOf('1.3'), '1.3', { ready: false });
    const backends = { ...recordOf('1.2', 8).backends, ...recordOf('1.3', 8).backends };
    const share = { version: '1.2', weight: 0.1, until: Date.now() + 60_000 };

    expect(await run({ record: recordOf('1.3', 8, { share, backends }) })).toMatchObject({ outcome: 'shifted' });
  });

  it('is stopped by a raised floor and refused for a record that the router cannot use', async () => {
    await world.router.fence(service, 40);
    expect(await run()).toMatchObject({ outcome: 'stopped', why: expect.stringContaining('below-floor') as string });
    const without = recordOf('1.2', 41, { fallback: '1.1' });
    world.view = { ...world.view, grant: { incident: 'i-1', from: 40, to: 50 } };
    expect(await run({ record: without })).toMatchObject({ outcome: 'refused' });
  });

  it('asks for the standing again where the first question got lost, within the same attempt', async () => {
    const { read } = world.standing;
    let asked = 0;
    world.standing.read = () => (++asked === 1 ? new Promise(() => undefined) : read());
    expect(await run()).toMatchObject({ outcome: 'shifted', epoch: 8 });
    expect(asked).toBe(2);
  });

  it('obeys what the standing says to the second question', async () => {
    let asked = 0;
    world.standing.read = () =>
      ++asked === 1 ? new Promise(() => undefined) : Promise.resolve({ ...world.view, breakerOpen: true });
    expect(await run()).toMatchObject({ outcome: 'stopped' });
    expect(await primary()).toBe('1.3');
  });

  it('faults, and applies nothing, when nobody tells the standing', async () => {
    world.standing.read = () => new Promise(() => undefined);
    await expect(run()).rejects.toMatchObject({ name: 'AnswerLate' });
    expect(await primary()).toBe('1.3');
  });

  it('faults, and applies nothing, when the standing cannot be read', async () => {
    world.standing.read = (): Promise<never> => Promise.reject(new Error('no worker answers the query'));

    await expect(run()).rejects.toThrow('no worker answers the query');
    expect(await primary()).toBe('1.3');
  });
});
