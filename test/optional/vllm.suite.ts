import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { request } from 'undici';
import type { Engine, InstanceState, ServingRuntime } from '../../activities/ports';
import { loadTarget } from '../../activities/load-target';
import { openProcessRuntime } from '../../adapters/serving/process-runtime';
import { vllmEngine } from '../../adapters/serving/vllm';
import { adapterName, openAdapterRuntime } from '../../adapters/serving/vllm-adapters/adapter-runtime';
import { AdapterServer } from '../../adapters/serving/vllm-adapters/server';
import { servingRuntimeContract, startRequest } from '../support/contracts/serving-runtime';
import { StepWorld } from '../unit/activities/step-world';
import { removeTemporary, temporaryDirectory } from '../support/temporary';
import { makeModel, RELEASE, vllmCommand, vllmEnvironment, vllmPython } from './vllm/server';

// The real vLLM on a processor, with a random model of a megabyte: `npm run test:vllm`. Not a part of `npm test`: the
// installation is 6 GB, a start takes minutes, the server 4 GB.

const python = vllmPython();
if (python === null) {
  console.log(`skipped: vLLM ${RELEASE} is not installed (scripts/optional/vllm.sh installs it)`);
}
const describeReal = python === null ? describe.skip : describe;
jest.setTimeout(900_000);

const never = new AbortController().signal;
const engine = vllmEngine();
const limits = { timeoutMs: 10_000 };
const hexOf = (version: string): string => (version === '1.0' ? 'a' : 'b').repeat(64);
const baseHex = 'c'.repeat(64);

/** Greedy, so that the same model answers the same. */
const greedy = (tokens: number) => ({ prompt: 'hello', max_tokens: tokens, temperature: 0, ignore_eos: true });

