import { serviceBundle, quietRuntime, ServiceRig, ServiceWorkers } from '../support/service-rig';
import { ServiceWorld } from '../support/service-world';
import { startDevServer, type TestDevServer } from '../support/temporal-servers';
import { temporalDecisions } from '../../workers/decisions';

jest.setTimeout(60_000);

describe('a service that is detached', () => {
  let server: TestDevServer;
  let workers: ServiceWorkers;
  let rig: ServiceRig | undefined;

  beforeAll(async () => {
    quietRuntime();
    [server] = await Promise.all([startDevServer(), serviceBundle()]);
    workers = await ServiceWorkers.start(server.env);
  }, 120_000);
  afterAll(async () => {
    await workers.stop();
    await server.stop();
  });
  afterEach(async () => {
    // Replays what it made.
    await rig?.stop();
    rig = undefined;
  });

  it('ends by its own decision; the last record is in force before a copy is stopped, and who serves is let go of', async () => {
    rig = await ServiceRig.start(workers, new ServiceWorld('mail-detached'));
    await rig.until('it has started', ({ declared }) => declared !== null);
    const { declared, standby } = await rig.ready();
    const { world } = rig;
    const live = declared?.backends[declared.primary]?.[0]?.instance ?? '';
    world.running.add(live);
    const from = world.calls.length;
    const decisions = temporalDecisions(server.env.client, null);
    expect(await decisions.status(world.service)).toMatchObject({ service: world.service });
    expect(await rig.act('detach')).toMatchObject({ decision: 'accepted' });
    await rig.seen('the last entry', () => world.ledger.at(-1)?.facts['stage'] === 'ended');
    expect((await rig.handle.describe()).status.name).toBe('COMPLETED');
    // Temporal would let it answer with the last that it knew, as if it still decided.
    await expect(decisions.status(world.service)).rejects.toThrow(`the workflow of ${world.service} has ended`);
    expect(world.router.record).toMatchObject({ primary: declared?.primary, pins: [] });
    expect(world.router.record?.fallback).toBeUndefined();
    const calls = world.calls.slice(from);
    const at = (name: string, what: string): number =>
      calls.findIndex((call) => call.startsWith(`${name} `) && call.includes(what));
    expect(at('apply', declared?.primary ?? '')).toBeGreaterThanOrEqual(0);
    expect(at('stop', standby?.backend.instance ?? '')).toBeGreaterThan(at('apply', declared?.primary ?? ''));
    expect(at('release', live)).toBeGreaterThanOrEqual(0);
    expect(world.ledger.slice(-2).map(({ kind }) => kind)).toEqual(['detached', 'detached']);
  });

  it('waits for a ledger that does not answer, and decides nothing meanwhile', async () => {
    rig = await ServiceRig.start(workers, new ServiceWorld('mail-waits'));
    await rig.until('it has started', ({ declared }) => declared !== null);
    await rig.ready();
    const { world } = rig;
    let down = true;
    const { recordDecisions } = world.fakes();
    rig.use({
      recordDecisions: async (entries) => {
        if (down) throw new Error('the ledger is down');
        return await recordDecisions(entries);
      },
    });
    expect(await rig.act('detach')).toMatchObject({ decision: 'accepted' });
    expect(await rig.act('pause', { forMs: 60_000 })).toMatchObject({
      decision: 'refused',
      why: 'the service is detached from lastgood; lastgood attach begins anew',
    });
    expect((await rig.handle.describe()).status.name).toBe('RUNNING');
    const epoch = world.router.record?.epoch ?? 0;
    down = false;
    await rig.seen('the last entry', () => world.ledger.at(-1)?.facts['stage'] === 'ended');
    expect(world.router.record?.epoch).toBeGreaterThan(epoch);
  });

  it('is not kept by a sink or a store that is down: the detachment begins at once and takes over what is left to be said', async () => {
    let down = true;
    const world = new ServiceWorld('mail-quiet');
    const { sendAlert } = world.fakes();
    rig = await ServiceRig.start(workers, world, {
      fakes: {
        sendAlert: async (alert) => {
          if (down) throw new Error('no sink takes it');
          await sendAlert(alert);
        },
      },
    });
    await rig.until('it has started', ({ declared }) => declared !== null);
    await rig.ready();
    const { record } = world.router;
    if (record === null) throw new Error('nothing is in force');
    world.router.record = { ...record, epoch: record.epoch + 3 };
    const observed = world.observed();
    await rig.say('routeObserved', { observed, at: await rig.now() });
    await rig.until('a page waits', ({ pausedWhy }) => pausedWhy !== null);
    expect(await rig.act('detach')).toMatchObject({ decision: 'accepted' });
    await rig.seen('the last entry', () => world.ledger.at(-1)?.facts['stage'] === 'ended');
    expect((await rig.handle.describe()).status.name).toBe('COMPLETED');
    expect(world.alerts).toEqual([]);
    down = false;
    await rig.seen('the page', () => world.alerts.some(({ severity }) => severity === 'page'));
  });
});
