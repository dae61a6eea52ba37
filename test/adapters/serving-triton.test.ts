import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { InstanceEvent, ServingRuntime, StartRequest } from '../../activities/ports';
import { engineOn } from '../../activities/engine-on';
import { lookAt } from '../../activities/golden-probes';
import { tritonEngine } from '../../adapters/serving/triton/engine';
import { parseModelConfig, withVersions } from '../../adapters/serving/triton/model-config';
import { askTriton } from '../../adapters/serving/triton/server-facts';
import {
  openTritonRuntime,
  tritonRecords,
  type TritonRuntimeOptions,
} from '../../adapters/serving/triton/triton-runtime';
import { EngineLook } from '../../adapters/telemetry/engine-metrics';
import { servingRuntimeContract, startRequest } from '../support/contracts/serving-runtime';
import { until } from '../support/poll';
import { removeTemporary, temporaryDirectory } from '../support/temporary';
import { tritonArtifact, tritonOptions } from '../support/triton-runtime';
import {
  describeTriton,
  MODEL,
  tritonFiles,
  tritonRepository,
  TritonServerProcess,
  type TritonLight,
} from '../support/triton-server';

const never = new AbortController().signal;
const MAIL = 'mail@1.0#a';
const NEXT = 'mail@1.1#b';
const digestOf = (letter: string): string => `sha256:${letter.repeat(64)}`;

let repository: string;
let server: TritonServerProcess;
let runtime: ServingRuntime;
let options: TritonRuntimeOptions;
let loads: string;

const configFile = (): string => join(repository, MODEL, 'config.pbtxt');
const inForce = (): readonly number[] | null =>
  parseModelConfig(readFileSync(configFile(), 'utf8'), MODEL, '').versions;
const directoryOf = (number: number): string => join(repository, MODEL, String(number));
/** Version numbers in the order in which their model was initialised. */
const loaded = (): number[] => (existsSync(loads) ? readFileSync(loads, 'utf8').trim().split('\n').map(Number) : []);

async function open(change: Partial<TritonRuntimeOptions> = {}): Promise<ServingRuntime> {
  options = tritonOptions({ address: server.address, repository, ...change });
  return openTritonRuntime(options);
}

/** A request for a version that answers this. */
function request(change: Partial<StartRequest> = {}, light: Partial<TritonLight> = {}): StartRequest {
  return startRequest({ artifact: tritonArtifact({ label: 'spam', loads, ...light }), ...change });
}

const next = (light: Partial<TritonLight> = {}): StartRequest =>
  request({ version: '1.1', instance: NEXT, digest: digestOf('b') }, { label: 'ham', ...light });

async function stateOf(instance = MAIL, of = runtime) {
  return (await of.inspect('mail')).instances.find((one) => one.instance === instance);
}

/** The number that requests for this copy name. */
async function numberOf(instance = MAIL): Promise<number> {
  const selector = (await stateOf(instance))?.selector;
  return Number(selector?.by === 'path' ? selector.to.split('/').at(-1) : NaN);
}

async function ask(instance: string, text?: string): Promise<string> {
  const selector = (await stateOf(instance))?.selector;
  return server.ask(selector?.by === 'path' ? selector.to : '', text);
}

/** Takes these versions out of force, as an operator does by hand. */
async function takeOut(...numbers: number[]): Promise<void> {
  const config = parseModelConfig(readFileSync(configFile(), 'utf8'), MODEL, '');
  const left = (config.versions ?? []).filter((number) => !numbers.includes(number));
  writeFileSync(configFile(), withVersions(config, left));
  await server.post(`/v2/repository/models/${MODEL}/${left.length === 0 ? 'unload' : 'load'}`);
  await until('their end', async () => {
    const index = await server.index();
    return numbers.every((number) => index[number] === 'UNAVAILABLE');
  });
}

/** Nothing of the model loaded, nothing of it in the repository but its configuration. */
async function clean(): Promise<void> {
  await server.post(`/v2/repository/models/${MODEL}/unload`);
  await until('nothing to be loaded', async () =>
    Object.values(await server.index()).every((state) => state === 'UNAVAILABLE'),
  );
  rmSync(repository, { recursive: true, force: true });
  tritonRepository(join(repository, '..'));
  rmSync(loads, { force: true });
}

