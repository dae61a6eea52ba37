import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadTarget } from '../../activities/load-target';
import type { ServingRuntime } from '../../activities/ports';
import { probeInstance } from '../../activities/probe-instance';
import { stopInstance } from '../../activities/stop-instance';
import { vllmEngine } from '../../adapters/serving/vllm';
import { EngineUnreachable, ServingRefused } from '../../adapters/serving/errors';
import {
  adapterName,
  openAdapterRuntime,
  type AdapterRuntimeOptions,
} from '../../adapters/serving/vllm-adapters/adapter-runtime';
import { servingRuntimeContract, startRequest } from '../support/contracts/serving-runtime';
import { FakeVllm, type FakeVllmOptions } from '../support/fake-vllm';
import { removeTemporary, temporaryDirectory } from '../support/temporary';
import { recordOf, StepWorld } from '../unit/activities/step-world';

const never = new AbortController().signal;
const grace = { graceMs: 1_000 };
const digestA = `sha256:${'a'.repeat(64)}`;
const digestB = `sha256:${'b'.repeat(64)}`;
const nameA = 'mail@1.0+aaaaaaaaaaaa';
let closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers) await close();
  closers = [];
});
afterAll(removeTemporary);

interface World {
  readonly server: FakeVllm;
  readonly directory: string;
  readonly open: (change?: Partial<AdapterRuntimeOptions>) => Promise<ServingRuntime>;
}

async function world(options: FakeVllmOptions = { paths: ['/tmp'] }): Promise<World> {
  const server = await FakeVllm.start(options);
  const directory = temporaryDirectory('adapters');
  closers.push(() => server.close());
  return {
    server,
    directory,
    open: (change = {}) =>
      openAdapterRuntime({ directory, address: server.address, model: 'mail', maxAdapters: null, ...change }),
  };
}

/** An artifact directory as the store makes it: named by its digest, the adapter in a folder of it. */
function artifactOf(root: string, hex: string): string {
  const artifact = join(root, 'objects', hex);
  mkdirSync(join(artifact, 'lora'), { recursive: true });
  writeFileSync(join(artifact, 'lora', 'adapter_config.json'), '{}');
  return artifact;
}

const statesOf = async (runtime: ServingRuntime): Promise<[string, string][]> =>
  (await runtime.inspect('mail')).instances.map(({ instance, state }) => [instance, state]);

