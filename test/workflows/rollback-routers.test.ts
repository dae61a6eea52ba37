import { startDevServer, type TestDevServer } from '../support/temporal-servers';
import { brief, inputOf, operationBundle, quietRuntime, Rig, warm, Workers, World } from '../support/operation-rig';

jest.setTimeout(90_000);

/** A service with several routers: the activities say which of them took a record. */
describe('a rollback through several routers', () => {
  let server: TestDevServer;
  let workers: Workers;
  let rig: Rig | undefined;
  let world: World;
  let good: ReturnType<World['fakes']>;

  beforeAll(async () => {
    quietRuntime();
    [server] = await Promise.all([startDevServer(), operationBundle()]);
    workers = await Workers.start(server.env);
  }, 120_000);
  afterAll(async () => {
    await workers.stop();
    await server.stop();
  });
  beforeEach(() => {
    world = new World();
    good = world.fakes();
  });
  afterEach(async () => {
    await rig?.stop();
    rig = undefined;
  });
  const emergency = () => inputOf({ procedure: 'emergency', candidates: [warm('1.2'), warm('1.1')] });
  const why = 'partial: epoch 8 with 1.2 is in force, but router b has not taken it';

  it('I2: moved in part it tells which record is in force, tries no other candidate, and waits; told to retry it moves all by a higher epoch', async () => {
    let frozen = true;
    rig = await Rig.start(workers, {
      ...good,
      shiftTraffic: async (input) => {
        const outcome = await good.shiftTraffic(input);
        return frozen && outcome.outcome === 'shifted' ? { outcome: 'partial', at: outcome.at, why } : outcome;
      },
    });
    const handle = await rig.rollback(emergency());
    const waiting = await rig.until('waiting');
    expect(waiting.map(brief)).toEqual(['began shift 1.2', 'shifted 1.2 8', 'waiting shift on 1.2']);
    expect(waiting.at(-1)?.what).toMatchObject({ why });

    frozen = false;
    await rig.order(handle, { type: 'retry' });

    const reports = await rig.ended(handle);
    expect(reports.at(-1)?.what).toMatchObject({ outcome: 'settled', record: { primary: '1.2', epoch: 9 } });
    expect(world.calls.filter((call) => call.endsWith('1.1'))).toEqual([]);
  });

  it('a shift whose answer was lost, found in force on one of two routers only, is partial and never settled', async () => {
    rig = await Rig.start(workers, {
      ...good,
      shiftTraffic: async (input) => {
        const outcome = await good.shiftTraffic(input);
        // Longer than the step has.
        await new Promise((resolve) => setTimeout(resolve, 3_000));
        return outcome;
      },
      observeRoute: async (name) => ({
        ...(await good.observeRoute(name)),
        differing: [{ router: 'b', reached: false, epoch: null, why: 'no whole answer within 500 ms' }],
      }),
    });
    const handle = await rig.rollback(emergency());
    const waiting = await rig.until('waiting');
    expect(waiting.at(-1)?.what).toMatchObject({ why: expect.stringContaining('router b has not taken it') });

    await rig.order(handle, { type: 'accept' });
    expect((await rig.ended(handle)).at(-1)?.what).toMatchObject({ outcome: 'settled', record: { epoch: 8 } });
  });

  it('a share that only one router took is withdrawn where it is in force', async () => {
    rig = await Rig.start(workers, {
      ...good,
      shiftTraffic: async (input) => {
        const outcome = await good.shiftTraffic(input);
        return input.record.share && outcome.outcome === 'shifted'
          ? { outcome: 'partial', at: outcome.at, why }
          : outcome;
      },
    });
    const handle = await rig.rollback(inputOf({ procedure: 'gradual' }));
    const reports = await rig.until('waiting');
    expect(reports.map(brief).filter((each) => each.startsWith('shifted'))).toEqual([
      'shifted 0.1 to 1.2 8',
      'shifted 1.3 9',
    ]);
    expect(world.router.record.share).toBeUndefined();
    await rig.order(handle, { type: 'abort' });
    await handle.result();
  });

  it('the way back after a failed verify that only one router took tells which record is in force, and waits', async () => {
    rig = await Rig.start(workers, {
      ...good,
      verifyShift: async ({ version }) => world.called('verify', version, { ok: false, why: '9 failed answers' }),
      shiftTraffic: async (input) => {
        const outcome = await good.shiftTraffic(input);
        return input.record.primary === '1.3' && outcome.outcome === 'shifted'
          ? { outcome: 'partial', at: outcome.at, why }
          : outcome;
      },
    });
    const handle = await rig.rollback(inputOf({ safest: 'previous' }));
    const waiting = await rig.until('waiting');
    expect(waiting.map(brief).slice(-2)).toEqual(['shifted 1.3 9', 'waiting verify on 1.3']);
    // Users of the router that took it are on 1.3: nothing else may be told of where they are.
    expect(world.router.record).toMatchObject({ primary: '1.3', epoch: 9 });
    const moved = world.ledger.filter(({ kind }) => kind === 'traffic-shifted');
    expect(moved.at(-1)?.summary).toBe(`the traffic moved in part (epoch 9): ${why}`);

    await rig.order(handle, { type: 'abort' });

    expect((await rig.ended(handle)).at(-1)?.what).toMatchObject({
      outcome: 'failed',
      record: { primary: '1.3', epoch: 9 },
    });
  });
});
