import { Context } from '@temporalio/activity';
import { CONTROL_QUEUE, retirementWorkflowId } from '../../workflows/contract/ids';
import { until } from '../support/poll';
import { quietRuntime, serviceBundle, ServiceRig, ServiceWorkers } from '../support/service-rig';
import { hour, policyOf, ServiceWorld } from '../support/service-world';
import { startDevServer, type TestDevServer } from '../support/temporal-servers';

jest.setTimeout(60_000);

describe('the copies that the service workflow starts and ends', () => {
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
    world = new ServiceWorld(`copies-${(count += 1)}`);
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

  it('an operation ends the load of a standby, which has the only slot of the host, and its copy is stopped', async () => {
    const { loadTarget } = world.fakes();
    let given = false;
    const steps = { ...policyOf().steps, loadMs: 120_000 };
    const service = await start({
      policy: policyOf({ steps }),
      fakes: {
        loadTarget: async (input) => {
          if (input.version !== '1.1') return await loadTarget(input);
          world.running.add(input.instance);
          const context = Context.current();
          const beats = setInterval(() => context.heartbeat(), 100);
          return await context.cancelled.finally(() => {
            clearInterval(beats);
            given = true;
          });
        },
      },
    });
    const { preparing } = await service.until('a standby is made ready', (state) => state.preparing !== null);
    const instance = preparing?.instance ?? '';
    await service.seen('its load has the host', () => world.running.has(instance));

    await service.act('deploy', { version: '1.3' });

    await service.seen('the load is given up', () => given);
    await service.until('1.3 is live', ({ operation, declared }) => !operation && declared?.primary === '1.3');
    await service.seen('the copy is stopped', () => !world.running.has(instance));
  });

  it('a share that is in force when a person stops its operation is withdrawn, and its copy is stopped', async () => {
    const { verifyShift } = world.fakes();
    const service = await start({
      policy: policyOf({
        gradual: { stages: [0.5], stageMs: 30_000 },
        standby: { ...policyOf().standby, keepWarm: false },
      }),
      fakes: {
        verifyShift: async (input) => {
          if (input.goodAnswers < 1_000) return await verifyShift(input);
          const context = Context.current();
          const beats = setInterval(() => context.heartbeat(), 100);
          return await context.cancelled.finally(() => clearInterval(beats));
        },
      },
    });
    await service.say('degradationBegan', world.degraded('d-1', { tier: 'trend' }));
    const shared = await service.until('a share is in force', ({ declared }) => declared?.share !== undefined);
    const [copy] = shared.declared?.backends['1.1'] ?? [];

    await service.act('cancel', {});

    const state = await service.until('it is over', ({ operation }) => operation === null);
    expect(state.declared).toMatchObject({ primary: '1.2' });
    expect(state.declared?.share).toBeUndefined();
    await service.seen('the router has no share', () => world.router.record?.share === undefined);
    await service.seen('the copy is stopped', () => !world.running.has(copy?.instance ?? ''));
  });

  it('a retirement begins although the one before it has not closed yet', async () => {
    const service = await start({ policy: policyOf({ sessions: { maxLifetimeMs: 0, keepPinsOn: [] } }) });
    await service.ready();
    const { instance } = world.backend('1.2');
    const workflowId = retirementWorkflowId(world.service, instance);
    const notBefore = (await service.now()) + hour;
    const times = { notBefore, drainMaxMs: 1_000, graceMs: 1_000 };
    const input = { service: world.service, version: '1.2', instance, host: 'here', why: 'before', ...times };
    const before = await service.client.start('retirementWorkflow', {
      workflowId,
      taskQueue: CONTROL_QUEUE,
      args: [input],
    });
    // 1.2 is the standby after this, and is given up for it when it is revoked.
    await service.act('deploy', { version: '1.3' });
    await service.until('1.2 is the standby', ({ operation, standby }) => !operation && standby?.version === '1.2');
    await service.act('revoke', { version: '1.2' });
    await until('the start was refused', async () => {
      const { events } = await service.handle.fetchHistory();
      return events?.some((event) => event.startChildWorkflowExecutionFailedEventAttributes) ?? null;
    });

    await before.terminate('as if it had closed a moment later');

    await service.seen('the copy is stopped', () => !world.running.has(instance));
  });
});
