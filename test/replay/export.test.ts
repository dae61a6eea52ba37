import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporal } from '@temporalio/proto';
import {
  detectionBundle,
  DetectionRig,
  policy,
  routeOf,
  verdictOf,
  Watched,
  watchResult,
} from '../support/detection-rig';
import { until } from '../support/poll';
import {
  quietRuntime,
  serviceBundle,
  ServiceRig,
  ServiceWorkers,
  type RanHistory,
  type ServiceOptions,
} from '../support/service-rig';
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
  'waiting-for-human': {
    tell: async (rig) => {
      let damaged = true;
      rig.use({ validateArtifact: async () => (damaged ? { ok: false, why: 'a file has changed' } : { ok: true }) });
      await rig.say('degradationBegan', rig.world.degraded('d-1', { tier: 'short-window' }));
      const { incident } = await rig.until('it waits', ({ operation }) => (operation?.waiting ?? null) !== null);
      damaged = false;
      const fields = { incident: incident?.id, action: 'choose', target: '1.0' };
      expect(await rig.act('intervene', fields)).toMatchObject({ decision: 'accepted' });
      await rig.until('1.0 serves', ({ operation, declared }) => operation === null && declared?.primary === '1.0');
    },
  },
  gradual: {
    options: { policy: policyOf({ gradual: { stages: [0.05, 0.5], stageMs: 200 } }), samples: true },
    tell: async (rig) => {
      await rig.say('degradationBegan', rig.world.degraded('d-1', { tier: 'trend' }));
      await rig.until('settled', ({ cooldownUntil, operation }) => cooldownUntil !== null && operation === null);
      expect(rig.world.applied.map(({ share }) => share?.weight)).toEqual(expect.arrayContaining([0.05, 0.5]));
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
    if (exporting) write(name, await rig.histories());
    await rig.stop();
  });
});

describe('the detection of a service', () => {
  let server: TestDevServer;
  beforeAll(async () => {
    [server] = await Promise.all([startDevServer(), detectionBundle()]);
  }, 120_000);
  afterAll(() => server.stop());

  it('detection finds a degradation and its end, looks at the trend, goes on in a next run, and replays', async () => {
    const watched = new Watched();
    const rig = await DetectionRig.start(server.env, watched.activities, { maxEventsBeforeContinue: 60 });
    await rig.until('detectionStarted', 1);
    const trend = { ...policy.detection.trend, everyMs: 500 };
    await rig.route(routeOf({ policy: { ...policy, detection: { ...policy.detection, trend } } }));
    const first = await watched.watch(1);
    const id = '1.3/error-rate/5';
    const cause = { attribution: 'model' as const, reasons: ['the standby answers'] };
    first.answer(watchResult(first.input, { began: [{ id, verdict: verdictOf() }], attributions: { [id]: cause } }));
    await rig.until('degradationBegan', 1);
    const second = await watched.watch(2);
    second.answer(watchResult(second.input, { ended: [{ id, at: 9, sentence: 'calm' }] }));
    await rig.until('degradationEnded', 1);
    await until('a next run', async () => (await rig.histories()).length > 1, 30_000);
    const histories = (await rig.histories()).slice(0, 2);
    if (exporting)
      write(
        'detection',
        histories.map((told) => ({ ...told, type: 'detectionWorkflow' })),
      );
    expect((await rig.stop()).length).toBeGreaterThan(1);
  });
});

function write(name: string, histories: readonly RanHistory[]): void {
  for (const [index, { id, type, history }] of histories.entries()) {
    forgetMachine(history);
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

/** A stored history names neither the machine nor the folders that it was made in. */
function forgetMachine(part: unknown): void {
  if (part === null || typeof part !== 'object' || ArrayBuffer.isView(part)) return;
  const fields = part as Record<string, unknown>;
  for (const [name, value] of Object.entries(fields)) {
    // Identities, and the names of sticky queues that are made of them: process id and host.
    if (typeof value === 'string' && /^\d+@/.test(value)) fields[name] = 'a worker';
    if (name === 'stackTrace') fields[name] = '';
  }
  for (const value of Object.values(fields)) forgetMachine(value);
}
