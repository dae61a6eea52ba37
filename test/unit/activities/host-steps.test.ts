import { toFailure } from '../../../activities/failures';
import { inspectInstances } from '../../../activities/inspect-instances';
import { loadTarget } from '../../../activities/load-target';
import { stopInstance } from '../../../activities/stop-instance';
import type { HostActivities } from '../../../workflows/contract/activities';
import { digestOf, model, recordOf, service, StepWorld } from './step-world';

describe('steps on the host', () => {
  let world: StepWorld;
  const instance = 'mail@1.2#i-1';
  beforeEach(async () => {
    world = await StepWorld.start();
  });

  const load = async (readyWithinMs = 300): ReturnType<HostActivities['loadTarget']> =>
    await world.env.run(loadTarget(world), {
      service,
      version: '1.2',
      digest: digestOf('1.2'),
      instance,
      model,
      readyWithinMs,
    });
  const stop = async (): ReturnType<HostActivities['stopInstance']> =>
    await world.env.run(stopInstance(world), { service, instance, graceMs: 10 });

  /** The first copy gets this address from the fake runtime. */
  const first = 'http://127.0.0.1:40000';

  it('start a copy, wait until it is ready with its digest, and find it when asked again', async () => {
    setTimeout(() => world.fake.put(first, '1.2'), 60);

    const started = await load();

    const backend = { address: first, instance, digest: digestOf('1.2') };
    expect(started).toMatchObject({ ok: true, backend, found: false });
    expect(await load()).toMatchObject({ ok: true, backend, found: true });
    expect(world.runtime.starts).toHaveLength(1);
    expect(world.runtime.starts[0]?.artifact).toBe('/artifacts/sha256:1.2');
  });

  it('say why a copy is not ready in time, and what it loaded instead', async () => {
    expect(await load()).toEqual({ ok: false, why: `${instance} was not ready within 300 ms: connection refused` });
    world.fake.put(first, '1.2', { digest: 'sha256:other' });
    expect(await load()).toEqual({
      ok: false,
      why: `${instance}: it reports sha256:other (reported-digest), expected sha256:1.2`,
    });
  });

  it('quote what a copy wrote last before it ended without an address', async () => {
    const failed = Object.assign(new Error(`${instance} ended (1) before it had an address`), {
      name: 'InstanceFailed',
      logTail: 'CUDA out of memory\n',
    });
    jest.spyOn(world.runtime, 'start').mockRejectedValueOnce(failed);

    const why = `${instance} ended (1) before it had an address; its log ends: CUDA out of memory`;
    expect(await load()).toEqual({ ok: false, why });
  });

  it.each(['DockerDiskFull', 'DockerRefused', 'ImageUnavailable'])(
    'leave a candidate to the next one where the same start would fail again: %s',
    async (name) => {
      const fault = Object.assign(new Error('in the words of the engine'), { name });
      jest.spyOn(world.runtime, 'start').mockRejectedValueOnce(fault);
      expect(await load()).toEqual({ ok: false, why: 'in the words of the engine' });
    },
  );

  it('try again where the engine was only away', async () => {
    const fault = Object.assign(new Error('no engine answers'), { name: 'DockerUnreachable' });
    jest.spyOn(world.runtime, 'start').mockRejectedValueOnce(fault);
    await expect(load()).rejects.toBe(fault);
    expect(toFailure(fault)).toMatchObject({ type: 'DockerUnreachable', nonRetryable: false });
    const full = Object.assign(new Error('no room'), { name: 'DockerDiskFull' });
    expect(toFailure(full)).toMatchObject({ type: 'DockerDiskFull', nonRetryable: true });
  });

  it('say with their sign of life what takes long', async () => {
    const beats: unknown[] = [];
    world.env.on('heartbeat', (details: unknown) => beats.push(details));
    world.runtime.slow = { words: 'pull registry/model: 3 of 9', ms: 1_100 };
    world.fake.put(first, '1.2');
    expect(await load()).toMatchObject({ ok: true });
    expect(beats).toContain('pull registry/model: 3 of 9');
  });

  it('say how a copy ended while it loaded, instead of waiting for it', async () => {
    setTimeout(() => world.runtime.end(instance, 'signal 9'), 30);

    const outcome = await load(20_000);

    expect(outcome).toMatchObject({
      ok: false,
      why: expect.stringContaining('ended while it loaded (signal 9)') as string,
    });
  });

  it('name every located problem of a corrupt artifact, and throw what is the fault of the host', async () => {
    class ArtifactCorrupt extends Error {
      override readonly name = 'ArtifactCorrupt';
      readonly problems = [
        { path: 'weights.safetensors', problem: 'changed', expected: 'sha256:a', found: 'sha256:b' },
      ];
    }
    world.artifacts.materialise = (): Promise<never> => Promise.reject(new ArtifactCorrupt('corrupt'));
    const why = 'weights.safetensors: changed (expected sha256:a, found sha256:b)';
    expect(await load()).toEqual({ ok: false, why });
    world.artifacts.materialise = (): Promise<never> => Promise.reject(new Error('no space left on device'));
    await expect(load()).rejects.toThrow('no space left on device');
  });

  it('stop a copy once, and call it absent when asked again', async () => {
    world.fake.put(first, '1.2');
    await load();

    expect(await stop()).toMatchObject({ outcome: 'stopped' });
    expect(await stop()).toMatchObject({ outcome: 'absent' });
    expect(await world.env.run(inspectInstances(world), service)).toMatchObject([{ instance, state: 'exited' }]);
  });

  /** The copy is found with this many requests at each look of its own count; the last number stays. */
  const works = (...counts: number[]): { readonly looks: () => number } => {
    let looks = 0;
    world.fake.work = () => {
      const running = counts[Math.min(looks, counts.length - 1)] ?? 0;
      looks += 1;
      return Promise.resolve({ running, waiting: 0 });
    };
    return { looks: () => looks };
  };

  it('stop a copy only when it is idle by its own count, where its engine counts', async () => {
    world.fake.put(first, '1.2');
    await load();
    const { looks } = works(2, 1, 0);
    const stopped = await world.env.run(stopInstance(world), { service, instance, graceMs: 5_000 });
    expect(stopped).toEqual({ outcome: 'stopped', why: 'at once; it was idle by its own count' });
    expect(looks()).toBe(3);
  });

  it('stop a copy that stays busy after its grace, and say with how many requests', async () => {
    world.fake.put(first, '1.2');
    await load();
    works(2);
    expect(await stop()).toMatchObject({
      outcome: 'stopped',
      why: expect.stringMatching(/after \d+ ms it worked on 2 requests and kept 0 waiting/) as string,
    });
  });

  it('wait for no count that is of others too, nor for one that cannot be had', async () => {
    world.fake.put(first, '1.2');
    await load();
    const { looks } = works(7);
    const entry = world.runtime.instances.get(instance);
    if (entry) entry.state = { ...entry.state, selector: { by: 'model', public: model, name: 'a' } };
    expect(await stop()).toEqual({ outcome: 'stopped', why: 'at once' });
    expect(looks()).toBe(0);
    await load();
    world.fake.work = () => Promise.reject(new Error('no counters'));
    expect((await stop()).why).toBe('at once; whether it was idle is not known: no counters');
  });

  it('leave a copy alone that was chosen again while its stop waited', async () => {
    world.fake.put(first, '1.2');
    await load();
    const backend = { address: first, instance, digest: digestOf('1.2') };
    world.fake.work = async () => {
      await world.router.apply(recordOf('1.2', 8, { backends: { '1.2': [backend] } }));
      return { running: 0, waiting: 0 };
    };
    expect(await stop()).toEqual({ outcome: 'refused', why: `the route at epoch 8 names ${instance} again` });
    expect(world.runtime.instances.get(instance)?.state.state).toBe('running');
  });

  it('leave a copy alone while a router that may have chosen it again cannot be asked after the wait', async () => {
    world.fake.put(first, '1.2');
    await load();
    let worked = false;
    world.fake.work = () => {
      worked = true;
      return Promise.resolve({ running: 0, waiting: 0 });
    };
    const why = 'no whole answer within 500 ms';
    const read = world.router.read.bind(world.router);
    jest.spyOn(world.router, 'read').mockImplementation(async (name) => {
      const state = await read(name);
      return worked ? { ...state, differing: [{ router: 'a', reached: false, record: null, why }] } : state;
    });
    expect(await stop()).toMatchObject({
      outcome: 'refused',
      why: expect.stringContaining('router a cannot be asked'),
    });
    expect(world.runtime.instances.get(instance)?.state.state).toBe('running');
  });

  it('wake a copy that is found sleeping, instead of waiting for it', async () => {
    world.fake.put(first, '1.2', { ready: false, asleep: true });
    let woken = 0;
    world.fake.wake = (address) => {
      woken += 1;
      world.fake.put(address, '1.2');
      return Promise.resolve();
    };
    expect(await load()).toMatchObject({ ok: true });
    expect(woken).toBe(1);
  });

  it('hand on how a copy is named at a shared address', async () => {
    const selector = { by: 'model' as const, public: model, name: 'mail@1.2+abc' };
    world.fake.put(first, '1.2');
    const start = world.runtime.start.bind(world.runtime);
    jest.spyOn(world.runtime, 'start').mockImplementation(async (request, signal) => ({
      ...(await start(request, signal)),
      selector,
    }));
    expect(await load()).toMatchObject({ ok: true, backend: { address: first, instance, selector } });
  });

  it('refuse to stop what the route in force or a fallback in use names, and when the router is silent', async () => {
    world.fake.put(first, '1.2');
    await load();
    const backend = { address: first, instance, digest: digestOf('1.2') };
    await world.router.apply(recordOf('1.2', 8, { backends: { '1.2': [backend] } }));
    expect(await stop()).toEqual({ outcome: 'refused', why: `the route at epoch 8 still names ${instance}` });

    world.router.fault = new Error('the gateway does not answer');
    await expect(stop()).rejects.toThrow('the gateway does not answer');
    expect(world.runtime.instances.get(instance)?.state.state).toBe('running');

    const kept = { ...recordOf('1.3', 9).backends, '1.2': [backend] };
    const until = Date.now() - 1;
    await world.router.apply(recordOf('1.3', 9, { backends: kept, pins: [{ version: '1.2', until }] }));
    expect(await stop()).toMatchObject({ outcome: 'stopped' });
  });
});