describeTriton('the Triton runtime')('with a real Triton', () => {
  beforeAll(async () => {
    const directory = temporaryDirectory('triton');
    repository = tritonRepository(directory);
    loads = join(directory, 'loads');
    server = await TritonServerProcess.start(repository);
  }, 60_000);
  beforeEach(async () => {
    runtime = await open();
  });
  afterEach(clean);
  afterAll(async () => {
    await server?.kill();
    removeTemporary();
  }, 30_000);

  servingRuntimeContract('the Triton runtime', async () => {
    const inner = await open();
    const artifact = tritonArtifact({ label: 'spam' });
    runtime = inner;
    return {
      runtime: { ...inner, start: (asked, ...more) => inner.start({ ...asked, artifact }, ...more) },
      kill: async (instance) => takeOut(await numberOf(instance)),
      close: async () => undefined,
    };
  });

  describe('two versions', () => {
    it('answer by their paths at one address at once, and neither is loaded again for the other', async () => {
      const first = await runtime.start(request(), never);
      const words: string[] = [];
      const second = await runtime.start(next(), never, (said) => words.push(said));
      expect(second.address).toBe(first.address);
      const [one, two] = [await numberOf(), await numberOf(NEXT)];
      const to = `/v2/models/${MODEL}/versions/${one}`;
      expect(first.selector).toEqual({ by: 'path', from: `/v2/models/${MODEL}`, to });
      expect(await Promise.all([ask(MAIL), ask(NEXT)])).toEqual(['spam', 'ham']);
      expect(loaded()).toEqual([one, two]);
      expect(words.at(-1)).toMatch(new RegExp(`^version ${two} of mail loaded in \\d+ ms$`));
      expect(readFileSync(configFile(), 'utf8')).toContain('# Kept by lastgood');
      await runtime.start(request(), never, (said) => words.push(said));
      expect(words.at(-1)).toBe(`version ${one} of mail is loaded already: nothing to load`);
      expect(loaded()).toEqual([one, two]);
    });

    it('are told apart by what was placed under their numbers, and counted apart', async () => {
      await runtime.start(request(), never);
      await runtime.start(next(), never);
      const engine = tritonEngine({ records: tritonRecords(options.directory) });
      const expected = { version: '1.1', digest: digestOf('b') };
      const look = async (instance: string) => {
        const state = await stateOf(instance);
        const asked = { engine: engineOn(engine, state ?? {}), address: state?.address ?? '', model: MODEL };
        return lookAt({ ...asked, timeoutMs: 2_000 }, expected);
      };
      expect(await look(NEXT)).toEqual({ ok: true });
      expect(await look(MAIL)).toEqual({
        ok: false,
        why: `it reports ${digestOf('a')} (placed-files), expected ${digestOf('b')}`,
      });
      const elsewhere = tritonEngine({ records: tritonRecords(temporaryDirectory('elsewhere')) });
      expect(
        await elsewhere.identity(server.address, `${MODEL}/versions/${await numberOf(NEXT)}`, { timeoutMs: 2_000 }),
      ).toEqual({
        digest: null,
        version: null,
        means: 'probe-fingerprint',
      });
      await ask(NEXT, 'fail');
      expect(await countedFor([NEXT], 2)).toEqual({ failures: 0.25, 'a second': 0.4 });
      expect(await countedFor([MAIL], 1)).toEqual({ failures: 0, 'a second': 0 });
    });

    async function allAnswers(): Promise<number> {
      const text = await (
        await fetch(`${new URL(server.address).origin.replace(/:\d+$/, '')}:${server.metrics}/metrics`)
      ).text();
      const counts = [...text.matchAll(/^nv_inference_request_success\{[^}]*\} (\d+)$/gm)];
      return counts.reduce((sum, [, count]) => sum + Number(count), 0);
    }

    /** What the metrics of these copies say (failures: the mean of four reasons), while NEXT answers so often in 5 s. */
    async function countedFor(instances: string[], answers: number): Promise<Record<string, number>> {
      const taken: Record<string, number> = {};
      const backends = await Promise.all(
        instances.map(async (instance) => {
          const state = await stateOf(instance);
          return {
            address: server.address,
            instance,
            digest: '',
            ...(state?.selector && { selector: state.selector }),
          };
        }),
      );
      const record = { service: 'mail', epoch: 1, primary: 'v', pins: [], backends: { v: backends } };
      const group = { service: 'mail', everyMs: 5_000, path: '/metrics', port: server.metrics };
      const query = (name: string, labels = {}) => ({ name, labels, missing: 'unmeasured' as const });
      const failures = {
        ...query('nv_inference_request_failure'),
        read: { how: 'value' as const },
      };
      const success = { ...query('nv_inference_request_success'), read: { how: 'auto' as const } };
      const metrics = [
        { metric: 'failures', query: failures, min: null, max: null },
        { metric: 'a second', query: success, min: null, max: null },
      ];
      const router = { read: () => Promise.resolve({ record, fallback: null } as never) };
      const store = {
        take: (_service: string, { items }: { items: readonly { metric: string; value: number }[] }) => {
          for (const { metric, value } of items) taken[metric] = value;
          return Promise.resolve({ taken: true } as never);
        },
      };
      const look = new EngineLook({ ...group, metrics }, { router, store });
      const at = Date.now();
      const before = await allAnswers();
      expect(await look.look(at, never)).toEqual([]);
      for (let count = 0; count < answers; count += 1) await ask(NEXT);
      // Triton counts an answer after it has sent it.
      await until('Triton has counted them', async () => (await allAnswers()) >= before + answers);
      expect(await look.look(at + 5_000, never)).toEqual([]);
      return taken;
    }

    it('are started at once by two processes without mixing their numbers or losing one of the two', async () => {
      const other = await openTritonRuntime({ ...options });
      await Promise.all([runtime.start(request(), never), other.start(next(), never)]);
      expect(await Promise.all([ask(MAIL), ask(NEXT)])).toEqual(['spam', 'ham']);
      expect(inForce()).toEqual([await numberOf(), await numberOf(NEXT)].sort((left, right) => left - right));
    });
  });

  describe('a load', () => {
    it('that fails leaves the old version serving, tells why in the words of Triton, and spoils no later load', async () => {
      await runtime.start(request(), never);
      const one = await numberOf();
      const failed = next({ broken: 'these weights are of another model' });
      await expect(runtime.start(failed, never)).rejects.toMatchObject({
        name: 'InstanceFailed',
        message: expect.stringMatching(
          /^mail@1\.1#b: Triton did not load it: load failed for model 'mail': version \d+ .*these weights are of another model/s,
        ) as string,
      });
      expect(await ask(MAIL)).toBe('spam');
      expect(inForce()).toEqual([one]);
      expect(existsSync(directoryOf(one + 1))).toBe(false);
      expect(await stateOf(NEXT)).toMatchObject({ state: 'exited', exit: { code: 'its load failed' } });
      expect(await runtime.logs(NEXT, 10_000)).toContain('these weights are of another model');
      await runtime.start(next(), never);
      // Its number is spent: Triton would take the new content for the old one.
      expect([await numberOf(NEXT), await ask(NEXT)]).toEqual([one + 2, 'ham']);
      expect(loaded()).toEqual([one, one + 2]);
    });

    it('that an attempt died in is gone on with, with the files that the artifact has', async () => {
      const asked = request();
      await runtime.start(asked, never);
      const one = await numberOf();
      await takeOut(one);
      writeFileSync(join(directoryOf(one), 'half'), '');
      const file = join(options.directory, 'triton', `${one}.json`);
      writeFileSync(file, readFileSync(file, 'utf8').replace('"declared"', '"placing"'));
      expect(await stateOf()).toMatchObject({ state: 'starting', address: null });
      await runtime.start(asked, never);
      expect([await numberOf(), await ask(MAIL)]).toEqual([one, 'spam']);
      expect(existsSync(join(directoryOf(one), 'half'))).toBe(false);
    });

    it('is refused before anything is written where config.pbtxt cannot be read', async () => {
      const before = `${readFileSync(configFile(), 'utf8')}input [ { name: "second"\n`;
      writeFileSync(configFile(), before);
      await expect(runtime.start(request(), never)).rejects.toMatchObject({
        name: 'ServingRefused',
        message: expect.stringMatching(/config\.pbtxt, line \d+: found the end of the file, expected/) as string,
      });
      expect(readFileSync(configFile(), 'utf8')).toBe(before);
      expect(readdirSync(join(repository, MODEL))).toEqual(['config.pbtxt']);
    });
  });

  describe('what somebody else did', () => {
    it('to the files of a loaded version is found, and put back before the next load could serve it', async () => {
      await runtime.start(request(), never);
      const one = await numberOf();
      rmSync(join(directoryOf(one), 'light.json'));
      writeFileSync(join(directoryOf(one), 'light.json'), JSON.stringify({ label: 'bad', loads }));
      const { instances, foreign } = await runtime.inspect('mail');
      expect(instances).toMatchObject([{ state: 'running', digest: null }]);
      expect(foreign).toEqual([
        {
          what: `${directoryOf(one)} (${MAIL})`,
          why: expect.stringMatching(/somebody changed it since it was loaded: light\.json has/) as string,
        },
      ]);
      await runtime.start(next(), never);
      expect(await Promise.all([ask(MAIL), ask(NEXT)])).toEqual(['spam', 'ham']);
      // Triton saw a change, and loaded again what it had.
      expect(loaded().sort()).toEqual([one, one, one + 1]);
      expect(await stateOf()).toMatchObject({ digest: digestOf('a') });
    });

    it('with a version of their own is reported, kept in force, and neither stopped nor counted as ours', async () => {
      const theirs = 1_000;
      mkdirSync(directoryOf(theirs));
      for (const [name, content] of Object.entries(tritonFiles({ label: 'theirs', loads })))
        writeFileSync(join(directoryOf(theirs), name), content);
      writeFileSync(
        configFile(),
        withVersions(parseModelConfig(readFileSync(configFile(), 'utf8'), MODEL, ''), [theirs]),
      );
      await server.post(`/v2/repository/models/${MODEL}/load`);
      await runtime.start(request(), never);
      expect(await numberOf()).toBe(theirs + 1);
      expect((await runtime.inspect('mail')).foreign).toEqual([
        {
          what: expect.stringContaining('version 1000 of mail') as string,
          why: expect.stringContaining('no record') as string,
        },
      ]);
      await runtime.stop(MAIL, { graceMs: 5_000 });
      expect(await server.ask(`/v2/models/${MODEL}/versions/${theirs}`)).toBe('theirs');
      expect([inForce(), existsSync(directoryOf(theirs))]).toEqual([[theirs], true]);
      rmSync(directoryOf(theirs), { recursive: true });
    });
  });

  describe('a stop', () => {
    it('lets a request in flight finish while new ones go elsewhere, and takes the files last', async () => {
      await runtime.start(request(), never);
      await runtime.start(next(), never);
      const number = await numberOf();
      const slow = ask(MAIL, 'wait:2500');
      await until('the request to be in flight', async () => {
        const text = await (await fetch(`${server.metricsAddress}/metrics`)).text();
        return new RegExp(`nv_inference_exec_count.*version="${number}"} 0`).test(text);
      });
      const early = await runtime.stop(MAIL, { graceMs: 300 });
      expect(early).toMatchObject({ outcome: 'refused', why: expect.stringContaining('in flight') as string });
      expect(existsSync(directoryOf(number))).toBe(true);
      expect(await server.ask(`/v2/models/${MODEL}/versions/${number}`)).toMatch(/^503/);
      expect(await ask(NEXT)).toBe('ham');
      expect(await runtime.stop(MAIL, { graceMs: 10_000 })).toMatchObject({ outcome: 'stopped' });
      expect(await slow).toBe('spam');
      expect(existsSync(directoryOf(number))).toBe(false);
      expect(await stateOf()).toMatchObject({ state: 'exited', exit: { code: 'stopped' } });
      expect(loaded()).toEqual([number, number + 1]);
    });

    it('of the last version unloads the model, and no restart of the server brings it back', async () => {
      await runtime.start(request(), never);
      const one = await numberOf();
      expect(await runtime.stop(MAIL, { graceMs: 5_000 })).toMatchObject({ outcome: 'stopped' });
      expect(inForce()).toEqual([]);
      expect(Object.values(await server.index())).not.toContain('READY');
      await runtime.start(request(), never);
      expect([await numberOf(), await ask(MAIL)]).toEqual([one + 1, 'spam']);
    });
  });

  it('is asked by `doctor` what kind of server it is, without a change', async () => {
    const before = [await server.index(), readFileSync(configFile(), 'utf8')];
    expect(await askTriton({ address: server.address, model: MODEL, repository })).toMatchObject({
      version: '2.51.0',
      problems: [],
    });
    const elsewhere = tritonRepository(temporaryDirectory('elsewhere'));
    mkdirSync(join(elsewhere, 'other'));
    expect((await askTriton({ address: server.address, model: MODEL, repository: elsewhere })).problems).toEqual([
      expect.objectContaining({ problem: expect.stringContaining('does not list other') as string }),
    ]);
    expect([await server.index(), readFileSync(configFile(), 'utf8')]).toEqual(before);
  });

  it('killed and started again gets back what was declared there, and what is ended stays ended', async () => {
    const ending = new AbortController();
    const told: InstanceEvent[] = [];
    const following = (async () => {
      for await (const event of runtime.events?.('mail', ending.signal) ?? []) told.push(event);
    })();
    const isTold = (one: InstanceEvent['event'], instance: string | null = null): boolean =>
      told.some((event) => event.event === one && event.instance === instance);
    await runtime.start(request(), never);
    await runtime.start(next(), never);
    const third = request({ version: '1.2', instance: 'mail@1.2#c' });
    await runtime.start(third, never);
    await runtime.stop(third.instance, { graceMs: 5_000 });
    await server.kill();
    // A look that fails is no death: nobody knows.
    await expect(runtime.inspect('mail')).rejects.toMatchObject({ name: 'EngineUnreachable' });
    await until('the server to be missed', () => isTold('engine-lost'));
    await expect(runtime.start(third, never)).rejects.toMatchObject({ name: 'EngineUnreachable' });
    await server.run();
    expect(['starting', 'running']).toContain((await stateOf())?.state);
    await until(
      'both to be back',
      async () => (await stateOf())?.state === 'running' && (await stateOf(NEXT))?.state === 'running',
      20_000,
    );
    expect(await Promise.all([ask(MAIL), ask(NEXT)])).toEqual(['spam', 'ham']);
    expect(inForce()).toEqual([await numberOf(), await numberOf(NEXT)]);
    expect(await stateOf(third.instance)).toMatchObject({ state: 'exited', exit: { code: 'stopped' } });
    await until('it to be told', () => isTold('engine-back') && isTold('started', NEXT));
    ending.abort();
    await following;
    expect(told.filter(({ instance }) => instance === third.instance).map(({ event }) => event)).not.toContain('died');
  }, 60_000);
});

describeTriton('Triton in another mode')('a Triton that was not started in explicit mode', () => {
  afterAll(removeTemporary);

  it('refuses loads, and is told how to be started', async () => {
    const where = tritonRepository(temporaryDirectory('triton-none'));
    rmSync(join(where, MODEL), { recursive: true });
    const other = await TritonServerProcess.start(where, { mode: 'none' });
    try {
      mkdirSync(join(where, MODEL));
      writeFileSync(join(where, MODEL, 'config.pbtxt'), 'backend: "python"\n');
      const refused = await openTritonRuntime(tritonOptions({ address: other.address, repository: where }));
      const asked = startRequest({ artifact: tritonArtifact({ label: 'spam' }) });
      await expect(refused.start(asked, never)).rejects.toMatchObject({
        name: 'ServingRefused',
        message: expect.stringMatching(/takes no loads: .*--model-control-mode=explicit/) as string,
      });
      expect(readFileSync(join(where, MODEL, 'config.pbtxt'), 'utf8')).toBe('backend: "python"\n');
      const { problems } = await askTriton({ address: other.address, model: MODEL, repository: where });
      expect(problems.map(({ problem }) => problem).join()).toContain('takes no loads');
    } finally {
      await other.kill();
    }
  }, 60_000);
});
