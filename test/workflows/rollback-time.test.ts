import { setTimeout as pause } from 'node:timers/promises';
import { Worker } from '@temporalio/worker';
import { hostQueue } from '../../workflows/contract/ids';
import {
  brief,
  cold,
  inputOf,
  limits,
  operationBundle,
  quietRuntime,
  Rig,
  Workers,
  World,
} from '../support/operation-rig';
import { startDevServer, type TestDevServer } from '../support/temporal-servers';

jest.setTimeout(60_000);

describe('the time of a rollback', () => {
  let server: TestDevServer;
  let workers: Workers;
  let rig: Rig;
  let world: World;
  let good: ReturnType<World['fakes']>;
  const { steps } = limits;

  beforeAll(async () => {
    quietRuntime();
    [server] = await Promise.all([startDevServer(), operationBundle()]);
    workers = await Workers.start(server.env);
  }, 120_000);
  afterAll(async () => {
    await workers.stop();
    await server.stop();
  });
  beforeEach(async () => {
    world = new World();
    good = world.fakes();
  });
  afterEach(async () => {
    await rig.stop();
  });

  it('waits for a host whose one slot is taken by the load of something else, and keeps its candidate', async () => {
    rig = await Rig.start(workers, good);
    const handle = await rig.rollback(
      inputOf({ host: 'busy', limits: { ...limits, steps: { ...steps, loadMs: 8_000 } } }),
    );
    // Validate, load, and load once more: nobody took the first one within half of its time.
    await rig.until('began', 3);
    const { nativeConnection: connection, namespace = 'default' } = server.env;
    const taskQueue = hostQueue('busy');
    const late = await Worker.create({ connection, namespace, taskQueue, activities: { loadTarget: good.loadTarget } });

    const reports = await late.runUntil(async () => await rig.until('succeeded', 2));

    expect(reports.slice(0, 5).map(brief)).toEqual([
      'began validate 1.2',
      'succeeded validate 1.2',
      'began load 1.2',
      'began load 1.2',
      'succeeded load 1.2',
    ]);
    await rig.order(handle, { type: 'stop', why: 'seen enough' });
    await handle.result();
  });

  it('waits for a person when the host stays away, and blames no candidate for it', async () => {
    rig = await Rig.start(workers, good);
    const handle = await rig.rollback(
      inputOf({ host: 'away', limits: { ...limits, steps: { ...steps, loadMs: 2_000 } } }),
    );

    const reports = await rig.until('waiting');

    expect(reports.map(({ what }) => what.type)).not.toContain('dropped');
    expect(reports.at(-1)?.what).toMatchObject({ type: 'waiting', step: 'load' });
    await rig.order(handle, { type: 'abort' });
    await handle.result();
  });

  it('does not take the stages of a gradual rollback for attempts that last too long', async () => {
    const judged: number[] = [];
    rig = await Rig.start(workers, {
      ...good,
      verifyShift: async (input) => {
        judged.push(input.maxMs);
        if (input.goodAnswers > 1_000) await pause(input.maxMs);
        return await good.verifyShift(input);
      },
    });
    const handle = await rig.rollback(
      inputOf({
        procedure: 'gradual',
        candidates: [cold('1.2')],
        limits: {
          ...limits,
          attempts: { maxCandidates: 1, totalMs: 4_000 },
          gradual: { stages: [0.05, 0.25, 0.5], stageMs: 1_500 },
        },
      }),
    );

    const reports = await rig.ended(handle);

    expect(reports.at(-1)?.what).toMatchObject({ outcome: 'settled', record: { primary: '1.2' } });
    expect(judged.slice(0, 3)).toEqual([1_500, 1_500, 1_500]);
    expect(world.applied.map(({ share }) => share?.weight ?? 1)).toEqual([0.05, 0.25, 0.5, 1]);
  });
});
