import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporal } from '@temporalio/proto';
import { quietRuntime, serviceBundle, ServiceRig, ServiceWorkers, type ServiceOptions } from '../support/service-rig';
import { policyOf, ServiceWorld } from '../support/service-world';
import { startDevServer, type TestDevServer } from '../support/temporal-servers';

const { EventType } = temporal.api.enums.v1;

jest.setTimeout(120_000);

/**
 * The main stories of a service, each with real histories of every workflow in it. `npm test` only runs them;
 * `node scripts/export-histories.mjs` also writes what they made to test/replay/histories, where the gate replays it.
 */
const exporting = process.env['LASTGOOD_EXPORT_HISTORIES'] === '1';
const stories: Readonly<Record<string, { options?: ServiceOptions; tell: (rig: ServiceRig) => Promise<void> }>> = {
  deploy: {
    tell: async (rig) => {
      await rig.act('deploy', { version: '1.3' });
      await rig.until('1.3 bakes', ({ bake, operation }) => bake !== null && operation === null);
    },
  },
  'rollback-emergency': { tell: (rig) => rolledBack(rig, 'd-1') },
  'rollback-standard': {
    tell: async (rig) => {
      const { probeInstance } = rig.world.fakes();
      rig.use({
        probeInstance: async (input) =>
          input.version === '1.1' ? { ok: false, why: 'three of eight probes are wrong' } : await probeInstance(input),
      });
      await rig.say('degradationBegan', rig.world.degraded('d-1', { tier: 'short-window' }));
      await rig.until(
        '1.0 serves',
        ({ cooldownUntil, declared }) => cooldownUntil !== null && declared?.primary === '1.0',
      );
    },
  },
  breaker: {
    options: { policy: policyOf({ cooldownMs: 200 }) },
    tell: async (rig) => {
      await rig.act('vouch', { version: '0.9' });
      await rolledBack(rig, 'd-1');
      await rig.until('the cooldown is over', ({ cooldownUntil }) => cooldownUntil === null);
      await rig.say('degradationBegan', rig.world.degraded('d-2'));
      await rig.until(
        'held',
        ({ breaker, operation, declared }) => breaker.open && !operation && declared?.primary === '0.9',
      );
      await rig.act('clearBreaker', { breakerEpoch: 1 });
    },
  },
  'rollback-manual': {
    tell: async (rig) => {
      await rig.act('rollback', { to: '1.0' });
      await rig.until('1.0 serves', ({ operation, declared }) => operation === null && declared?.primary === '1.0');
    },
  },
  recovery: {
    tell: async (rig) => {
      const { versions, breaker } = await rig.state();
      await rig.handle.terminate('lost');
      const route = rig.world.route('1.2', 57);
      rig.world.router.record = route;
      const open = { ...breaker, open: true, epoch: 3, openedAt: 1, incident: '20261101-1' };
      rig.use({
        recoverState: async () => ({
          seq: rig.world.ledger.length,
          at: 1,
          route,
          highestEpoch: 57,
          versions,
          cooldownUntil: null,
          breaker: open,
          consecutive: 2,
          openIncident: null,
          incidentCounter: 1,
          mode: 'act',
        }),
      });
      await rig.begin();
      const state = await rig.until('it is back', ({ declared }) => declared !== null);
      expect(state.breaker).toMatchObject({ open: true, epoch: 3 });
      expect(state.nextEpoch).toBeGreaterThan(57);
      expect(state.pausedWhy).toBeNull();
      await rig.say('degradationBegan', rig.world.degraded('d-1', { epoch: state.declared?.epoch ?? 0 }));
      await rig.until('held', ({ degradations }) => degradations[0]?.decided === 'held');
      expect(rig.world.router.record.primary).toBe('1.2');
      expect((await rig.act('clearBreaker', { breakerEpoch: 2 })).decision).toBe('refused');
      expect((await rig.act('clearBreaker', { breakerEpoch: 3 })).decision).toBe('accepted');
    },
  },
};

async function rolledBack(rig: ServiceRig, id: string): Promise<void> {
  await rig.say('degradationBegan', rig.world.degraded(id));
  await rig.until('settled', ({ cooldownUntil, operation }) => cooldownUntil !== null && operation === null);
}

describe('the main stories of a service', () => {
  let server: TestDevServer;
  let workers: ServiceWorkers;

  beforeAll(async () => {
    quietRuntime();
    [server] = await Promise.all([startDevServer(), serviceBundle()]);
    workers = await ServiceWorkers.start(server.env);
  }, 120_000);
  afterAll(async () => {
    await workers.stop();
    await server.stop();
  });

  it.each(Object.entries(stories))('%s runs to its end and replays', async (name, { options, tell }) => {
    const rig = await ServiceRig.start(
      workers,
      new ServiceWorld(`mail-${name}`, '1.2', ['0.9', '1.0', '1.1', '1.2', '1.3']),
      options,
    );
    await rig.ready();
    await tell(rig);
    if (exporting) await write(name, rig);
    await rig.stop();
  });
});

async function write(name: string, rig: ServiceRig): Promise<void> {
  for (const [index, { id, type, history }] of (await rig.histories()).entries()) {
    const path = join(__dirname, 'histories', `${name}-${index + 1}-${type.replace('Workflow', '')}.json`);
    const { events = [] } = history;
    const bytes = temporal.api.history.v1.History.encode(history).finish();
    // The events by name are for the reader of a diff; the bytes are what is replayed.
    const told = {
      id,
      events: events?.map(({ eventType }) => EventType[eventType ?? 0]),
      history: Buffer.from(bytes).toString('base64'),
    };
    writeFileSync(path, `${JSON.stringify(told, null, 1)}\n`);
  }
}
