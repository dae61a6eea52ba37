import { loadTarget } from '../../activities/load-target';
import type { Engine } from '../../activities/ports';
import { externalRuntime } from '../../adapters/serving/external-runtime';
import { tgiEngine } from '../../adapters/serving/tgi';
import { vllmEngine } from '../../adapters/serving/vllm';
import { engineContract } from '../support/contracts/engine';
import { startFakeTgi, type FakeTgi } from '../support/fake-tgi';
import { FakeVllm, type FakeVllmOptions } from '../support/fake-vllm';
import { StepWorld } from '../unit/activities/step-world';

const limitBytes = 100_000;
const limits = { timeoutMs: 300 };
const hex = 'ab12'.repeat(16);
let closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers) await close();
  closers = [];
});

async function vllm(options: FakeVllmOptions = {}): Promise<FakeVllm> {
  const server = await FakeVllm.start(options);
  closers.push(() => server.close());
  return server;
}

async function tgi(): Promise<FakeTgi> {
  const server = await startFakeTgi();
  closers.push(() => server.close());
  return server;
}

engineContract('vLLM', async () => {
  const server = await FakeVllm.start({ names: ['mail'] });
  return {
    engine: vllmEngine({ limitBytes }),
    server: { address: server.address, fault: (kind) => void (server.fault = kind), close: () => server.close() },
    model: 'mail',
    request: { prompt: 'x' },
    output: 'text',
  };
});

engineContract('TGI', async () => {
  const server = await startFakeTgi();
  return {
    engine: tgiEngine({ limitBytes }),
    server: { address: server.address, fault: (kind) => void (server.fault = kind), close: () => server.close() },
    model: 'mail',
    request: { messages: [{ role: 'user', content: 'x' }] },
    output: 'text',
  };
});

describe('readiness of vLLM', () => {
  const engine = vllmEngine();
  const ready = (server: FakeVllm, model = 'base'): ReturnType<Engine['ready']> =>
    engine.ready(server.address, model, limits);

  it('is one token that it made, whatever its health says', async () => {
    const server = await vllm();
    expect(await ready(server)).toMatchObject({
      ready: true,
      why: expect.stringMatching(/answered in \d+ ms/) as string,
    });
    expect(server.completions).toEqual([{ model: 'base', prompt: 'ready' }]);
  });

  it.each([
    ['dies at its first request', 'status-500', /answered 500: .*EngineCore encountered an issue/],
    ['finishes what it has and takes nothing new', 'draining', /answered 500: .*cannot schedule new futures/],
    ['is paused, so that requests wait for ever', 'hang', /no whole answer within 300 ms; .* computes nothing/],
  ] as const)('is denied to a server that %s, with health 200', async (_, fault, why) => {
    const server = await vllm();
    server.fault = fault;
    expect(await ready(server)).toMatchObject({ ready: false, why: expect.stringMatching(why) as string });
  });

  it('is not denied to one that is only busy: the canary waits, and tokens are made for others', async () => {
    const server = await vllm();
    server.fault = 'queue';
    expect(await ready(server)).toMatchObject({ ready: true, why: expect.stringContaining('busy') as string });
  });

  it('is denied to one that sleeps, without a request that would wait or end it, until it was woken', async () => {
    const server = await vllm({ development: true });
    server.asleep = true;
    expect(await ready(server)).toMatchObject({ ready: false, asleep: true });
    expect(server.completions).toEqual([]);
    await engine.wake?.(server.address, limits);
    expect(await ready(server)).toMatchObject({ ready: true });
  });

  it('is denied to one that somebody paused, which is not asleep: nobody but they may end the pause', async () => {
    const server = await vllm({ development: true });
    server.paused = true;
    expect(await ready(server)).toEqual({
      ready: false,
      why: `${server.address} is paused: requests wait until somebody posts to /resume`,
    });
    expect(server.completions).toEqual([]);
  });

  it('is asked of the adapter that is meant, and denied for one that is not loaded', async () => {
    const server = await vllm();
    server.adapters.set('base@1', '/a');
    expect(await ready(server, 'base@1')).toMatchObject({ ready: true });
    expect(server.completions).toEqual([{ model: 'base@1', prompt: 'ready' }]);
    expect(await ready(server, 'base@2')).toMatchObject({
      ready: false,
      why: `${server.address} offers base, base@1, not base@2`,
    });
  });

  it('may be proven by another request, such as a chat', async () => {
    const server = await vllm();
    const messages = [{ role: 'user', content: 'hi' }];
    const chat = vllmEngine({ canary: { messages, max_tokens: 1 } });
    expect(await chat.ready(server.address, 'base', limits)).toMatchObject({ ready: true });
    expect(server.completions).toEqual([{ model: 'base', prompt: messages }]);
  });
});

