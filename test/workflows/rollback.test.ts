import type { RouteRecord } from '../../domain/route';
import { startDevServer, type TestDevServer } from '../support/temporal-servers';
import {
  backendOf,
  brief,
  inputOf,
  operationBundle,
  quietRuntime,
  Rig,
  warm,
  cold,
  Workers,
  World,
} from '../support/operation-rig';

jest.setTimeout(60_000);

describe('a rollback', () => {
  let server: TestDevServer;
  let workers: Workers;
  let rig: Rig | undefined;

  beforeAll(async () => {
    quietRuntime();
    [server] = await Promise.all([startDevServer(), operationBundle()]);
    workers = await Workers.start(server.env);
  }, 120_000);
  afterAll(async () => {
    await workers.stop();
    await server.stop();
  });
  afterEach(async () => {
    await rig?.stop();
    rig = undefined;
  });

  it('in an emergency moves the traffic to the standby first, then verifies and settles', async () => {
    const world = new World();
    rig = await Rig.start(workers, world.fakes());
    const selector = { by: 'model', public: 'mail', name: 'mail@1.2+abc' } as const;
    const shared = { ...warm('1.2'), warm: { ...backendOf('1.2'), selector, proofAt: 1_000 } };
    const input = inputOf({ procedure: 'emergency', candidates: [shared, cold('1.1')] });

    const handle = await rig.rollback(input);
    const reports = await rig.ended(handle);

    const { events } = await handle.fetchHistory();
    const scheduled = (events ?? []).flatMap(
      ({ activityTaskScheduledEventAttributes: activity }) => activity?.activityType?.name ?? [],
    );
    // One round trip between the authorisation and the shift; the ledger is written beside what follows.
    expect(scheduled[0]).toBe('shiftTraffic');
    expect(scheduled.filter((name) => name !== 'recordDecisions')).toEqual(['shiftTraffic', 'verifyShift']);
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
    // A standby that shares its address is reached by its name there, or it would be another version that is reached.
    const { record } = reports.at(-1)?.what as { record: RouteRecord };
    expect(record.backends['1.2']).toEqual([{ ...backendOf('1.2'), selector }]);
    expect(world.calls).toEqual(['shift 1.2', 'verify 1.2']);
    expect(world.kinds()).toEqual(['traffic-shifted', 'step-succeeded', 'step-succeeded', 'step-succeeded']);
  });

  it('takes every step in order where there is no proof', async () => {
    const world = new World();
    rig = await Rig.start(workers, world.fakes());

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
    rig = await Rig.start(workers, {
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

  it('falls back to every step for the next candidates when the standby fails its last look', async () => {
    const world = new World();
    const good = world.fakes();
    rig = await Rig.start(workers, {
      ...good,
      shiftTraffic: async (input) =>
        input.record.primary === '1.2'
          ? world.called('shift', '1.2', { outcome: 'unready', why: 'not ready: 503' })
          : await good.shiftTraffic(input),
    });
    const input = inputOf({ procedure: 'emergency', candidates: [warm('1.2'), cold('1.1')] });

    const reports = await rig.ended(await rig.rollback(input));

    expect(world.calls).toEqual(['shift 1.2', 'validate 1.1', 'load 1.1', 'probe 1.1', 'shift 1.1', 'verify 1.1']);
    expect(reports.map(brief)).toContain('dropped 1.2 at shift, next 1.1');
    expect(world.router.record).toMatchObject({ primary: '1.1', epoch: 9 });
  });

  it('goes through the stages of a gradual rollback with a check after each', async () => {
    const world = new World();
    rig = await Rig.start(workers, world.fakes());

    const reports = await rig.ended(await rig.rollback(inputOf({ procedure: 'gradual', keepPinsMs: 60_000 })));

    expect(reports.map(brief).filter((line) => line.startsWith('shifted'))).toEqual([
      'shifted 0.1 to 1.2 8',
      'shifted 0.5 to 1.2 9',
      'shifted 1.2 10',
    ]);
    expect(world.calls.slice(3)).toEqual([
      'shift 1.2',
      'verify 1.2',
      'shift 1.2',
      'verify 1.2',
      'shift 1.2',
      'verify 1.2',
    ]);
    const [first, , last] = world.applied;
    expect(first?.primary).toBe('1.3');
    expect(first?.share?.until).toBeGreaterThan(Date.now() - 30_000);
    expect(last?.share).toBeUndefined();
    expect(last?.pins).toEqual([{ version: '1.3', until: expect.any(Number) as number }]);
    expect(Object.keys(last?.backends ?? {})).toEqual(['1.2', '1.3']);
  });

  it('withdraws the share and tries the next candidate when a stage is bad', async () => {
    const world = new World();
    const good = world.fakes();
    rig = await Rig.start(workers, {
      ...good,
      verifyShift: async (input) =>
        input.version === '1.2'
          ? world.called('verify', '1.2', { ok: false, why: 'users get 3 good and 9 failed answers' })
          : await good.verifyShift(input),
    });

    const reports = await rig.ended(await rig.rollback(inputOf({ procedure: 'gradual' })));

    expect(reports.map(brief)).toContain('dropped 1.2 at stages, next 1.1');
    expect(world.applied.map(({ share, primary }) => share?.version ?? primary)).toEqual([
      '1.2',
      '1.3',
      '1.1',
      '1.1',
      '1.1',
    ]);
    expect(world.router.record).toMatchObject({ primary: '1.1' });
  });

  it.each([
    ['validate', 'validateArtifact'],
    ['load', 'loadTarget'],
    ['probe', 'probeInstance'],
    ['shadow', 'shadowReplay'],
    ['shift', 'shiftTraffic'],
  ] as const)('goes on with the next candidate when %s fails', async (step, activity) => {
    const world = new World();
    const good = world.fakes();
    const original = good[activity] as (input: never) => Promise<unknown>;
    const failing = async (input: { version?: string; record?: { primary: string } }): Promise<unknown> => {
      const version = input.version ?? input.record?.primary;
      if (version !== '1.2') return await original(input as never);
      return activity === 'shiftTraffic' ? { outcome: 'refused', why: 'no-backend' } : { ok: false, why: 'planted' };
    };
    rig = await Rig.start(workers, { ...good, [activity]: failing });

    const reports = await rig.ended(await rig.rollback(inputOf({ samples: true })));

    expect(reports.map(brief)).toContain(`dropped 1.2 at ${step}, next 1.1`);
    expect(reports.at(-1)?.what).toMatchObject({ outcome: 'settled', record: { primary: '1.1' }, idle: [] });
    expect(world.kinds().filter((kind) => kind === 'candidate-dropped')).toHaveLength(1);
    // I7: the copy of the dropped candidate is stopped before the next one is loaded.
    const stopped = world.calls.findIndex((call) => call.startsWith('stop'));
    const started = ['validate', 'load'].includes(step) ? -1 : stopped;
    expect(world.calls.indexOf('load 1.1')).toBeGreaterThan(started);
    expect(reports.map(({ no }) => no)).toEqual(reports.map((_, index) => index + 1));
  });

  it.each([
    ['validate', 'validateArtifact'],
    ['load', 'loadTarget'],
    ['probe', 'probeInstance'],
    ['shadow', 'shadowReplay'],
    ['shift', 'shiftTraffic'],
    ['verify', 'verifyShift'],
    ['ledger', 'recordDecisions'],
  ] as const)('leaves the same world when %s happened and its answer was lost', async (_, activity) => {
    const world = new World();
    const good = world.fakes();
    const original = good[activity] as (input: never) => Promise<unknown>;
    let lost = 0;
    const losing = async (input: never): Promise<unknown> => {
      const result = await original(input);
      if (lost++ === 0) throw new Error('the answer was lost');
      return result;
    };
    rig = await Rig.start(workers, { ...good, [activity]: losing });

    const reports = await rig.ended(await rig.rollback(inputOf({ samples: true })));

    expect(lost).toBeGreaterThan(1);
    expect(reports.at(-1)?.what).toMatchObject({ outcome: 'settled', idle: [], record: { primary: '1.2', epoch: 8 } });
    expect(world.applied).toHaveLength(1);
    expect(world.running.size).toBe(1);
    expect(new Set(world.ledger.map(({ key }) => key)).size).toBe(world.ledger.length);
  });

  it('asks the router when the answer of a shift is lost for good, and finds it in force', async () => {
    const world = new World();
    const good = world.fakes();
    rig = await Rig.start(workers, {
      ...good,
      shiftTraffic: async (input) => {
        await good.shiftTraffic(input);
        throw new Error('the answer was lost');
      },
    });

    const reports = await rig.ended(await rig.rollback(inputOf()));

    expect(world.calls).toContain('observe');
    expect(reports.at(-1)?.what).toMatchObject({ outcome: 'settled', record: { primary: '1.2', epoch: 8 } });
    expect(world.applied).toHaveLength(1);
  });
});
