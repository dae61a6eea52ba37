import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { quietRuntime, serviceBundle, ServiceRig, ServiceWorkers } from '../support/service-rig';
import { day, hour, minute, policyOf, ServiceWorld } from '../support/service-world';
import { startTimeSkipping } from '../support/temporal-servers';

jest.setTimeout(120_000);

/** What time alone decides; the clock of the server is skipped ahead. */
describe('the service workflow and its time', () => {
  let env: TestWorkflowEnvironment;
  let workers: ServiceWorkers;
  let rig: ServiceRig;
  let world: ServiceWorld;

  beforeAll(async () => {
    quietRuntime();
    await serviceBundle();
  }, 60_000);
  // A server for each test: when a workflow ends in mid-activity, the clock of its server stands still for ever.
  beforeEach(async () => {
    env = await startTimeSkipping();
    workers = await ServiceWorkers.start(env);
    world = new ServiceWorld('mail-triage');
  }, 60_000);
  afterEach(async () => {
    await rig.stop();
    await workers.stop();
    await env.teardown();
  });

  async function start(options: Parameters<typeof ServiceRig.start>[2] = {}, ready = true): Promise<void> {
    rig = await ServiceRig.start(workers, world, options);
    await rig.until('it has started', ({ declared }) => declared !== null);
    if (ready) await rig.ready();
  }

  /** One automatic rollback of what serves, settled and confirmed. */
  async function rolledBack(id: string): Promise<void> {
    await rig.say('degradationBegan', world.degraded(id));
    await rig.until('settled', ({ operation, cooldownUntil }) => operation === null && cooldownUntil !== null);
    await rig.say('degradationEnded', { id, epoch: 0, at: await rig.now(), sentence: 'over' });
  }

  it('decides a verdict that stands through the cooldown at its end, and not before', async () => {
    await start();
    await rolledBack('d-1');
    const { cooldownUntil } = await rig.state();
    await rig.say('degradationBegan', { ...world.degraded('d-2'), suppressed: true });
    const held = await rig.until('held', ({ degradations }) => degradations[0]?.decided === 'held');
    expect(held.degradations[0]?.heldBy).toContain('cooldown');
    await rig.seen('it says so', () => world.alerted().includes('nothing was moved'));
    await env.sleep(29 * minute);
    expect((await rig.state()).operation).toBeNull();

    await env.sleep(2 * minute);
    await rig.until('decided', ({ consecutive }) => consecutive === 2);
    expect(world.ledger.find(({ kind }) => kind === 'cooldown-ended')?.at).toBeGreaterThanOrEqual(cooldownUntil ?? 0);
  });

  it('opens the breaker at the second consecutive rollback and makes the hold move of the same incident', async () => {
    world = new ServiceWorld(world.service, '1.2', ['0.9', '1.0', '1.1', '1.2']);
    await start();
    await rig.act('vouch', { version: '0.9' });
    await rolledBack('d-1');
    await env.sleep(31 * minute);
    await rig.until('the cooldown is over', ({ cooldownUntil }) => cooldownUntil === null);
    expect(world.router.record?.primary).toBe('1.1');

    await rig.say('degradationBegan', world.degraded('d-2'));
    const state = await rig.until(
      'held',
      ({ breaker, operation, declared }) => breaker.open && operation === null && declared?.primary === '0.9',
    );
    expect(state.declared?.primary).toBe('0.9');
    expect(state.breaker.epoch).toBe(1);
    await rig.seen('it is in the ledger', () => world.summaries().includes('hold move to 0.9: the breaker is open'));
    const opened = world.ledger.find(({ kind }) => kind === 'breaker-opened');
    expect(opened?.incident).not.toBeNull();

    // Nothing more moves by itself, and only the epoch that a person saw clears it.
    await rig.say('degradationBegan', world.degraded('d-3'));
    await rig.until('held', ({ degradations }) =>
      degradations.some(({ id, decided }) => id === 'd-3' && decided === 'held'),
    );
    expect((await rig.act('clearBreaker', { breakerEpoch: 7 })).decision).toBe('refused');
    expect((await rig.act('clearBreaker', { breakerEpoch: 1 })).decision).toBe('accepted');
    expect((await rig.state()).breaker.open).toBe(false);
    expect(world.router.record?.primary).toBe('0.9');
  });

  it('ends a pause by itself and decides what stood in it', async () => {
    await start();
    await rig.act('pause', { forMs: 10 * minute });
    await rig.say('degradationBegan', world.degraded('d-1'));
    await rig.until('held', ({ degradations }) => degradations[0]?.decided === 'held');
    expect(world.router.record?.primary).toBe('1.2');
    await env.sleep(11 * minute);
    await rig.until('decided', ({ incident }) => incident?.phase === 'confirming');
    expect(world.router.record?.primary).toBe('1.1');
  });

  it.each(['hold', 'proceed'] as const)(
    'does what the policy says when nobody approves in time: %s',
    async (onTimeout) => {
      await start({ policy: policyOf({ approval: { tiers: ['immediate'], timeoutMs: 30 * minute, onTimeout } }) });
      await rig.say('degradationBegan', world.degraded('d-1'));
      await rig.until('asked', ({ incident }) => incident?.phase === 'awaiting-approval');
      await env.sleep(29 * minute);
      expect(world.router.record?.primary).toBe('1.2');
      await env.sleep(2 * minute);
      if (onTimeout === 'proceed') await rig.until('moved', ({ incident }) => incident?.phase === 'confirming');
      else await rig.until('given up', ({ incident }) => incident === null);
      expect(world.router.record?.primary).toBe(onTimeout === 'proceed' ? '1.1' : '1.2');
    },
  );

  it('ends the bake period of a version that served well, which is last known good from then on', async () => {
    await start();
    await rig.act('deploy', { version: '1.3' });
    const { bake } = await rig.until('it bakes', (state) => state.bake !== null && state.operation === null);
    await rig.say('tiersReported', world.tiers(await rig.now()));
    await env.sleep(day + minute);
    const state = await rig.until('it is over', (now) => now.bake === null);
    const facts = state.versions.find(({ version }) => version === '1.3');
    expect(facts?.lastGoodAt).toBeGreaterThanOrEqual(bake?.until ?? Infinity);
    expect(world.kinds()).toContain('bake-ended');
  });

  it('asks after an operation that is silent, and ends it as abandoned when its workflow is gone', async () => {
    // It waits for a person: the clock of this server stands still for ever when a workflow ends in mid-activity.
    await start({ fakes: { validateArtifact: async () => ({ ok: false, why: 'a file has changed' }) } }, false);
    const { reference } = await rig.act('deploy', { version: '1.3' });
    await rig.until('it waits', ({ operation }) => operation !== null && operation.waiting !== null);
    await rig.client.getHandle(`rollback/${world.service}/${reference ?? ''}`).terminate('the test ends it');
    await env.sleep(2 * hour);
    await rig.until('abandoned', ({ operation }) => operation === null);
    await rig.seen('it says so', () => world.summaries().includes('was abandoned: its workflow is gone'));
    await rig.seen('it pages', () => world.alerted().includes('is gone'));
    expect(world.router.record?.primary).toBe('1.2');
  });
});