describe('a version that sleeps at an address of its own', () => {
  const sleeping = async (mayWake: boolean): Promise<{ server: FakeVllm; load: () => Promise<unknown> }> => {
    const server = await vllm({ development: true, names: ['mail'], root: '1.2' });
    server.asleep = true;
    const world = await StepWorld.start();
    const serves = { versions: { '1.2': server.address } };
    const engine = vllmEngine();
    const runtime = externalRuntime({ service: 'mail', model: 'mail', engine, serves, mayWake });
    const ports = { artifacts: world.artifacts, serving: () => runtime, engine: () => engine };
    const digest = 'version:1.2';
    const input = {
      service: 'mail',
      version: '1.2',
      digest,
      instance: 'mail@1.2#x',
      model: 'mail',
      readyWithinMs: 3_000,
    };
    return { server, load: () => world.env.run(loadTarget(ports), input) };
  };

  it('is woken by a load where that is allowed, and probed only after that', async () => {
    const { server, load } = await sleeping(true);
    expect(await load()).toMatchObject({ ok: true, backend: { address: server.address } });
    expect(server.calls.indexOf('POST /wake_up')).toBeLessThan(server.calls.indexOf('POST /v1/completions'));
    expect(server.asleep).toBe(false);
  });

  it('is no target where nobody said so, and sleeps on', async () => {
    const { server, load } = await sleeping(false);
    expect(await load()).toMatchObject({ ok: false, why: expect.stringContaining('sleeps') as string });
    expect(server.asleep).toBe(true);
  });
});

describe('the identity of vLLM', () => {
  const identity = (server: FakeVllm, model = 'base'): ReturnType<Engine['identity']> =>
    vllmEngine().identity(server.address, model, limits);

  it('is the digest in the path that it was started with, and in the path of each adapter', async () => {
    const server = await vllm({ root: `/store/objects/${hex}` });
    server.adapters.set('base@1', `/store/objects/${'cd'.repeat(32)}/lora`);
    const known = { version: null, means: 'model-metadata' };
    expect(await identity(server)).toEqual({ ...known, digest: `sha256:${hex}` });
    expect(await identity(server, 'base@1')).toEqual({ ...known, digest: `sha256:${'cd'.repeat(32)}` });
  });

  it('is a second served name that is the digest, of the same root only', async () => {
    const server = await vllm({ root: '/artifact', names: ['base', `sha256:${hex}`] });
    expect(await identity(server)).toMatchObject({ digest: `sha256:${hex}` });
    server.adapters.set('base@1', '/lora');
    expect(await identity(server, 'base@1')).toEqual({ digest: null, version: '/lora', means: 'model-metadata' });
  });

  it('is the name at a hub where it came from one, and none for a model that it does not offer', async () => {
    const server = await vllm();
    expect(await identity(server)).toEqual({ digest: null, version: 'org/base-7b', means: 'model-metadata' });
    await expect(identity(server, 'other')).rejects.toThrow(/offers base, not other/);
  });
});

describe('the identity of TGI', () => {
  const identity = (server: FakeTgi): ReturnType<Engine['identity']> =>
    tgiEngine().identity(server.address, 'any', limits);

  it('is the digest in the path that it was started with, else what it says of its model and revision', async () => {
    const server = await tgi();
    expect(await identity(server)).toEqual({ digest: null, version: 'org/mail-7b@abc123', means: 'model-metadata' });
    server.info = { model_id: `/data/${hex}`, model_sha: null, version: '3.3.6' };
    expect(await identity(server)).toEqual({ digest: `sha256:${hex}`, version: null, means: 'model-metadata' });
    server.info = { hello: 'world' };
    await expect(identity(server)).rejects.toThrow(/\/info: .*model_id/s);
  });
});

describe('readiness of TGI', () => {
  it('is one token that it generated, not its health; busy is not broken', async () => {
    const server = await tgi();
    const ready = (): ReturnType<Engine['ready']> => tgiEngine().ready(server.address, 'any', limits);
    expect(await ready()).toMatchObject({ ready: true });
    expect(server.calls).toEqual(['GET /health', 'POST /generate']);
    server.fault = 'status-500';
    expect(await ready()).toMatchObject({ ready: false, why: expect.stringContaining('during generation') as string });
    server.fault = 'queue';
    expect(await ready()).toMatchObject({ ready: true, why: expect.stringContaining('busy') as string });
    server.fault = 'hang';
    expect(await ready()).toMatchObject({ ready: false });
  });
});

describe('what a server works on', () => {
  it('is counted by vLLM and TGI themselves, waiting requests included', async () => {
    const first = await vllm();
    Object.assign(first, { running: 2, waiting: 3 });
    expect(await vllmEngine().work?.(first.address, limits)).toEqual({ running: 2, waiting: 3 });
    const second = await tgi();
    Object.assign(second, { batch: 4, queue: 1 });
    expect(await tgiEngine().work?.(second.address, limits)).toEqual({ running: 4, waiting: 1 });
  });

  it('is unknown, never zero, where the counters are missing', async () => {
    const server = await tgi();
    await expect(vllmEngine().work?.(server.address, limits)).rejects.toThrow(
      /has no vllm:num_requests_running and vllm:num_requests_waiting, so whether it is idle is not known/,
    );
  });
});