async function complete(
  address: string,
  model: string,
  tokens: number,
): Promise<{ status: number; text: string; tokens: number; ms: number }> {
  const began = performance.now();
  const answer = await request(`${address}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, ...greedy(tokens) }),
    headersTimeout: 300_000,
    bodyTimeout: 300_000,
  });
  const text = await answer.body.text();
  const json = JSON.parse(text) as { choices?: { text: string }[]; usage?: { completion_tokens: number } };
  return {
    status: answer.statusCode,
    text: json.choices?.[0]?.text ?? text.slice(0, 300),
    tokens: json.usage?.completion_tokens ?? 0,
    ms: Math.round(performance.now() - began),
  };
}

describeReal(`vLLM ${RELEASE}`, () => {
  const root = temporaryDirectory('vllm');
  const objects = join(root, 'objects');
  const artifact = (version: string): string => join(objects, hexOf(version));
  let processes: ServingRuntime;
  let base: InstanceState;
  let stopped = false;
  const address = (): string => base.address ?? '';
  const say = (words: string): void => void process.stderr.write(`vllm: ${words}\n`);

  const untilReady = async (): Promise<string> => {
    const began = performance.now();
    for (;;) {
      const { ready, why } = await engine.ready(address(), 'mail', { timeoutMs: 5_000 });
      if (ready) return why;
      if (performance.now() - began > 300_000) throw new Error(why);
      await pause(250);
    }
  };

  beforeAll(async () => {
    makeModel(python ?? '', root);
    for (const [version, made] of [
      ['1.0', 'adapter-1'],
      ['1.1', 'adapter-2'],
    ] as const) {
      mkdirSync(artifact(version), { recursive: true });
      cpSync(join(root, made), join(artifact(version), 'lora'), { recursive: true });
    }
    cpSync(join(root, 'base'), join(objects, baseHex), { recursive: true });
    processes = await openProcessRuntime({
      directory: join(root, 'processes'),
      template: { command: vllmCommand(python ?? '', '{artifact}'), env: vllmEnvironment },
      environment: { PATH: process.env['PATH'] ?? '' },
      identify: async (at) => (await engine.identity(at, 'mail', limits)).digest,
      startTimeoutMs: 600_000,
      askedToEnd: 'program',
    });
    const began = performance.now();
    const digest = `sha256:${baseHex}`;
    base = await processes.start(startRequest({ artifact: join(objects, baseHex), digest }), never);
    say(`listens after ${Math.round((performance.now() - began) / 1000)} s`);
    say(await untilReady());
  });
  afterAll(async () => {
    if (!stopped) await processes.stop('mail@1.0#a', { graceMs: 1_000 });
    removeTemporary();
  });

  it('is ready by a completion, and known by the path that it loaded', async () => {
    expect(await engine.ready(address(), 'mail', limits)).toMatchObject({ ready: true });
    expect(await engine.identity(address(), 'mail', limits)).toEqual({
      digest: `sha256:${baseHex}`,
      version: null,
      means: 'model-metadata',
    });
    expect(await engine.ready(address(), 'other', limits)).toMatchObject({ ready: false });
    expect(await engine.work?.(address(), limits)).toEqual({ running: 0, waiting: 0 });
  });

  it('counts what it works on, and is busy rather than broken when a canary waits behind it', async () => {
    // As many as it takes at a time, so that the canary has to wait for a place.
    const others = Array.from({ length: 8 }, () => complete(address(), 'mail', 200));
    await pause(1_000);
    expect((await engine.work?.(address(), limits))?.running).toBe(8);
    const busy = await engine.ready(address(), 'mail', { timeoutMs: 500 });
    expect(busy).toMatchObject({ ready: true, why: expect.stringContaining('busy') as string });
    expect((await Promise.all(others)).map(({ status }) => status)).toEqual(others.map(() => 200));
  });

  it('is not ready while it is paused, with health 200', async () => {
    await request(`${address()}/pause`, { method: 'POST' }).then(({ body }) => body.dump());
    expect((await request(`${address()}/health`).then((answer) => (void answer.body.dump(), answer))).statusCode).toBe(
      200,
    );
    expect(await engine.ready(address(), 'mail', { timeoutMs: 1_000 })).toMatchObject({
      ready: false,
      why: expect.stringContaining('is paused') as string,
    });
    await request(`${address()}/resume`, { method: 'POST' }).then(({ body }) => body.dump());
    expect(await engine.ready(address(), 'mail', limits)).toMatchObject({ ready: true });
  });

  it('is asked nothing while it sleeps, and is woken by a load that finds it', async () => {
    await request(`${address()}/sleep?level=1`, { method: 'POST' }).then(({ body }) => body.dump());
    expect(await engine.ready(address(), 'mail', limits)).toMatchObject({ ready: false, asleep: true });
    const world = await StepWorld.start();
    const digest = `sha256:${baseHex}`;
    const ports = {
      artifacts: Object.assign(world.artifacts, {
        materialise: () => Promise.resolve({ directory: join(objects, baseHex), digest }),
      }),
      serving: (): ServingRuntime => processes,
      engine: (): Engine => engine,
    };
    const input = {
      service: 'mail',
      version: '1.0',
      digest,
      instance: 'mail@1.0#a',
      model: 'mail',
      readyWithinMs: 30_000,
    };
    const began = performance.now();
    expect(await world.env.run(loadTarget(ports), input)).toMatchObject({ ok: true, found: true });
    say(`woken and ready in ${Math.round(performance.now() - began)} ms`);
    expect((await complete(address(), 'mail', 4)).status).toBe(200);
  });

  describe('with a version for each adapter', () => {
    const openRuntime = (change: { maxAdapters?: number; directory?: string } = {}): Promise<ServingRuntime> =>
      openAdapterRuntime({
        directory: change.directory ?? join(root, 'adapters'),
        address: address(),
        model: 'mail',
        adapter: 'lora',
        maxAdapters: change.maxAdapters ?? null,
      });
    const start = (runtime: ServingRuntime, version: string, id: string): Promise<InstanceState> =>
      runtime.start(
        startRequest({
          version,
          instance: `mail@${version}#${id}`,
          artifact: artifact(version),
          digest: `sha256:${hexOf(version)}`,
        }),
        never,
      );

    servingRuntimeContract(
      `the runtime of adapters in vLLM ${RELEASE}`,
      async () => {
        // The contract's own artifact is a directory that holds no adapter.
        const runtime = await openRuntime({ directory: temporaryDirectory('adapters') });
        const real: ServingRuntime = {
          ...runtime,
          start: (asked, signal) => runtime.start({ ...asked, artifact: artifact('1.0') }, signal),
        };
        const unload = (name: string): Promise<unknown> => new AdapterServer(address()).unload(name);
        return {
          runtime: real,
          kill: async (instance) => {
            await unload(adapterName('mail', /@(.*)#/.exec(instance)?.[1] ?? '', `sha256:${hexOf('1.0')}`));
          },
          close: async () => {
            for (const service of ['mail', 'other']) {
              for (const { instance } of (await runtime.inspect(service)).instances)
                await runtime.stop(instance, { graceMs: 1_000 });
            }
          },
        };
      },
      {
        'one service': {
          title: 'finds the copies of one service only, and loads again what somebody unloaded behind its back',
          check: async ({ runtime, kill }) => {
            await runtime.start(startRequest(), never);
            await runtime.start(startRequest({ version: '1.1', instance: 'mail@1.1#b' }), never);
            await runtime.start(startRequest({ service: 'other', version: '3.0', instance: 'other@3.0#c' }), never);
            await kill('mail@1.1#b');
            const { instances, foreign } = await runtime.inspect('mail');
            expect(instances.map(({ instance, state }) => [instance, state])).toEqual([
              ['mail@1.0#a', 'running'],
              ['mail@1.1#b', 'running'],
            ]);
            expect(foreign).toEqual([]);
          },
        },
        log: {
          title: 'has no log: it is the server’s',
          check: async ({ runtime }) => {
            await runtime.start(startRequest(), never);
            expect(await runtime.logs('mail@1.0#a', 10_000)).toBe('');
          },
        },
      },
    );

    it('moves from one to the other under load: every answer is whole and of one version', async () => {
      const runtime = await openRuntime();
      const nameOf = (state: InstanceState): string => (state.selector?.by === 'model' ? state.selector.name : '');
      const old = await start(runtime, '1.0', 'a');
      expect(old.digest).toBe(`sha256:${hexOf('1.0')}`);
      expect(await engine.ready(address(), nameOf(old), limits)).toMatchObject({ ready: true });
      expect(await engine.identity(address(), nameOf(old), limits)).toMatchObject({ digest: old.digest });
      const pure = await complete(address(), nameOf(old), 300);
      // What a client would see: the name that the route has at the moment of its request.
      let current = nameOf(old);
      let open = true;
      const answers: { model: string; status: number; text: string }[] = [];
      const client = async (): Promise<void> => {
        while (open) {
          const model = current;
          answers.push({ model, ...(await complete(address(), model, 8)) });
        }
      };
      const clients = [client(), client(), client()];
      const long = complete(address(), nameOf(old), 300);
      await pause(500);
      const next = await start(runtime, '1.1', 'b');
      expect(await engine.ready(address(), nameOf(next), limits)).toMatchObject({ ready: true });
      current = nameOf(next);
      await pause(1_500);
      // Its stop while an answer of it is still being written: that answer ends as it began.
      const stop = await runtime.stop(old.instance, { graceMs: 1_000 });
      expect(stop.outcome).toBe('stopped');
      await pause(1_000);
      open = false;
      await Promise.all(clients);
      const finished = await long;
      expect(finished).toMatchObject({ status: 200, tokens: 300 });
      expect(finished.text).toBe(pure.text);
      const byModel = new Map<string, Set<string>>();
      for (const { model, status, text } of answers) {
        expect(status).toBe(200);
        byModel.set(model, (byModel.get(model) ?? new Set()).add(text));
      }
      expect([...byModel.keys()].sort()).toEqual([nameOf(old), nameOf(next)].sort());
      const texts = [...byModel.values()].map((seen) => [...seen]);
      say(`${answers.length} answers under load, none failed`);
      expect(texts.map((seen) => seen.length)).toEqual([1, 1]);
      expect(texts[0]).not.toEqual(texts[1]);
      expect((await complete(address(), nameOf(old), 4)).status).toBe(404);
      await runtime.stop(next.instance, { graceMs: 1_000 });
    });

    it('is refused what the server itself would take and push another out for', async () => {
      const runtime = await openRuntime({ maxAdapters: 1 });
      await start(runtime, '1.0', 'c');
      await expect(start(runtime, '1.1', 'd')).rejects.toThrow(/serving\.maxAdapters is 1/);
      await runtime.stop('mail@1.0#c', { graceMs: 1_000 });
      const bad = startRequest({ instance: 'mail@1.0#e', artifact: '/nowhere' });
      await expect(runtime.start(bad, never)).rejects.toThrow(/No adapter found/);
    });
  });

  it('finishes a running completion when it is told to stop', async () => {
    // Long enough to run when the signal comes, and to end within --shutdown-timeout on a machine as busy as this one is.
    const { ms } = await complete(address(), 'mail', 20);
    const tokens = Math.max(20, Math.min(600, Math.floor((20 * 7_000) / ms)));
    const running = complete(address(), 'mail', tokens);
    await pause(1_500);
    expect((await engine.work?.(address(), limits))?.running).toBe(1);
    const began = performance.now();
    const ending = processes.stop('mail@1.0#a', { graceMs: 40_000 });
    stopped = true;
    const answer = await running;
    expect(answer).toMatchObject({ status: 200, tokens });
    expect(await ending).toMatchObject({ outcome: 'stopped', why: expect.stringMatching(/^SIGTERM/) as string });
    say(`${tokens} tokens in ${answer.ms} ms, gone ${Math.round(performance.now() - began)} ms after the signal`);
  });
});
