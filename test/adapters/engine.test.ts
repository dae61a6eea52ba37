import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Engine, GoldenProbe } from '../../activities/ports';
import { outputsAt, valueAt } from '../../adapters/serving/answer-paths';
import { externalRuntime } from '../../adapters/serving/external-runtime';
import { openAiEngine } from '../../adapters/serving/openai';
import { openInferenceEngine } from '../../adapters/serving/open-inference';
import { plainHttpEngine } from '../../adapters/serving/plain-http';
import { probeInstance } from '../../adapters/serving/probe';
import { engineContract, type EngineServer } from '../support/contracts/engine';
import { startRequest } from '../support/contracts/serving-runtime';
import { startFakeModel, type FakeModel, type FakeModelOptions } from '../support/fake-model';

const limits = { timeoutMs: 1_000 };
const limitBytes = 100_000;
let closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers) await close();
  closers = [];
});

async function fakeModel(options: FakeModelOptions = {}): Promise<FakeModel> {
  const model = await startFakeModel(options);
  closers.push(() => model.close());
  return model;
}

const body = (text: string) => ({ inputs: [{ name: 'text', shape: [1], datatype: 'BYTES', data: [text] }] });
const faultsOf = {
  none: {},
  'not-ready': { notReady: true },
  'status-500': { status: 500 },
  hang: { hang: true },
  reset: { reset: true },
  garbage: { garbage: true },
  huge: { hugeBytes: 200_000 },
} as const;

function serverOf(model: FakeModel): EngineServer {
  return {
    address: model.address,
    fault: (kind) => void (model.faults = { ...faultsOf[kind] }),
    close: () => model.close(),
  };
}

engineContract('open inference', async () => ({
  engine: openInferenceEngine({ limitBytes }),
  server: serverOf(await startFakeModel()),
  model: 'mail',
  request: body('x'),
  output: 'label',
}));

engineContract('plain HTTP', async () => ({
  engine: plainHttpEngine({
    readyPath: '/v2/health/ready',
    inferPath: '/predict',
    outputs: { label: 'outputs[name=label].data[0]' },
    limitBytes,
    identity: { path: '/v2/models/{model}', digest: 'parameters.digest', version: 'versions[0]' },
  }),
  server: serverOf(await startFakeModel()),
  model: 'mail',
  request: { text: 'x' },
  output: 'label',
}));

engineContract('OpenAI style', async () => ({
  engine: openAiEngine({ limitBytes, apiKey: 'key' }),
  server: await openAiServer(),
  model: 'mail',
  request: { messages: [{ role: 'user', content: 'x' }] },
  output: 'text',
}));

/** Answers like vLLM: health, the list of models, completions. */
async function openAiServer(): Promise<EngineServer> {
  let fault: Parameters<EngineServer['fault']>[0] = 'none';
  const handle = (request: IncomingMessage, response: ServerResponse, text: string): void => {
    if (request.url === '/health') return void response.writeHead(fault === 'not-ready' ? 503 : 200).end();
    if (request.headers.authorization !== 'Bearer key') return void response.writeHead(401).end('{}');
    if (request.url === '/v1/models')
      return void response.end('{"data":[{"id":"mail","root":"mail-7b","parent":null}]}');
    if (fault === 'hang') return;
    if (fault === 'reset') return void request.socket.destroy();
    if (fault === 'status-500') return void response.writeHead(500).end('{"error":"engine dead"}');
    if (fault === 'garbage') return void response.end('<html>');
    if (fault === 'huge') return void response.end(`"${'x'.repeat(200_000)}"`);
    const asked = JSON.parse(text) as { model: string; stream: boolean };
    if (asked.model !== 'mail' || asked.stream) return void response.writeHead(404).end('{}');
    const choice = request.url === '/v1/chat/completions' ? { message: { content: 'spam' } } : { text: 'spam' };
    response.end(JSON.stringify({ choices: [{ ...choice, finish_reason: 'stop' }] }));
  };
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (part: Buffer) => (text += part.toString()));
    request.on('end', () => handle(request, response, text));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    address: `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`,
    fault: (kind) => void (fault = kind),
    close: () => new Promise((resolve) => (server.closeAllConnections(), server.close(() => resolve()))),
  };
}

