import { startDevServer, type TestDevServer } from '../support/temporal-servers';
import { brief, inputOf, operationBundle, quietRuntime, Rig, warm, cold, World } from '../support/operation-rig';

jest.setTimeout(60_000);

describe('a rollback', () => {
  let server: TestDevServer;
  let rig: Rig | undefined;

  beforeAll(async () => {
    quietRuntime();
    [server] = await Promise.all([startDevServer(), operationBundle()]);
  }, 120_000);
  afterAll(async () => {
    await server.stop();
  });
  afterEach(async () => {
    await rig?.stop();
    rig = undefined;
  });

  it('in an emergency moves the traffic to the standby first, then verifies and settles', async () => {
    const world = new World();
    rig = await Rig.start(server.env, world.fakes());
    const input = inputOf({ procedure: 'emergency', candidates: [warm('1.2'), cold('1.1')] });

    const reports = await rig.ended(await rig.rollback(input));

    expect(reports.map(brief)).toEqual([
      'began shift 1.2',
      'shifted 1.2 8',
      'succeeded shift 1.2',
      'began verify 1.2',
      'succeeded verify 1.2',
      'began settle 1.2',
      'succeeded settle 1.2',
      'ended settled',
    ]);
    expect(reports.map(({ no }) => no)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(world.calls).toEqual(['shift 1.2', 'verify 1.2']);
    expect(world.kinds()).toEqual(['traffic-shifted', 'step-succeeded', 'step-succeeded', 'step-succeeded']);
  });

  it('takes every step in order where there is no proof', async () => {
    const world = new World();
    rig = await Rig.start(server.env, world.fakes());

    const reports = await rig.ended(await rig.rollback(inputOf({ samples: true })));

    expect(world.calls).toEqual(['validate 1.2', 'load 1.2', 'probe 1.2', 'shadow 1.2', 'shift 1.2', 'verify 1.2']);
    const last = reports.at(-1)?.what;
    expect(last).toMatchObject({
      type: 'ended',
      outcome: 'settled',
      idle: [],
      verified: { goodAnswers: 20, byProbesOnly: false },
      record: { epoch: 8, primary: '1.2' },
    });
  });

  it('drops a candidate that cannot be probed and goes on with the next one', async () => {
    const world = new World();
    const good = world.fakes();
    rig = await Rig.start(server.env, {
      ...good,
      probeInstance: async (input) =>
        input.version === '1.2'
          ? world.called('probe', '1.2', { ok: false, why: 'golden probe 3 answers ham' })
          : await good.probeInstance(input),
    });

    const reports = await rig.ended(await rig.rollback(inputOf()));

    expect(reports.map(brief)).toContain('dropped 1.2 at probe, next 1.1');
    expect(reports.map(brief)).toContain('shifted 1.1 8');
    expect(world.kinds()).toContain('candidate-dropped');
    expect(world.calls.filter((call) => call.startsWith('stop'))).toHaveLength(1);
    expect(reports.at(-1)?.what).toMatchObject({ outcome: 'settled', idle: [] });
  });
});
