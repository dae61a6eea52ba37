import { Context } from '@temporalio/activity';
import { startDevServer, type TestDevServer } from '../support/temporal-servers';
import {
  backendOf,
  brief,
  cold,
  inputOf,
  operationBundle,
  quietRuntime,
  Rig,
  routeOf,
  Workers,
  World,
  type Fakes,
} from '../support/operation-rig';

jest.setTimeout(60_000);

const live = backendOf('1.3').instance;
const stopFirst = { expectedMs: 2_000, maxMs: 60_000 };
const deploy = { kind: 'deploy', incident: null, candidates: [cold('1.4')], operation: 'deploy-1', stopFirst } as const;

/** A world whose memory holds one copy: a second one that is loaded is a failed test. */
class SmallWorld extends World {
  most = 0;

  constructor() {
    super(routeOf('1.3', 7));
    this.running.add(live);
  }

  override fakes(): ReturnType<World['fakes']> {
    const good = super.fakes();
    return {
      ...good,
      loadTarget: async (input) => {
        const loaded = await good.loadTarget(input);
        this.most = Math.max(this.most, this.running.size);
        return loaded;
      },
      stopInstance: async (input) => {
        if (this.router.record.backends[this.router.record.primary]?.some((one) => one.instance === input.instance))
          return { outcome: 'refused', why: 'the route names it' };
        return await good.stopInstance(input);
      },
    };
  }
}

describe('a change where memory holds one copy', () => {
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

  const begin = async (fakes: Fakes): Promise<Rig> => (rig = await Rig.start(workers, fakes));

  it('I5: announces the gap, drains and stops the old copy, and only then loads the new one', async () => {
    const world = new SmallWorld();
    const story = await begin(world.fakes());
    const reports = await story.ended(await story.rollback(inputOf(deploy)));

    expect(world.calls.filter((call) => call !== 'observe')).toEqual([
      'validate 1.4',
      'shift nobody, 1.3 goes',
      'drain 1.3',
      `stop ${live}`,
      'load 1.4',
      'probe 1.4',
      'shift 1.4',
      'verify 1.4',
    ]);
    expect(world.most).toBe(1);
    const [gap, target] = world.applied;
    expect(gap).toMatchObject({ epoch: 8, primary: '1.3', backends: {}, pins: [] });
    expect((gap?.gap?.expectedAt ?? 0) - (gap?.gap?.since ?? 0)).toBe(2_000);
    expect((gap?.gap?.until ?? 0) - (gap?.gap?.since ?? 0)).toBe(60_000);
    expect(target).toMatchObject({ epoch: 9, primary: '1.4' });
    expect(target?.gap).toBeUndefined();
    const announced = world.ledger.findIndex(({ summary }) => summary.startsWith('stops 1.3 before 1.4 is loaded'));
    const began = world.ledger.findIndex(({ summary }) => summary.startsWith('nobody serves'));
    expect(announced).toBeGreaterThanOrEqual(0);
    expect(announced).toBeLessThan(began);
    expect(reports.at(-1)?.what).toMatchObject({ outcome: 'settled', idle: [] });
  });

  it('brings the old version back by a new copy when the target cannot be probed, and waits for a person', async () => {
    const world = new SmallWorld();
    const good = world.fakes();
    const story = await begin({
      ...good,
      probeInstance: async (input) =>
        input.version === '1.4' ? { ok: false, why: 'golden probe 3 answers ham' } : await good.probeInstance(input),
    });
    const handle = await story.rollback(inputOf(deploy));
    const reports = await story.until('waiting');

    expect(world.calls.slice(-4)).toEqual(['stop mail-triage@1.4#deploy-1', 'load 1.3', 'probe 1.3', 'shift 1.3']);
    expect(world.most).toBe(1);
    expect([...world.running]).toEqual(['mail-triage@1.3#deploy-1-back-1']);
    expect(world.router.record).toMatchObject({ epoch: 9, primary: '1.3' });
    expect(world.router.record.gap).toBeUndefined();
    expect(reports.at(-1)?.what).toMatchObject({ type: 'waiting', step: 'probe', primary: '1.3' });
    expect(JSON.stringify(reports.at(-1)?.what)).toContain('1.3 serves again by a new copy');

    await story.order(handle, { type: 'abort' });
    const ended = (await story.ended(handle)).at(-1)?.what;
    expect(ended).toMatchObject({ type: 'ended', outcome: 'failed', idle: [], record: { primary: '1.3' } });
  });

  it('goes through a second gap to the old version when the new one cannot be verified', async () => {
    const world = new SmallWorld();
    const story = await begin({ ...world.fakes(), verifyShift: async () => ({ ok: false, why: '9 of 20 failed' }) });
    const handle = await story.rollback(inputOf(deploy));
    const reports = await story.until('waiting');

    expect(reports.map(brief).filter((line) => line.startsWith('shifted'))).toEqual([
      'shifted 1.3 8',
      'shifted 1.4 9',
      'shifted 1.4 10',
      'shifted 1.3 11',
    ]);
    expect(world.applied.map(({ gap }) => gap !== undefined)).toEqual([true, false, true, false]);
    expect(world.most).toBe(1);
    expect([...world.running]).toEqual(['mail-triage@1.3#deploy-1-back-1']);
    await story.order(handle, { type: 'abort' });
    await story.ended(handle);
  });

  it('does not bring a second candidate into the gap while the old version is a refuge, and does where it is none', async () => {
    for (const [safest, serves] of [
      ['previous', '1.3'],
      ['target', '1.1'],
    ] as const) {
      const world = new SmallWorld();
      const good = world.fakes();
      const story = await begin({
        ...good,
        loadTarget: async (input) =>
          input.version === '1.2' ? { ok: false, why: 'out of memory' } : await good.loadTarget(input),
      });
      const handle = await story.rollback(inputOf({ stopFirst, safest, operation: `r-${safest}` }));
      if (safest === 'previous') {
        await story.until('waiting');
        await story.order(handle, { type: 'abort' });
      }
      await story.ended(handle);
      expect(world.router.record.primary).toBe(serves);
      expect(world.most).toBe(1);
      await story.stop();
      rig = undefined;
    }
  });

  it('leaves the old copy to its users when it cannot be stopped', async () => {
    const world = new SmallWorld();
    const story = await begin({
      ...world.fakes(),
      stopInstance: async () => ({ outcome: 'refused', why: 'the process does not end' }),
    });
    const handle = await story.rollback(inputOf(deploy));
    const reports = await story.until('waiting');
    expect(world.router.record).toMatchObject({ epoch: 9, primary: '1.3', backends: { '1.3': [{ instance: live }] } });
    expect(JSON.stringify(reports.at(-1)?.what)).toContain('its old copy serves again');
    expect(world.calls).not.toContain('load 1.4');
    await story.order(handle, { type: 'abort' });
    await story.ended(handle);
  });

  it('ends at once when it is stopped in the gap, and says that nobody serves', async () => {
    const world = new SmallWorld();
    const good = world.fakes();
    let loading: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => (loading = resolve));
    const story = await begin({
      ...good,
      loadTarget: async () => {
        loading();
        return await Context.current().cancelled;
      },
    });
    const handle = await story.rollback(inputOf(deploy));
    await begun;
    world.router.floor = 40;
    await story.order(handle, { type: 'stop', why: 'cancelled by ann' });
    const ended = (await story.ended(handle)).at(-1)?.what;
    expect(ended).toMatchObject({ type: 'ended', outcome: 'cancelled', record: { primary: '1.3', backends: {} } });
    expect(ended).toHaveProperty('record.gap');
    expect(world.applied).toHaveLength(1);
  });
});