describe('the identity of an open-inference server', () => {
  const identity = (engine: Engine, model: FakeModel) => engine.identity(model.address, 'mail', limits);

  it('is the digest in its model metadata', async () => {
    const model = await fakeModel({ digest: 'sha256:abc', version: '1.2' });
    expect(await identity(openInferenceEngine(), model)).toEqual({
      digest: 'sha256:abc',
      version: '1.2',
      means: 'model-metadata',
    });
  });

  it('is a configured response header when the metadata has none', async () => {
    const model = await fakeModel({ hideDigest: true, headers: { 'x-model-digest': 'sha256:hdr' } });
    expect(await identity(openInferenceEngine({ digestHeader: 'X-Model-Digest' }), model)).toMatchObject({
      digest: 'sha256:hdr',
      means: 'response-header',
    });
  });

  it('is the digest in an answer when neither has one', async () => {
    const model = await fakeModel({ digest: 'sha256:ans', hideDigest: true });
    expect(await identity(openInferenceEngine({ fingerprintProbes: [body('a')] }), model)).toMatchObject({
      digest: 'sha256:ans',
      means: 'reported-digest',
    });
  });

  it('is at last a fingerprint of its answers: the same for the same answers, another for others', async () => {
    const engine = openInferenceEngine({ fingerprintProbes: [body('a'), body('b')] });
    const first = await identity(engine, await fakeModel({ digest: null }));
    expect(first).toMatchObject({
      digest: expect.stringMatching(/^fingerprint:[0-9a-f]{64}$/) as string,
      means: 'probe-fingerprint',
    });
    const lastBits = await identity(engine, await fakeModel({ digest: null, score: 0.9 + 1e-12 }));
    expect(lastBits.digest).toBe(first.digest);
    const other = await identity(engine, await fakeModel({ digest: null, answers: { b: 'ham' } }));
    expect(other.digest).not.toBe(first.digest);
  });

  it('is unknown, not invented, when a fingerprint request fails', async () => {
    const model = await fakeModel({ digest: null });
    model.faults = { status: 500 };
    await expect(identity(openInferenceEngine({ fingerprintProbes: [body('a')] }), model)).rejects.toThrow(
      /answered 500/,
    );
  });

  it('is none where nothing reports one and no probes are given', async () => {
    expect(await identity(openInferenceEngine(), await fakeModel({ digest: null }))).toEqual({
      digest: null,
      version: '1',
      means: 'model-metadata',
    });
  });
});

