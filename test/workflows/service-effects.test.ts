import { ApplicationFailure } from '@temporalio/common';
import { rollbackWorkflowId, drillWorkflowId } from '../../workflows/contract/ids';
import { NEWEST_RULES } from '../../workflows/contract/inputs';
import { quietRuntime, serviceBundle, ServiceRig, ServiceWorkers, failedTasks } from '../support/service-rig';
import { hour, minute, policyOf, ServiceWorld, type Fakes } from '../support/service-world';
import { startDevServer, type TestDevServer } from '../support/temporal-servers';

jest.setTimeout(60_000);

describe('what the service workflow does to the world', () => {
  let server: TestDevServer;
  let workers: ServiceWorkers;
  let rig: ServiceRig | undefined;
  let world: ServiceWorld;
  let count = 0;

  beforeAll(async () => {
    quietRuntime();
    [server] = await Promise.all([startDevServer(), serviceBundle()]);
    workers = await ServiceWorkers.start(server.env);
  }, 120_000);
  afterAll(async () => {
    await workers.stop();
    await server.stop();
  });
  beforeEach(() => {
    world = new ServiceWorld(`mail-${(count += 1)}`);
  });
  afterEach(async () => {
    await rig?.stop();
    rig = undefined;
  });

  async function start(options: Parameters<typeof ServiceRig.start>[2] = {}): Promise<ServiceRig> {
    rig = await ServiceRig.start(workers, world, options);
    await rig.until('it has started', ({ declared }) => declared !== null);
    return rig;
  }

  /** A ledger that can be down. */
  function outage(): { down: boolean; readonly fakes: Fakes } {
    const { recordDecisions } = world.fakes();
    const ledger = {
      down: false,
      fakes: {
        recordDecisions: async (entries: Parameters<typeof recordDecisions>[0]) => {
          if (ledger.down) throw new Error('the disk is full');
          return await recordDecisions(entries);
        },
      },
    };
    return ledger;
  }

  const inOrder = (): void => {
    const counters = world.ledger
      .filter(({ key }) => key.startsWith('service/'))
      .map(({ key }) => Number(key.slice(key.lastIndexOf('/') + 1)));
    expect(counters).toEqual(counters.map((_, index) => index + 1));
  };

  it('rolls back at once in an emergency, and retires, confirms and writes everything in order', async () => {
    const service = await start({ policy: policyOf({ verify: { ...policyOf().verify, confirmMs: 500 } }) });
    await service.ready();
    await service.say('degradationBegan', world.degraded('d-1'));
    await service.until('settled', ({ incident }) => incident?.phase === 'confirming');
    expect(world.router.record?.primary).toBe('1.1');
    const at = (await service.now()) + 1_000;
    await service.say('degradationEnded', { id: 'd-1', epoch: 1, at, sentence: 'it is good again' });
    await service.say('tiersReported', world.tiers(at));
    const state = await service.until('confirmed', ({ incident }) => incident === null);
    expect(state.consecutive).toBe(1);
    expect(state.versions.find(({ version }) => version === '1.2')?.standing).toBe('quarantined');
    await service.seen('the bad copy is stopped', () => !world.running.has(world.backend('1.2').instance));
    inOrder();
  });

  it('asks for a picture of an incident when it is decided on and when it has settled, and goes on where none can be kept', async () => {
    const { drawIncident } = world.fakes();
    const failing: Fakes = {
      drawIncident: async (input) => {
        await drawIncident(input);
        throw ApplicationFailure.create({ type: 'EvidenceRefused', nonRetryable: true });
      },
    };
    const service = await start({ fakes: failing });
    await service.ready();
    await service.say('degradationBegan', world.degraded('d-1'));
    await service.until('settled', ({ incident }) => incident?.phase === 'confirming');
    await service.seen('both pictures were asked for', () => world.pictures.length >= 2);
    const id = world.ledger.find(({ kind }) => kind === 'rollback-decided')?.incident;
    expect(world.pictures).toEqual([`${id} rollback-decided`, `${id} settled`]);
  });

  it('goes ahead in an emergency when the ledger does not answer within its wait, and writes the entries in order later', async () => {
    const ledger = outage();
    const service = await start({ fakes: ledger.fakes });
    await service.ready();
    const before = world.ledger.length;
    ledger.down = true;
    const began = Date.now();
    await service.say('degradationBegan', world.degraded('d-1'));
    await service.seen('the traffic moved', () => world.router.record?.primary === '1.1');
    expect(Date.now() - began).toBeGreaterThan(450);
    expect(world.ledger).toHaveLength(before);
    expect((await service.status()).ledgerLag.entries).toBeGreaterThan(0);

    ledger.down = false;
    await service.until('settled', ({ incident }) => incident?.phase === 'confirming');
    await service.seen('everything is written', () => world.kinds().includes('cooldown-started'));
    inOrder();
  });

  it('holds a rollback of the short window until its decision is in the ledger, then goes on', async () => {
    const ledger = outage();
    const service = await start({ fakes: ledger.fakes });
    await service.ready();
    ledger.down = true;
    await service.say('degradationBegan', world.degraded('d-1', { tier: 'short-window' }));
    await service.until('decided', ({ operation }) => operation?.kind === 'rollback');
    // The wait of an emergency has passed three times over.
    await new Promise((resolve) => setTimeout(resolve, 1_600));
    expect(world.router.record?.primary).toBe('1.2');
    expect(world.calls.filter((call) => call.startsWith('shift'))).toEqual([]);

    ledger.down = false;
    await service.seen('the traffic moved', () => world.router.record?.primary === '1.1');
    inOrder();
  });

  it('lets a fence pass a start that waits for the ledger: the bad version is left although the deploy is held', async () => {
    const ledger = outage();
    const service = await start({ fakes: ledger.fakes });
    await service.ready();
    ledger.down = true;
    const { reference } = await service.act('deploy', { version: '1.3' });
    await service.say('degradationBegan', world.degraded('d-1'));
    await service.seen('the router has a floor', () => world.fences.length === 1);
    await service.seen('the traffic moved to the standby', () => world.router.record?.primary === '1.1');

    ledger.down = false;
    await service.until('settled', ({ incident }) => incident?.phase === 'confirming');
    await service.seen('the end of the deploy is in the ledger', () => world.kinds().includes('deploy-refused'));
    // Its decision is in the ledger now, and nothing of it may begin any more.
    const child = service.client.getHandle(rollbackWorkflowId(world.service, reference ?? ''));
    await expect(child.describe()).rejects.toThrow(/not found/);
    expect(world.calls).not.toContain('load 1.3');
    inOrder();
  });

  it('never starts a drill that ended while its start waited for the ledger', async () => {
    const ledger = outage();
    const service = await start({ fakes: ledger.fakes });
    await service.ready();
    ledger.down = true;
    const drill = { way: 'mirror', version: '1.3', share: 0.5, forMs: 300_000 };
    const { why } = await service.act('drill', drill);
    const id = /drill (\S+) begins/.exec(why)?.[1] ?? '?';
    await service.act('cancel', {});
    await service.until('it is over', (state) => state.drill === null);

    ledger.down = false;
    await service.seen('its end is in the ledger', () => world.kinds().includes('drill-ended'));
    await service.act('setMode', { mode: 'observe' });
    await service.seen('what came behind it is done', () => /observe/.test(world.summaries()));
    await expect(service.client.getHandle(drillWorkflowId(world.service, id)).describe()).rejects.toThrow(/not found/);
    expect(world.calls).not.toContain('load 1.3');
    inOrder();
  });

  it('carries a start that waits for the ledger, and alerts that were not delivered, into the next run', async () => {
    const ledger = outage();
    let deaf = true;
    const service = await start({
      maxEventsBeforeContinue: 60,
      fakes: {
        ...ledger.fakes,
        sendAlert: async (alert) => {
          if (deaf) throw new Error('the webhook does not answer');
          world.alerts.push(alert);
        },
      },
    });
    await service.ready();
    ledger.down = true;
    await service.say('rollback', 'nonsense');
    const { runId } = await service.handle.describe();
    await service.act('deploy', { version: '1.3' });
    await service.busy(90);
    await service.continued(runId);
    expect(world.router.record?.primary).toBe('1.2');
    expect((await service.state()).operation?.kind).toBe('deploy');

    ledger.down = false;
    deaf = false;
    await service.seen('the deploy went on', () => world.router.record?.primary === '1.3');
    await service.seen('the alert came', () => world.alerted().includes('a message rollback could not be read'));
    inOrder();
  });

  it('goes on deciding while no alert can be delivered', async () => {
    const service = await start({
      fakes: {
        sendAlert: async () => {
          throw new Error('the webhook does not answer');
        },
      },
    });
    await service.ready();
    for (let index = 0; index < 15; index++) await service.say('rollback', `nonsense ${index}`);
    await service.say('degradationBegan', world.degraded('d-1'));
    await service.until('settled', ({ incident }) => incident?.phase === 'confirming');
    expect((await service.act('vouch', { version: '1.0' })).decision).toBe('accepted');
  });

  it('leaves out the one entry that the ledger refuses for good, pages, and writes those beside it', async () => {
    const { recordDecisions } = world.fakes();
    const ledger = outage();
    const service = await start({
      fakes: {
        recordDecisions: async (entries) => {
          if (ledger.down) throw new Error('the disk is full');
          if (entries.some(({ summary }) => summary.startsWith('vouches for 1.1')))
            throw ApplicationFailure.create({ type: 'LedgerConflict', message: 'another content', nonRetryable: true });
          return await recordDecisions(entries);
        },
      },
    });
    await service.ready();
    ledger.down = true;
    for (const version of ['1.0', '1.1', '1.2']) await service.act('vouch', { version });
    ledger.down = false;
    await service.seen('the others are written', () => world.summaries().includes('vouches for 1.2'));
    expect(world.summaries()).toContain('vouches for 1.0');
    expect(world.summaries()).not.toContain('vouches for 1.1');
    await service.seen('it pages', () =>
      world.alerted().includes('page: ' + `${world.service}: the ledger refuses a decision`),
    );
    await service.until('nothing waits', () => true);
    expect((await service.status()).ledgerLag.entries).toBe(0);
  });

  it('continues as new in mid-operation, and its children report to the next run', async () => {
    let release: () => void = () => undefined;
    const loaded = new Promise<void>((resolve) => (release = resolve));
    const { loadTarget } = world.fakes();
    const service = await start({
      maxEventsBeforeContinue: 50,
      fakes: {
        loadTarget: async (input) => {
          if (input.version === '1.3') await loaded;
          return await loadTarget(input);
        },
      },
    });
    await service.ready();
    await service.act('deploy', { version: '1.3' });
    await service.until('it loads', ({ operation }) => operation?.step === 'load');
    const { runId } = await service.handle.describe();
    await service.busy(12);
    await service.continued(runId);
    expect((await service.state()).operation?.step).toBe('load');

    release();
    const state = await service.until('1.3 is live', ({ operation, bake }) => operation === null && bake !== null);
    expect(state.declared?.primary).toBe('1.3');
    await service.seen('it is in the ledger', () => world.kinds().includes('deploy-settled'));
    await service.seen('the former standby is retired', () => world.kinds().includes('instance-retired'));
    inOrder();
    const histories = await service.histories();
    expect(histories.map(({ type }) => type)).toEqual(
      expect.arrayContaining(['serviceWorkflow', 'rollbackWorkflow', 'retirementWorkflow']),
    );
    expect(histories.map(({ history }) => failedTasks(history))).toEqual(histories.map(() => []));
  });

  it('lives through many runs on bounded histories, and loses nothing between them', async () => {
    const maxEventsBeforeContinue = 150;
    const service = await start({ maxEventsBeforeContinue, policy: policyOf({ bakeMs: 50 }) });
    await service.ready();
    for (const version of ['1.3', '1.2', '1.3', '1.2']) {
      await service.act('deploy', { version });
      await service.until('it is live', ({ operation, declared }) => !operation && declared?.primary === version);
      await service.busy(3);
      await service.until('its bake period is over', ({ bake }) => bake === null);
    }
    const state = await service.state();
    await service.seen('the ledger has every decision', () => {
      const own = world.ledger.filter(({ key }) => key.startsWith('service/'));
      return own.length >= state.counters.ledger;
    });
    inOrder();
    expect(JSON.stringify(state).length).toBeLessThan(128 * 1024);
    const runs = (await service.histories()).filter(({ type }) => type === 'serviceWorkflow');
    expect(runs.length).toBeGreaterThanOrEqual(3);
    for (const { history } of runs) expect(history.events?.length).toBeLessThan(maxEventsBeforeContinue + 150);
  });

  it('takes a new policy over at the next quiet moment, not in mid-operation', async () => {
    let release: () => void = () => undefined;
    const loaded = new Promise<void>((resolve) => (release = resolve));
    const { loadTarget } = world.fakes();
    const service = await start({
      fakes: {
        loadTarget: async (input) => {
          if (input.version === '1.3') await loaded;
          return await loadTarget(input);
        },
      },
    });
    await service.ready();
    await service.act('deploy', { version: '1.3' });
    const { runId } = await service.handle.describe();
    await service.act('configure', { policy: policyOf({ cooldownMs: 2 * hour }), rules: NEWEST_RULES });
    await service.until('it loads', ({ operation }) => operation?.step === 'load');
    expect((await service.state()).policy.cooldownMs).toBe(30 * minute);
    release();
    await service.until('taken over', ({ policy }) => policy.cooldownMs === 2 * hour);
    expect((await service.handle.describe()).runId).not.toBe(runId);
    expect(world.kinds()).toContain('configured');
  });

  it('asks the artifact store again when it did not answer at the start', async () => {
    let asked = 0;
    const service = await start({
      fakes: {
        listVersions: async () => {
          if ((asked += 1) === 1) throw ApplicationFailure.create({ message: 'away', nonRetryable: true });
          return world.versions;
        },
      },
    });
    await service.until('the versions are known', ({ versions }) => versions.length === 4);
  });

  it('never starts an operation a second time when its history is reset to before the start', async () => {
    const service = await start();
    await service.ready();
    await service.act('deploy', { version: '1.3' });
    await service.until('1.3 is live', ({ operation, declared }) => operation === null && declared?.primary === '1.3');
    const shifts = world.calls.filter((call) => call === 'shift 1.3').length;
    const [first] = await service.histories();
    const accepted = first?.history.events?.find((event) => event.workflowExecutionUpdateAcceptedEventAttributes);
    const before = first?.history.events?.findLast(
      (event) => event.workflowTaskCompletedEventAttributes && Number(event.eventId) < Number(accepted?.eventId ?? 0),
    );
    const { runId } = await service.handle.describe();
    await service.client.workflowService.resetWorkflowExecution({
      namespace: server.namespace,
      workflowExecution: { workflowId: service.handle.workflowId, runId },
      reason: 'the test says so',
      requestId: 'reset-1',
      workflowTaskFinishEventId: before?.eventId ?? null,
    });
    await service.until('it has caught up', ({ operation, declared }) => operation === null && declared !== null);
    expect((await service.act('vouch', { version: '1.0' })).decision).toBe('accepted');
    expect(world.calls.filter((call) => call === 'shift 1.3')).toHaveLength(shifts);
    // Counted again from where the history was cut, and none of the new decisions is lost for it.
    await service.seen('the act is in the ledger', () => world.summaries().includes('vouches for 1.0'));
    expect(world.alerted()).not.toContain('the ledger refuses a decision');
  });
});
