import type { TestWorkflowEnvironment } from '@temporalio/testing';
import {
  brief,
  cold,
  inputOf,
  operationBundle,
  quietRuntime,
  Rig,
  warm,
  Workers,
  World,
} from '../support/operation-rig';
import { startTimeSkipping } from '../support/temporal-servers';

jest.setTimeout(60_000);

/** What lasts most of a minute, with the time skipped. */
describe('a rollback that nobody answers', () => {
  let env: TestWorkflowEnvironment;
  let workers: Workers;
  let rig: Rig | undefined;

  beforeAll(async () => {
    quietRuntime();
    [env] = await Promise.all([startTimeSkipping(), operationBundle()]);
    workers = await Workers.start(env);
  }, 120_000);
  afterAll(async () => {
    await workers.stop();
    await env.teardown();
  });
  afterEach(async () => {
    await rig?.stop();
    rig = undefined;
  });

  it('ends although no service workflow is there to hear it', async () => {
    const world = new World();
    rig = await Rig.start(workers, world.fakes(), { recorder: false });
    const began = await env.currentTimeMs();
    const handle = await rig.rollback(inputOf({ procedure: 'emergency', candidates: [warm('1.2')] }));

    // The first report is offered again for 42.5 s, the others once each.
    await handle.result();

    expect((await env.currentTimeMs()) - began).toBeGreaterThan(40_000);
    expect(world.router.record.primary).toBe('1.2');
    expect(world.kinds()).toHaveLength(4);
  });

  it('waits for a person when the router can neither shift nor be asked', async () => {
    const world = new World();
    const good = world.fakes();
    const down = async (): Promise<never> => {
      throw new Error('no connection');
    };
    rig = await Rig.start(workers, { ...good, shiftTraffic: down, observeRoute: down });
    const { limits } = inputOf();
    const handle = await rig.rollback(
      inputOf({
        procedure: 'emergency',
        candidates: [warm('1.2'), cold('1.1')],
        limits: { ...limits, steps: { ...limits.steps, shiftMs: 600 } },
      }),
    );

    // The router is asked for 15 s.
    await env.sleep(30_000);
    const reports = await rig.until('waiting');

    expect(reports.map(brief)).toContain('waiting shift on 1.3');
    expect(world.calls).not.toContain('validate 1.1');
    await rig.order(handle, { type: 'abort' });
    expect((await rig.ended(handle)).at(-1)?.what).toMatchObject({ outcome: 'failed', record: null });
  });
});
