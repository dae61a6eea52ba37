import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { ApplicationFailure } from '@temporalio/activity';
import { makePlan } from '../../domain/rollback/plan';
import type { ItemsStatus } from '../../workflows/contract/items';
import { itemsWorkflowId } from '../../workflows/contract/ids';
import {
  brief,
  cold,
  inputOf,
  limits,
  operationBundle,
  quietRuntime,
  Rig,
  service,
  warm,
  Workers,
  World,
  type Fakes,
} from '../support/operation-rig';
import { startTimeSkipping } from '../support/temporal-servers';

jest.setTimeout(60_000);

describe('a rollback of a service with pipelines', () => {
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

  it('settles while a pipeline is down, and hands over which version served, since when, and what is to be done', async () => {
    const world = new World();
    const listed: unknown[] = [];
    let down = true;
    const fakes: Fakes = {
      ...world.fakes(),
      sendAlert: () => Promise.resolve(),
      listPartlyHandled: async (input) => {
        listed.push(input);
        if (down) throw ApplicationFailure.create({ type: 'PipelineRefused', message: 'away', nonRetryable: true });
        return Promise.resolve({ partly: 0, next: null, head: null });
      },
      listItems: async () =>
        Promise.resolve({
          ...{ found: 0, digest: null, next: null, total: 0, knowsBatches: false },
          guarantee: { kind: 'exactly-once' as const, why: 'it is a test' },
        }),
    };
    rig = await Rig.start(workers, fakes);
    const incident = `i-${Date.now()}`;
    const onsetAt = (await env.currentTimeMs()) - 3_600_000;
    const pipelines = [{ name: 'triage', action: 'reprocess' }] as const;
    const input = inputOf({
      candidates: [cold('1.2')],
      plan: makePlan({ procedure: 'standard', samples: false, policy: limits, items: true }),
      items: { incident, onsetAt, pipelines, unverified: 'refuse' },
    });

    const reports = await rig.ended(await rig.rollback(input));

    expect(reports.map(brief).slice(-6)).toEqual([
      'succeeded verify 1.2',
      'began items 1.2',
      'succeeded items 1.2',
      'began settle 1.2',
      'succeeded settle 1.2',
      'ended settled',
    ]);
    const items = env.client.workflow.getHandle(itemsWorkflowId(service, incident));
    expect((await items.describe()).status.name).toBe('RUNNING');
    down = false;
    await items.result();
    expect(listed[0]).toMatchObject({
      service,
      incident,
      pipeline: 'triage',
      version: '1.3',
      fromMs: onsetAt - 300_000,
    });
  });

  it('hands over until when sessions stay on the version that was left', async () => {
    const world = new World();
    rig = await Rig.start(workers, { ...world.fakes(), sendAlert: () => Promise.resolve() });
    const incident = `pinned-${Date.now()}`;
    const input = inputOf({
      candidates: [cold('1.2')],
      plan: makePlan({ procedure: 'standard', samples: false, policy: limits, items: true }),
      keepPinsMs: 3_600_000,
      items: {
        incident,
        onsetAt: (await env.currentTimeMs()) - 60_000,
        pipelines: [{ name: 'triage', action: 'flag' }],
        unverified: 'refuse',
      },
    });

    await rig.ended(await rig.rollback(input));

    const items = env.client.workflow.getHandle(itemsWorkflowId(service, incident));
    const pin = world.applied.at(-1)?.pins.find(({ version }) => version === '1.3');
    expect(pin).toBeDefined();
    expect(await items.query<ItemsStatus>('items')).toMatchObject({ pinnedUntil: pin?.until });
    await items.terminate('the test is over');
  });

  it('hands over too when a person accepts what serves, because the items of before are what they were', async () => {
    const world = new World();
    rig = await Rig.start(workers, {
      ...world.fakes(),
      sendAlert: () => Promise.resolve(),
      verifyShift: async ({ version }) => world.called('verify', version, { ok: false, why: '9 failed answers' }),
    });
    const incident = `accepted-${Date.now()}`;
    const input = inputOf({
      candidates: [warm('1.2')],
      procedure: 'emergency',
      plan: makePlan({ procedure: 'emergency', samples: false, policy: limits, items: true }),
      safest: 'target',
      keepPinsMs: 60_000,
      items: {
        incident,
        onsetAt: (await env.currentTimeMs()) - 60_000,
        pipelines: [{ name: 'triage', action: 'flag' }],
        unverified: 'refuse',
      },
    });
    const handle = await rig.rollback(input);
    await rig.until('waiting');

    await rig.order(handle, { type: 'accept' });

    await rig.ended(handle);
    const items = env.client.workflow.getHandle(itemsWorkflowId(service, incident));
    expect((await items.describe()).type).toBe('itemsWorkflow');
    await items.terminate('the test is over');
  });
});
