import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { RetirementEnded, RetirementInput } from '../../workflows/contract/signals';
import { backendOf, host, operationBundle, quietRuntime, Rig, service, Workers, World } from '../support/operation-rig';
import { startTimeSkipping } from '../support/temporal-servers';

jest.setTimeout(60_000);

describe('a retirement', () => {
  let env: TestWorkflowEnvironment;
  let workers: Workers;
  let rig: Rig | undefined;
  let world: World;
  let good: ReturnType<World['fakes']>;
  const { instance } = backendOf('1.3');

  beforeAll(async () => {
    quietRuntime();
    [env] = await Promise.all([startTimeSkipping(), operationBundle()]);
    workers = await Workers.start(env);
  }, 120_000);
  afterAll(async () => {
    await workers.stop();
    await env.teardown();
  });
  beforeEach(() => {
    world = new World();
    world.running.add(instance);
    good = world.fakes();
  });
  afterEach(async () => {
    await rig?.stop();
    rig = undefined;
  });

  async function inputOf(change: Partial<RetirementInput> = {}): Promise<RetirementInput> {
    const now = await env.currentTimeMs();
    const times = { notBefore: now + 20 * 60_000, drainMaxMs: 10 * 60_000, graceMs: 1_000 };
    return { service, version: '1.3', instance, host, why: 'rolled back from', ...times, ...change };
  }

  it('waits until it may, then until the copy is drained, and stops it', async () => {
    let looks = 0;
    rig = await Rig.start(workers, {
      ...good,
      observeDrain: async () => {
        looks += 1;
        return { drained: looks > 3, inFlight: 1, pinned: 2 };
      },
    });
    const input = await inputOf();

    await (await rig.retirement(input)).result();

    const [heard] = await rig.heard<RetirementEnded>();
    expect(heard).toMatchObject({ version: '1.3', instance, outcome: 'stopped', why: 'drained' });
    expect(heard?.at).toBeGreaterThanOrEqual(input.notBefore);
    expect(looks).toBe(4);
    expect(world.running.size).toBe(0);
  });

  it('stops a copy that never drains after its time', async () => {
    rig = await Rig.start(workers, {
      ...good,
      observeDrain: async () => ({ drained: false, inFlight: 1, pinned: 0 }),
    });

    await (await rig.retirement(await inputOf())).result();

    const [heard] = await rig.heard<RetirementEnded>();
    expect(heard).toMatchObject({ outcome: 'stopped' });
    expect(heard?.why).toContain('given up waiting after 600000 ms: 1 requests in flight and 0 sessions pinned');
  });

  it('asks again while the router names the copy, and reports failed in the end', async () => {
    let asked = 0;
    rig = await Rig.start(workers, {
      ...good,
      stopInstance: async () => {
        asked += 1;
        return { outcome: 'refused', why: 'the route at epoch 9 still names it' };
      },
    });

    await (await rig.retirement(await inputOf())).result();

    expect(await rig.heard<RetirementEnded>()).toMatchObject([
      { outcome: 'failed', why: 'the route at epoch 9 still names it' },
    ]);
    expect(asked).toBe(10);
    expect(world.running.size).toBe(1);
  });

  it('spares a copy that is needed again', async () => {
    rig = await Rig.start(workers, good);
    const handle = await rig.retirement(await inputOf());

    await handle.signal('spared', { anything: 1 });
    await handle.result();

    expect(await rig.heard<RetirementEnded>()).toMatchObject([{ outcome: 'spared' }]);
    expect(world.running.size).toBe(1);
    expect(world.calls).toEqual([]);
  });

  it('spares it also while the router refuses the stop', async () => {
    rig = await Rig.start(workers, {
      ...good,
      stopInstance: async () => world.called('stop', instance, { outcome: 'refused', why: 'named' }),
    });
    const handle = await rig.retirement(await inputOf({ notBefore: 0 }));
    const deadline = Date.now() + 20_000;
    while (world.calls.filter((call) => call.startsWith('stop')).length === 0) {
      if (Date.now() > deadline) throw new Error('no stop was asked for');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }

    await handle.signal('spared');
    await handle.result();

    expect((await rig.heard<RetirementEnded>()).at(-1)).toMatchObject({ outcome: 'spared' });
  });
});