describe('readiness of an open-inference server', () => {
  async function serverWith(answers: Readonly<Record<string, number>>): Promise<string> {
    const server = createServer((request, response) => response.writeHead(answers[request.url ?? ''] ?? 404).end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => new Promise((resolve) => (server.closeAllConnections(), server.close(resolve))));
    const address = server.address();
    return `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
  }
  const SERVER = '/v2/health/ready';
  const MODEL = '/v2/models/mail/ready';

  it.each([
    [{ [SERVER]: 200, [MODEL]: 200 }, true],
    [{ [SERVER]: 200 }, true],
    [{ [MODEL]: 200 }, true],
    [{ [SERVER]: 200, [MODEL]: 400 }, false],
    [{ [SERVER]: 400, [MODEL]: 200 }, false],
    [{}, false],
  ])('with %j is %j', async (answers, ready) => {
    expect((await openInferenceEngine().ready(await serverWith(answers), 'mail', limits)).ready).toBe(ready);
  });

  it('may rest on the model alone, for a server whose own readiness stays bad after one failed load', async () => {
    const address = await serverWith({ [SERVER]: 400, [MODEL]: 200 });
    expect((await openInferenceEngine({ modelReadyOnly: true }).ready(address, 'mail', limits)).ready).toBe(true);
  });
});

describe('an OpenAI-style server', () => {
  it('is not ready for a model or adapter that it does not offer', async () => {
    const server = await openAiServer();
    closers.push(() => server.close());
    const engine = openAiEngine({ apiKey: 'key' });
    expect(await engine.ready(server.address, 'mail@2', limits)).toMatchObject({
      ready: false,
      why: expect.stringContaining('offers mail, not mail@2') as string,
    });
    expect((await engine.infer(server.address, 'mail', { prompt: 'x' }, limits)).outputs).toEqual({
      text: 'spam',
      finish_reason: 'stop',
    });
    expect(await engine.identity(server.address, 'mail', limits)).toEqual({
      digest: null,
      version: 'mail-7b',
      means: 'model-metadata',
    });
  });
});

describe('probing an instance', () => {
  const probe = (id: string, text: string, value: string | number, tolerance?: number): GoldenProbe => ({
    id,
    request: body(text),
    expect: {
      output: typeof value === 'number' ? 'score' : 'label',
      value,
      ...(tolerance === undefined ? {} : { tolerance }),
    },
  });
  const probes = [probe('a', 'a', 'spam'), probe('b', 'b', 'ham'), probe('c', 'c', 0.9, 0.01)];
  const run = (model: FakeModel, expectedDigest: string | null = 'sha256:fake', timeoutMs = 500) =>
    probeInstance(openInferenceEngine(), model.address, 'mail', { probes, expectedDigest, timeoutMs });

  it('is good when it is ready, reports the digest and answers every golden probe', async () => {
    const result = await run(await fakeModel({ answers: { b: 'ham' } }));
    expect(result).toMatchObject({ ok: true, digest: 'sha256:fake', failures: [], readiness: { ready: true } });
  });

  it('names each golden probe that is answered wrong, with what was expected and found', async () => {
    const result = await run(await fakeModel({ score: 0.8 }));
    expect(result.ok).toBe(false);
    expect(result.failures).toEqual([
      { id: 'b', expected: 'label = ham', found: 'label = spam' },
      { id: 'c', expected: 'score = 0.9 ± 0.01', found: 'score = 0.8' },
    ]);
  });

  it('fails for another digest, and for none where one is expected', async () => {
    const other = await run(await fakeModel({ digest: 'sha256:other', answers: { b: 'ham' } }));
    expect(other.failures).toEqual([{ id: 'digest', expected: 'sha256:fake', found: 'sha256:other' }]);
    const none = await run(await fakeModel({ digest: null, answers: { b: 'ham' } }));
    expect(none.failures).toEqual([{ id: 'digest', expected: 'sha256:fake', found: 'none reported' }]);
  });

  it('is not begun on an instance that is not ready', async () => {
    const model = await fakeModel();
    model.faults = { notReady: true };
    expect(await run(model)).toMatchObject({ ok: false, digest: null, failures: [{ id: 'readiness' }] });
    expect(model.inferences).toEqual([]);
  });

  it.each([
    ['answers 500', { status: 500 }, /status 500/],
    ['hangs', { hang: true }, /no whole answer within 200 ms/],
    ['resets', { reset: true }, /POST/],
    ['answers garbage', { garbage: true }, /expected JSON/],
  ])('is a failure of every probe, not a fault of ours, when the copy %s', async (_, faults, found) => {
    const model = await fakeModel();
    model.faults = faults;
    const result = await run(model, 'sha256:fake', 200);
    expect(result.failures.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
    for (const failure of result.failures) expect(failure.found).toMatch(found);
  });
});

describe('versions that something else runs', () => {
  const never = new AbortController().signal;
  const engine = openInferenceEngine();

  it('are found at their addresses with what they report, and are neither started nor stopped', async () => {
    const good = await fakeModel({ digest: 'sha256:good', version: '1.0' });
    const runtime = externalRuntime({
      service: 'mail',
      model: 'mail',
      engine,
      serves: { versions: { '1.0': good.address, '1.1': 'http://127.0.0.1:9' } },
    });
    const { instances, foreign } = await runtime.inspect('mail');
    expect(instances).toMatchObject([
      { instance: 'mail@1.0#external', state: 'running', address: good.address, digest: 'sha256:good' },
      { instance: 'mail@1.1#external', state: 'exited', exit: { code: 'unreachable' } },
    ]);
    expect(foreign).toEqual([]);
    expect(await runtime.start(startRequest({ digest: 'sha256:good' }), never)).toMatchObject({
      address: good.address,
      digest: 'sha256:good',
    });
    await expect(runtime.start(startRequest({ version: '1.1' }), never)).rejects.toThrow(/ECONNREFUSED/);
    await expect(runtime.start(startRequest({ version: '9' }), never)).rejects.toThrow(/no address is configured/);
    expect((await runtime.stop('mail@1.0#external', { graceMs: 1 })).outcome).toBe('refused');
    expect((await engine.ready(good.address, 'mail', limits)).ready).toBe(true);
  });

  it('behind one address are told apart by what is observed: a change there is seen', async () => {
    const model = await fakeModel({ digest: 'sha256:one', version: '1.0' });
    const versionOf = (digest: string): string | null => (digest === 'sha256:two' ? '2.0' : null);
    const runtime = externalRuntime({
      service: 'mail',
      model: 'mail',
      engine,
      serves: { address: model.address, versionOf },
    });
    expect((await runtime.inspect('mail')).instances).toMatchObject([{ version: '1.0', digest: 'sha256:one' }]);
    Object.assign(model.options, { digest: 'sha256:two', version: 'unnamed' });
    expect((await runtime.inspect('mail')).instances).toMatchObject([{ version: '2.0', digest: 'sha256:two' }]);
    await expect(runtime.start(startRequest({ version: '1.0', digest: 'sha256:one' }), never)).rejects.toThrow(
      /serves 2\.0 \(sha256:two\), not 1\.0/,
    );
  });
});

describe('a path into an answer', () => {
  const json = {
    outputs: [
      { name: 'score', data: [0.5] },
      { name: 'label', data: ['spam'] },
    ],
    a: { b: [{ c: true }] },
  };
  it.each([
    ['outputs[name=label].data[0]', 'spam'],
    ['outputs[0].data[0]', 0.5],
    ['a.b[0].c', true],
    ['a.x.c', undefined],
    ['outputs[name=none].data[0]', undefined],
    ['constructor.name', undefined],
  ])('%s', (path, value) => {
    expect(valueAt(json, path)).toBe(value);
  });

  it('that leads nowhere leaves its output out', () => {
    expect(outputsAt(json, { good: 'a.b[0].c', bad: 'a.q' })).toEqual({ good: 'true' });
  });
});
