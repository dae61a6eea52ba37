import { createServer, type Server } from 'node:http';
import { MockActivityEnvironment } from '@temporalio/testing';
import { askTokens, tokensDigest, tokensProblem } from '../../activities/golden-tokens';
import { askProbes, type Asked } from '../../activities/golden-probes';
import { engineOn } from '../../activities/engine-on';
import { probeInstance } from '../../activities/probe-instance';
import type { ArtifactStore, Engine, ExpectedTokens, GoldenProbe } from '../../activities/ports';
import { openAiEngine } from '../../adapters/serving/openai';
import { openInferenceEngine } from '../../adapters/serving/open-inference';
import { plainHttpEngine } from '../../adapters/serving/plain-http';

interface Call {
  readonly path: string;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, unknown>>;
}
type Answer = readonly [status: number, body: unknown];

let servers: Server[] = [];
let calls: Call[] = [];
afterEach(() => {
  for (const server of servers) server.close(() => undefined).closeAllConnections();
  servers = [];
  calls = [];
});

/** Answers each call with what `answer` says; a string is sent as it is. */
async function serverThat(answer: (call: Call) => Answer): Promise<string> {
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (part: Buffer) => (text += part.toString()));
    request.on('end', () => {
      const call = {
        path: `${request.method} ${request.url}`,
        body: text === '' ? null : (JSON.parse(text) as unknown),
        headers: request.headers,
      };
      calls.push(call);
      const [status, body] = answer(call);
      response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body));
    });
  });
  servers.push(server);
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
}

const probeOf = (request: GoldenProbe['request'], tokens: ExpectedTokens): GoldenProbe => ({
  id: 'p1',
  request,
  expect: { output: 'text', value: 'yes', tokens },
});
const asking = (engine: Engine, address: string): Asked => ({ engine, address, model: 'bot', timeoutMs: 1_000 });

async function ask(engine: Engine, address: string, request: GoldenProbe['request'], tokens: ExpectedTokens) {
  return await askTokens(asking(engine, address), probeOf(request, tokens), tokens);
}

/** As vLLM 0.11 answers `/tokenize`. */
const vllm = (tokens: unknown): Answer => [200, { count: 3, max_model_len: 256, tokens, token_strs: null }];

describe('token ids of vLLM', () => {
  const engine = openAiEngine({ apiKey: 'key' });

  it('are asked for by the name of the adapter, with the prompt, the messages, or the text of the probe', async () => {
    const address = await serverThat(() => vllm([1, 5, 9]));
    const right = { is: 'right' };
    const ids = [1, 5, 9];
    expect(await ask(engine, address, { prompt: 'hello' }, { ids })).toEqual(right);
    const messages = [{ role: 'user', content: 'hello' }];
    const selector = { by: 'model', public: 'bot', name: 'bot@v2' } as const;
    expect(await ask(engineOn(engine, { selector }), address, { messages }, { ids })).toEqual(right);
    expect(await ask(engine, address, { messages }, { ids, text: 'other' })).toEqual(right);
    expect(calls.map(({ path, body }) => [path, body])).toEqual([
      ['POST /tokenize', { model: 'bot', prompt: 'hello' }],
      ['POST /tokenize', { model: 'bot@v2', messages }],
      ['POST /tokenize', { model: 'bot', prompt: 'other' }],
    ]);
    expect(calls.every(({ headers }) => headers['authorization'] === 'Bearer key')).toBe(true);
  });

  it.each<[ExpectedTokens, string]>([
    [{ ids: [1, 5, 8] }, 'token 3 of 3 is 9, expected 8'],
    [{ ids: [1, 5, 9, 2] }, 'token 4 of 4 is missing, expected 2'],
    [{ ids: [1, 5] }, '3 tokens, expected 2'],
    [{ count: 4, sha256: tokensDigest([1, 5, 9]) }, '3 tokens, expected 4'],
    [
      { count: 3, sha256: tokensDigest([9, 5, 1]) },
      `3 tokens, but others (sha256 ${tokensDigest([1, 5, 9])}, expected ${tokensDigest([9, 5, 1])})`,
    ],
  ])('that are not %j are wrong, and it says where', async (expected, why) => {
    const address = await serverThat(() => vllm([1, 5, 9]));
    expect(await ask(engine, address, { prompt: 'x' }, expected)).toEqual({ is: 'wrong', why });
  });

  it.each([404, 405, 501])('are unmeasured where /tokenize is answered %d', async (status) => {
    const address = await serverThat(() => [status, { detail: 'Not Found' }]);
    const why = `${address}/tokenize answered ${status}`;
    expect(await ask(engine, address, { prompt: 'x' }, { ids: [1] })).toEqual({ is: 'unmeasured', why });
  });

  it('are unmeasured where the probe has nothing to tokenize', async () => {
    const found = await ask(engine, 'http://127.0.0.1:9', { input: 'x' }, { ids: [1] });
    expect(found).toMatchObject({ is: 'unmeasured', why: expect.stringContaining('expect.tokens.text') as string });
  });

  it.each<[string, Answer, RegExp]>([
    ['an error', [500, { error: 'dead' }], /tokenize answered 500/],
    ['no JSON', [200, '<html>'], /expected JSON/],
    ['no tokens', [200, { count: 3 }], /tokens/],
    ['texts as tokens', vllm(['a']), /tokens/],
    ['halves of tokens', vllm([1.5]), /tokens/],
    ['negative tokens', vllm([-1]), /tokens/],
  ])('answered with %s are a fault, neither right nor wrong', async (_what, answer, message) => {
    const address = await serverThat(() => answer);
    await expect(ask(engine, address, { prompt: 'x' }, { ids: [1] })).rejects.toThrow(message);
  });
});