servingRuntimeContract(
  'the runtime of vLLM adapters',
  async () => {
    const { server, open } = await world();
    return {
      runtime: await open(),
      kill: (instance) => {
        const version = /@(.*)#/.exec(instance)?.[1] ?? '';
        server.adapters.delete(adapterName('mail', version, digestA));
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
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

describe('versions as adapters of one vLLM', () => {
  it('each have a name of their own at the shared address, by version and content', async () => {
    const { server, open, directory } = await world({});
    const runtime = await open({ adapter: 'lora' });
    const [first, second] = [artifactOf(directory, 'a'.repeat(64)), artifactOf(directory, 'b'.repeat(64))];
    const one = await runtime.start(startRequest({ artifact: first }), never);
    const again = { version: '1.0', instance: 'mail@1.0#z', artifact: second, digest: digestB };
    const two = await runtime.start(startRequest(again), never);
    expect(one.selector).toEqual({ by: 'model', public: 'mail', name: nameA });
    expect(two.selector).toEqual({ by: 'model', public: 'mail', name: 'mail@1.0+bbbbbbbbbbbb' });
    expect([one.address, two.address]).toEqual([server.address, server.address]);
    expect([one.digest, two.digest]).toEqual([digestA, digestB]);
    expect([...server.adapters]).toEqual([
      [nameA, join(first, 'lora')],
      ['mail@1.0+bbbbbbbbbbbb', join(second, 'lora')],
    ]);
  });

  it('are loaded from where the server has them', async () => {
    const { server, open, directory } = await world({ paths: [`/models/objects/${'a'.repeat(64)}/lora`] });
    const places = { adapter: 'lora', artifacts: { here: directory, there: '/models' } };
    const runtime = await open(places);
    await runtime.start(startRequest({ artifact: join(directory, 'objects', 'a'.repeat(64)) }), never);
    expect(server.adapters.get(nameA)).toBe(`/models/objects/${'a'.repeat(64)}/lora`);
    await expect(
      runtime.start(startRequest({ artifact: '/elsewhere', instance: 'mail@1.0#q' }), never),
    ).rejects.toThrow(/is not below .*, so where http.* has it is not known/);
  });

  it('are found again by whoever opens the same directory, and refused where another port is needed', async () => {
    const { open, server } = await world();
    await (await open()).start(startRequest({ port: server.port }), never);
    const later = await open();
    expect(await statesOf(later)).toEqual([['mail@1.0#a', 'running']]);
    await expect(later.start(startRequest({ instance: 'mail@1.0#p', port: 9 }), never)).rejects.toThrow(
      /answer at http:.*, so not at port 9/,
    );
  });

  it('share one adapter where two copies are of one version: it goes with the last of them', async () => {
    const { server, open } = await world();
    const runtime = await open();
    await runtime.start(startRequest(), never);
    await runtime.start(startRequest({ instance: 'mail@1.0#b' }), never);
    expect([...server.adapters.keys()]).toEqual([nameA]);
    expect(await runtime.stop('mail@1.0#a', grace)).toEqual({
      outcome: 'stopped',
      why: `its adapter ${nameA} stays loaded for mail@1.0#b`,
    });
    expect([...server.adapters.keys()]).toEqual([nameA]);
    expect((await runtime.stop('mail@1.0#b', grace)).outcome).toBe('stopped');
    expect([...server.adapters.keys()]).toEqual([]);
  });
});

describe('a vLLM that was restarted', () => {
  it('gets back at the next look what was declared, and nothing that was stopped', async () => {
    const { server, open } = await world();
    const runtime = await open();
    await runtime.start(startRequest(), never);
    await runtime.start(startRequest({ version: '1.1', instance: 'mail@1.1#b' }), never);
    await runtime.stop('mail@1.1#b', grace);
    const { port } = server;
    await server.close();
    expect((await runtime.inspect('mail')).instances).toMatchObject([
      { instance: 'mail@1.0#a', state: 'exited', exit: { code: 'unreachable' } },
    ]);
    const restarted = await FakeVllm.start({ paths: ['/tmp'], port });
    closers.push(() => restarted.close());
    expect(await statesOf(runtime)).toEqual([['mail@1.0#a', 'running']]);
    expect([...restarted.adapters]).toEqual([[nameA, '/tmp']]);
  });

  it('that cannot load it any more says why the copy ended, and is asked again', async () => {
    const { server, open } = await world({ paths: ['/tmp'] });
    const runtime = await open();
    await runtime.start(startRequest(), never);
    const { port } = server;
    await server.close();
    const restarted = await FakeVllm.start({ port });
    closers.push(() => restarted.close());
    const [state] = (await runtime.inspect('mail')).instances;
    expect(state).toMatchObject({ state: 'exited', exit: { code: 'not loaded' } });
    expect(state?.exit?.logTail).toMatch(
      /did not load the adapter .* \(404\): .*No adapter found .*serving\.artifacts/,
    );
  });

  it('is not taken for gone while it only does not answer: nothing is known then', async () => {
    const { server, open } = await world();
    const runtime = await open();
    await runtime.start(startRequest(), never);
    const models = jest
      .spyOn(server as unknown as { answer: () => void }, 'answer')
      .mockImplementation(() => undefined);
    await expect(runtime.inspect('mail')).rejects.toThrow(EngineUnreachable);
    models.mockRestore();
    expect(await statesOf(runtime)).toEqual([['mail@1.0#a', 'running']]);
  });

  it('needs no unloading: a stop finds nothing there, and nothing is loaded again', async () => {
    const { server, open } = await world();
    const runtime = await open();
    await runtime.start(startRequest(), never);
    await server.close();
    expect(await runtime.stop('mail@1.0#a', grace)).toMatchObject({
      outcome: 'absent',
      why: expect.stringContaining('its adapters went with it') as string,
    });
    expect(await statesOf(runtime)).toEqual([]);
  });
});

it('a version is loaded, proven and stopped as its adapter, by the name that the route will carry', async () => {
  const directory = `/objects/${'a'.repeat(64)}`;
  const { server, open } = await world({ paths: [`${directory}/lora`] });
  const runtime = await open({ adapter: 'lora' });
  const steps = await StepWorld.start();
  steps.artifacts.materialise = () => Promise.resolve({ directory, digest: digestA });
  const engine = vllmEngine({ outputs: { label: 'choices[0].text' } });
  const ports = { ...steps, serving: () => runtime, engine: () => engine };
  const about = { service: 'mail', version: '1.2', model: 'mail' };
  const instance = 'mail@1.2#op-1';

  const loaded = await steps.env.run(loadTarget(ports), { ...about, digest: digestA, instance, readyWithinMs: 3_000 });
  const selector = { by: 'model', public: 'mail', name: 'mail@1.2+aaaaaaaaaaaa' } as const;
  const backend = { address: server.address, instance, digest: digestA, selector };
  expect(loaded).toMatchObject({ ok: true, found: false, backend });
  expect(await steps.env.run(probeInstance(ports), { ...about, backend })).toMatchObject({ ok: true });
  // Nothing was asked of the base model, which would have proven another one.
  expect([...new Set(server.completions.map(({ model }) => model))]).toEqual([selector.name]);

  const record = { service: 'mail', epoch: 8, primary: '1.2', pins: [], backends: { '1.2': [backend] } };
  await steps.router.apply(record);
  const stop = (): Promise<unknown> => steps.env.run(stopInstance(ports), { service: 'mail', instance, graceMs: 100 });
  expect(await stop()).toMatchObject({ outcome: 'refused' });
  expect(server.adapters.size).toBe(1);
  await steps.router.apply({ ...record, epoch: 9, primary: '1.3', backends: recordOf('1.3', 9).backends });
  // Others are at work in the same server: that is no reason to wait.
  server.running = 5;
  expect(await stop()).toMatchObject({ outcome: 'stopped' });
  expect(server.adapters.size).toBe(0);
});

it('a server that asks for a secret is given it', async () => {
  const { server, open } = await world({ paths: ['/tmp'], apiKey: 'secret' });
  await expect((await open()).start(startRequest(), never)).rejects.toThrow(/answered 401/);
  const runtime = await open({ apiKey: 'secret' });
  expect(await runtime.start(startRequest(), never)).toMatchObject({ state: 'running' });
  const engine = vllmEngine({ apiKey: 'secret' });
  expect(await engine.ready(server.address, nameA, { timeoutMs: 1_000 })).toMatchObject({ ready: true });
  expect((await runtime.stop('mail@1.0#a', grace)).outcome).toBe('stopped');
});

describe('what is refused', () => {
  it.each([
    [{ adapters: false }, /loads no adapters at run time \(404\): start it with --enable-lora and VLLM_ALLOW/],
    [{}, /did not load the adapter mail@1\.0\+a+ from \/tmp \(404\): Loading lora .* failed: No adapter found/],
  ])('a load that the server refuses, in its words and with what to do: %j', async (options, words) => {
    const { open, directory } = await world(options);
    const runtime = await open();
    await expect(runtime.start(startRequest(), never)).rejects.toThrow(ServingRefused);
    await expect(runtime.start(startRequest(), never)).rejects.toThrow(words);
    expect(readdirSync(directory).filter((name) => name.endsWith('.json'))).toEqual([]);
  });

  it('one adapter more than the server keeps, which vLLM itself takes and pushes another out for', async () => {
    const { server, open } = await world();
    server.adapters.set('theirs', '/somewhere');
    const runtime = await open({ maxAdapters: 2 });
    await runtime.start(startRequest(), never);
    await expect(runtime.start(startRequest({ version: '1.1', instance: 'mail@1.1#b' }), never)).rejects.toThrow(
      /has 2 adapters \(theirs, mail@1\.0\+a+\), serving\.maxAdapters is 2: one more would push another out/,
    );
    expect(server.adapters.size).toBe(2);
    expect(await statesOf(runtime)).toEqual([['mail@1.0#a', 'running']]);
  });

  it('our name with other content: somebody else loaded it', async () => {
    const { server, open } = await world();
    server.adapters.set(nameA, '/somewhere/else');
    await expect((await open()).start(startRequest(), never)).rejects.toThrow(
      /has mail@1\.0\+a+ from \/somewhere\/else, expected from \/tmp: somebody else loaded it/,
    );
    expect(server.adapters.get(nameA)).toBe('/somewhere/else');
  });

  it('to touch an adapter that nobody here declared: it is reported', async () => {
    const { server, open } = await world();
    server.adapters.set('theirs', '/somewhere');
    const runtime = await open();
    await runtime.start(startRequest(), never);
    expect((await runtime.inspect('mail')).foreign).toEqual([
      {
        what: `adapter theirs at ${server.address}`,
        why: 'nobody here declared it (loaded from /somewhere); it is left alone',
      },
    ]);
    await runtime.stop('mail@1.0#a', grace);
    expect([...server.adapters.keys()]).toEqual(['theirs']);
  });
});

describe('a death in between', () => {
  it('of a start, after the load: the next start finds the adapter', async () => {
    const { server, open } = await world();
    server.adapters.set(nameA, '/tmp');
    const runtime = await open();
    expect(await runtime.start(startRequest(), never)).toMatchObject({ state: 'running' });
    expect(server.calls).not.toContain('POST /v1/load_lora_adapter');
  });

  it('of a stop, before or after the unloading: no look loads it again, and the next stop ends it', async () => {
    const { server, open, directory } = await world();
    const runtime = await open();
    await runtime.start(startRequest(), never);
    const file = join(directory, readdirSync(directory).find((name) => name.endsWith('.json')) ?? '');
    server.adapters.delete(nameA);
    writeFileSync(
      file,
      JSON.stringify({
        schema: 1,
        service: 'mail',
        version: '1.0',
        instance: 'mail@1.0#a',
        digest: digestA,
        adapter: nameA,
        path: '/tmp',
        startedAt: 1,
        stopping: true,
      }),
    );
    expect((await runtime.inspect('mail')).instances).toMatchObject([{ state: 'exited', exit: { code: 'stopped' } }]);
    expect(server.adapters.size).toBe(0);
    expect((await runtime.stop('mail@1.0#a', grace)).outcome).toBe('absent');
    expect(await statesOf(runtime)).toEqual([]);
  });
});
