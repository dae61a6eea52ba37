import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { ApplicationFailure } from '@temporalio/common';
import { plainRecord } from '../../domain/service/detach';
import { detachmentWorkflowId, CONTROL_QUEUE } from '../../workflows/contract/ids';
import type { DetachmentInput } from '../../workflows/contract/detachment';
import { quietRuntime, serviceBundle, ServiceWorkers } from '../support/service-rig';
import { ServiceWorld, type Fakes } from '../support/service-world';
import { startTimeSkipping } from '../support/temporal-servers';

jest.setTimeout(60_000);

describe('a detachment', () => {
  let env: TestWorkflowEnvironment;
  let workers: ServiceWorkers;
  let count = 0;

  beforeAll(async () => {
    quietRuntime();
    [env] = await Promise.all([startTimeSkipping(), serviceBundle()]);
    workers = await ServiceWorkers.start(env, ['here', 'there']);
  }, 120_000);
  afterAll(async () => {
    await workers.stop();
    await env.teardown();
  });

  const worldOf = (): ServiceWorld => new ServiceWorld(`mail-${++count}`);

  async function ended(world: ServiceWorld, change: Partial<DetachmentInput> = {}, fakes: Fakes = {}) {
    const { service } = world;
    workers.use(service, { ...world.fakes(), ...fakes });
    const input: DetachmentInput = {
      ...{ service, host: 'here', hosts: ['here'], epoch: 20, basis: 7, reason: 'moved', graceMs: 0, loadMs: 1_000 },
      route: plainRecord(world.route('1.2', 7), '1.2', 20, 0),
      actor: { name: 'ada', proof: 'token', from: 'cli' },
      ...change,
    };
    const workflowId = detachmentWorkflowId(service, input.epoch);
    await env.client.workflow.execute('detachmentWorkflow', { workflowId, taskQueue: CONTROL_QUEUE, args: [input] });
    const [last] = world.ledger.slice(-1);
    return { key: last?.key, summary: last?.summary ?? '', facts: last?.facts ?? {} };
  }

  it('declares the fallback that the router went to after the decision: a higher epoch would bring the dead primary back', async () => {
    const world = worldOf();
    const backends = { '1.2': [world.backend('1.2')], '1.1': [world.backend('1.1', 's1')] };
    world.router.record = { ...world.route('1.2', 7), fallback: '1.1', backends };
    world.router.fallback = { version: '1.1', since: 1, epoch: 7, reason: 'no copy answers' };
    world.running.add(world.backend('1.1', 's1').instance);
    const { facts } = await ended(world);
    expect(world.router.record).toMatchObject({ epoch: 20, primary: '1.1', pins: [] });
    expect(world.router.record?.fallback).toBeUndefined();
    expect(facts).toMatchObject({ primary: '1.1', epoch: 20 });
    expect(world.calls).toContain(`release ${world.backend('1.1', 's1').instance}`);
    expect(world.calls).toContain(`stop ${world.backend('1.2').instance}`);
  });

  it('declares a shift that was applied and not reported, and takes its own record for its own when an answer was lost', async () => {
    const world = worldOf();
    world.router.record = { ...world.route('1.1', 12), pins: [{ version: '1.1', until: 1 }] };
    let lost = 1;
    const { applyRoute } = world.fakes();
    const { facts } = await ended(
      world,
      {},
      {
        applyRoute: async (record) => {
          const result = await applyRoute(record);
          if (lost-- > 0) throw ApplicationFailure.nonRetryable('the answer was lost');
          return result;
        },
      },
    );
    expect(world.router.record).toMatchObject({ epoch: 20, primary: '1.1', pins: [] });
    expect(facts).toMatchObject({ primary: '1.1' });
    expect(world.applied).toHaveLength(1);
  });

  it('asks again: a host that is taken by a load for minutes, and a stop that failed beside others', async () => {
    const world = worldOf();
    const [live, first, second] = [world.backend('1.2'), world.backend('1.1', 's1'), world.backend('1.0', 's2')];
    for (const { instance } of [first, second]) world.running.add(instance);
    const { inspectInstances, stopInstance } = world.fakes();
    let [away, failing] = [3, 1];
    const { facts } = await ended(
      world,
      {},
      {
        inspectInstances: async (service) => {
          if (away-- > 0) throw ApplicationFailure.nonRetryable('nobody took it');
          return await inspectInstances(service);
        },
        stopInstance: async (input) => {
          if (input.instance === first.instance && failing-- > 0) throw ApplicationFailure.nonRetryable('it hangs');
          return await stopInstance(input);
        },
      },
    );
    const outcomes = new Map(
      (facts['copies'] as { instance: string; outcome: string }[]).map((one) => [one.instance, one.outcome]),
    );
    expect(Object.fromEntries(outcomes)).toEqual({
      [live.instance]: 'released',
      [first.instance]: 'stopped',
      [second.instance]: 'stopped',
    });
    expect([...world.running]).toEqual([live.instance]);
  });

  it('says of a host that never answers that its copies are not known, and what became of the others', async () => {
    const world = worldOf();
    const { inspectInstances } = world.fakes();
    let asked = 0;
    const { facts, summary } = await ended(
      world,
      { hosts: ['there', 'here'] },
      {
        inspectInstances: async (service) => {
          // The host that is asked first is the one that is gone; the other one answers at once.
          if (asked++ % 2 === 0 || asked > 2) throw ApplicationFailure.nonRetryable('nobody took it');
          return await inspectInstances(service);
        },
      },
    );
    expect(facts['copies']).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ instance: expect.stringMatching(/^host /), outcome: 'left' }),
        expect.objectContaining({ instance: world.backend('1.2').instance, outcome: 'released' }),
      ]),
    );
    expect(summary).toContain('its copies are not known');
    expect(asked).toBeGreaterThan(10);
  });

  it('has its name by the decision, also where nobody served; alerts that were left to it are sent', async () => {
    const world = worldOf();
    const alert = {
      ...{ key: 'k', service: world.service, incident: null, severity: 'ticket' as const, at: 1, title: 't' },
      ...{ wrong: 'w', did: 'd', users: 'u', must: 'm', command: 'c', link: null },
    };
    const { key } = await ended(world, { route: null, epoch: 31, unsent: [alert] });
    expect(key).toBe(`detachment/${world.service}/31/1`);
    expect(world.alerts).toEqual([alert]);
  });
});