describe('token ids of TGI', () => {
  const engine = openAiEngine();
  /** TGI wants `inputs` and refuses a body without it. */
  const tgi = ({ body }: Call): Answer => {
    const { inputs } = body as { readonly inputs?: string };
    if (inputs === undefined) return [422, 'Failed to deserialize the JSON body: missing field `inputs`'];
    return [200, inputs.split(' ').map((text, at) => ({ id: at + 7, text, start: at, stop: at + 1 }))];
  };

  it('are asked for once more in its own form after it refused the other', async () => {
    const address = await serverThat((call) =>
      JSON.stringify(call.body).includes('inputs') ? tgi(call) : [422, '"no"'],
    );
    expect(await ask(engine, address, { prompt: 'hello world' }, { ids: [7, 8] })).toEqual({ is: 'right' });
    expect(calls.map(({ body }) => body)).toEqual([{ model: 'bot', prompt: 'hello world' }, { inputs: 'hello world' }]);
  });

  it('are unmeasured for messages, which it does not take there', async () => {
    const address = await serverThat(tgi);
    const found = await ask(engine, address, { messages: [] }, { ids: [7] });
    expect(found).toMatchObject({ is: 'unmeasured', why: expect.stringContaining('takes no messages') as string });
  });
});

describe('token ids of an Open Inference server', () => {
  const engine = openInferenceEngine();
  const request = { id: 'x', inputs: [{ name: 'text', shape: [1], datatype: 'BYTES', data: ['a'] }] };
  const metadata = (names: readonly string[]): Answer => [
    200,
    { name: 'bot', outputs: names.map((name) => ({ name, datatype: 'INT64', shape: [-1] })) },
  ];
  const serving = (names: readonly string[], data: unknown): Promise<string> =>
    serverThat(({ path }) =>
      path.startsWith('GET') ? metadata(names) : [200, { outputs: [{ name: names.at(-1), data }] }],
    );

  it('are the output that the probe names, asked for alone, where the metadata names it', async () => {
    const address = await serving(['label', 'input_ids'], [4, 2]);
    expect(await ask(engine, address, request, { ids: [4, 2], output: 'input_ids' })).toEqual({ is: 'right' });
    expect(calls.at(-1)).toMatchObject({
      path: 'POST /v2/models/bot/infer',
      body: { ...request, outputs: [{ name: 'input_ids' }] },
    });
  });

  it('may come as a batch of one', async () => {
    expect(await ask(engine, await serving(['tokens'], [[4, 2]]), request, { ids: [4, 2] })).toEqual({ is: 'right' });
  });

  it('are unmeasured, and nothing is inferred, where the metadata names no such output', async () => {
    const address = await serving(['label'], [4, 2]);
    const why = "the model's metadata names no output tokens";
    expect(await ask(engine, address, request, { ids: [4, 2] })).toEqual({ is: 'unmeasured', why });
    expect(calls).toHaveLength(1);
  });

  it('are a fault where the output that was promised does not come', async () => {
    const address = await serverThat(({ path }) =>
      path.startsWith('GET') ? metadata(['tokens']) : [200, { outputs: [] }],
    );
    await expect(ask(engine, address, request, { ids: [1] })).rejects.toThrow(/output tokens/);
  });
});

