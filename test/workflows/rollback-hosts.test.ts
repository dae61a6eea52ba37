import { Worker } from '@temporalio/worker';
import { hostOfInstance } from '../../domain/hosts';
import type { HostActivities } from '../../workflows/contract/activities';
import { hostQueue } from '../../workflows/contract/ids';
import type { OperationInput } from '../../workflows/contract/rollback';
import { startDevServer, type TestDevServer } from '../support/temporal-servers';
import {
  brief,
  digestOf,
  host,
  inputOf,
  limits,
  operationBundle,
  quietRuntime,
  Rig,
  warm,
  Workers,
  World,
} from '../support/operation-rig';

jest.setTimeout(90_000);

/** A service on two hosts, each with a queue and a worker of its own; a third one has no worker: it is gone. */
describe('a rollback of a service on several hosts', () => {
  let server: TestDevServer;
  let workers: Workers;
  let second: Worker;
  let ended: Promise<void>;
  let rig: Rig | undefined;
  let world: World;
  let good: ReturnType<World['fakes']>;
  /** What the worker of the second host was asked. */
  let there: string[];
  let loadThere: HostActivities['loadTarget'];

  beforeAll(async () => {
    quietRuntime();
    [server] = await Promise.all([startDevServer(), operationBundle()]);
    workers = await Workers.start(server.env);
    const { nativeConnection: connection, namespace = 'default' } = server.env;
    const activities = {
      loadTarget: async (input: Parameters<HostActivities['loadTarget']>[0]) => {
        there.push(`load ${input.instance}`);
        return await loadThere(input);
      },
      stopInstance: ({ instance }: { instance: string }) => {
        there.push(`stop ${instance}`);
        return Promise.resolve({ outcome: 'stopped', why: '' });
      },
    };
    second = await Worker.create({ connection, namespace, taskQueue: hostQueue('there'), activities });
    ended = second.run();
  }, 120_000);
  afterAll(async () => {
    second.shutdown();
    await Promise.all([ended, workers.stop()]);
    await server.stop();
  });
  beforeEach(() => {
    world = new World();
    good = world.fakes();
    there = [];
    loadThere = ({ version, instance }) =>
      Promise.resolve({
        ok: true,
        backend: { address: 'http://10.0.0.2:9', instance, digest: digestOf(version) },
        ms: 3,
        found: false,
      });
  });
  afterEach(async () => {
    await rig?.stop();
    rig = undefined;
  });

  const onHosts = (hosts: string[], minReplicas: number, change: Partial<OperationInput> = {}): OperationInput =>
    inputOf({ replicas: { hosts, minReplicas }, operation: 'i-1', ...change });
  const copiesOf = (version: string): string[] =>
    (world.router.record.backends[version] ?? []).map(({ instance }) => instance);

  it('I1, I5: loads and probes a copy on each host, and only then gives the traffic to all of them', async () => {
    rig = await Rig.start(workers, good);
    const reports = await rig.ended(await rig.rollback(onHosts([host, 'there'], 2)));
    expect(reports.at(-1)?.what).toMatchObject({ outcome: 'settled', idle: [] });
    expect(copiesOf('1.2')).toEqual(['mail-triage@1.2#i-1@here', 'mail-triage@1.2#i-1@there']);
    expect(world.calls.filter((call) => call === 'probe 1.2')).toHaveLength(2);
    expect(world.calls.indexOf('shift 1.2')).toBeGreaterThan(world.calls.lastIndexOf('probe 1.2'));
  });

  it('a host that is gone is left out by name, and enough others take the traffic', async () => {
    rig = await Rig.start(workers, good);
    const reports = await rig.ended(await rig.rollback(onHosts([host, 'there', 'gone'], 2)));
    expect(reports.at(-1)?.what).toMatchObject({ outcome: 'settled' });
    expect(copiesOf('1.2').map(hostOfInstance)).toEqual(['here', 'there']);
    const loaded = reports.find(({ what }) => what.type === 'succeeded' && what.step === 'load')?.what;
    expect(loaded).toMatchObject({ leftOut: ['gone'], note: expect.stringContaining('gone: HostUnreachable') });
  });

  it('with fewer copies than the policy wants nobody gets traffic and it waits, for that says nothing about the version', async () => {
    rig = await Rig.start(workers, good);
    const handle = await rig.rollback(onHosts([host, 'gone'], 2));
    const reports = await rig.until('waiting');
    expect(reports.at(-1)?.what).toMatchObject({
      step: 'load',
      why: expect.stringContaining('1 of at least 2 copies'),
    });
    expect(world.applied).toEqual([]);
    expect(reports.map(brief).filter((each) => each.startsWith('dropped'))).toEqual([]);
    await rig.order(handle, { type: 'abort' });
    expect((await rig.ended(handle)).at(-1)?.what).toMatchObject({
      idle: [{ version: '1.2', instance: 'mail-triage@1.2#i-1@here' }],
    });
  });

  it('I1, I7: one copy that fails its probe drops the candidate; each host ends its own copy before the next one loads', async () => {
    rig = await Rig.start(workers, {
      ...good,
      probeInstance: async (input) =>
        input.version === '1.2' && hostOfInstance(input.backend.instance) === 'there'
          ? { ok: false, why: 'probe 3 answers bulk, expected spam' }
          : await good.probeInstance(input),
    });
    const reports = await rig.ended(await rig.rollback(onHosts([host, 'there'], 1)));
    expect(reports.at(-1)?.what).toMatchObject({ outcome: 'settled', record: { primary: '1.1' }, idle: [] });
    expect(there).toEqual([
      'load mail-triage@1.2#i-1@there',
      'stop mail-triage@1.2#i-1@there',
      'load mail-triage@1.1#i-1@there',
    ]);
    expect([...world.running]).toEqual(['mail-triage@1.1#i-1@here']);
    expect(copiesOf('1.1').map(hostOfInstance)).toEqual(['here', 'there']);
  });

  it('in an emergency the copy that serves correctly now takes the traffic, whatever the other hosts do', async () => {
    rig = await Rig.start(workers, good);
    const input = onHosts([host, 'gone'], 2, { procedure: 'emergency', candidates: [warm('1.2')] });
    expect((await rig.ended(await rig.rollback(input))).at(-1)?.what).toMatchObject({ outcome: 'settled' });
    expect(copiesOf('1.2')).toHaveLength(1);
  });

  it('I11: a load whose worker died after it began is the same copy when it is asked again', async () => {
    let times = 0;
    loadThere = async (input) => {
      times += 1;
      // Longer than the step has: the answer of the first attempt is lost.
      if (times === 1) await new Promise((resolve) => setTimeout(resolve, 2_500));
      return {
        ok: true,
        backend: { address: 'http://10.0.0.2:9', instance: input.instance, digest: digestOf(input.version) },
        ms: 1,
        found: times > 1,
      };
    };
    rig = await Rig.start(workers, good);
    const short = { ...limits, steps: { ...limits.steps, loadMs: 2_000 } };
    const reports = await rig.ended(
      await rig.rollback(onHosts([host, 'there'], 2, { limits: short, plan: inputOf({ limits: short }).plan })),
    );
    expect(reports.at(-1)?.what).toMatchObject({ outcome: 'settled' });
    expect(new Set(there)).toEqual(new Set(['load mail-triage@1.2#i-1@there']));
    expect(times).toBeGreaterThan(1);
  });
});