describe('golden probes that carry token ids', () => {
  const completion: Answer = [200, { choices: [{ text: 'yes', finish_reason: 'stop' }] }];
  const serving = (tokens: Answer): Promise<string> =>
    serverThat(({ path }) => (path === 'POST /tokenize' ? tokens : completion));
  const probes = ['a', 'b'].map((prompt, at) => ({ ...probeOf({ prompt }, { ids: [1] }), id: `p${at + 1}` }));
  const all = async (tokens: Answer, compareTokens = true) =>
    await askProbes(asking(openAiEngine(), await serving(tokens)), probes, new AbortController().signal, {
      compareTokens,
    });

  it('pass with the right ids, and fail with others although the answer is right', async () => {
    expect(await all(vllm([1]))).toMatchObject({ ok: true, tokens: { compared: 2, unmeasured: null } });
    expect(await all(vllm([2]))).toEqual({
      ok: false,
      why: 'golden probe p1: the tokenizer does not fit, although text is right: token 1 of 1 is 2, expected 1',
    });
    expect(await all([500, {}])).toMatchObject({ ok: false, why: expect.stringContaining('its token ids') as string });
  });

  it('are neither failed nor asked again for ids where the server does not tell them', async () => {
    const answered = await all([404, {}]);
    expect(answered).toMatchObject({
      ok: true,
      tokens: { compared: 0, unmeasured: expect.stringContaining('404') as string },
    });
    expect(calls.filter(({ path }) => path === 'POST /tokenize')).toHaveLength(1);
  });

  it('are asked for labels alone where nothing else is wanted', async () => {
    expect(await all(vllm([2]), false)).toMatchObject({ ok: true });
    expect(calls.filter(({ path }) => path === 'POST /tokenize')).toHaveLength(0);
  });

  it('are named in the note of the step: how many were right, or why they were not compared', async () => {
    const noted = async (tokens: Answer): Promise<unknown> => {
      const address = await serving(tokens);
      const engine: Engine = {
        ...openAiEngine(),
        ready: () => Promise.resolve({ ready: true, why: '' }),
        identity: () => Promise.resolve({ digest: 'sha256:a', version: '1', means: 'reported-digest' }),
      };
      const artifacts = { probes: () => Promise.resolve(probes) } as unknown as ArtifactStore;
      const probing = probeInstance({ artifacts, engine: () => engine });
      const backend = { address, instance: 'bot@1#1', digest: 'sha256:a' };
      const input = { service: 'bot', version: '1', model: 'bot', backend };
      return await new MockActivityEnvironment().run(probing, input);
    };
    expect(await noted(vllm([1]))).toMatchObject({ ok: true, probes: 2, note: 'token ids of 2 right' });
    expect(await noted([404, {}])).toMatchObject({
      ok: true,
      note: expect.stringMatching(/^token ids not compared: .*answered 404$/) as string,
    });
  });

  it('are unmeasured where the protocol cannot ask', async () => {
    const engine = plainHttpEngine({ readyPath: '/', inferPath: '/', outputs: {} });
    const found = await ask(engine, 'http://127.0.0.1:9', {}, { ids: [1] });
    expect(found).toEqual({ is: 'unmeasured', why: 'the protocol plain-http has no way to ask for token ids' });
  });
});

test('the digest of ids is that of their JSON without spaces', () => {
  expect(tokensDigest([1, 2, 3])).toBe('a615eeaee21de5179de080de8c3052c8da901138406ba71c38c032845f7d54f4');
  expect(tokensProblem([], { count: 0, sha256: tokensDigest([]) })).toBeNull();
});
