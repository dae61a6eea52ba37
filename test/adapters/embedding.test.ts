import { existsSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Embedder } from '../../activities/ports';
import { cosine } from '../../domain/detection/canary-test';
import { EmbedderMissing, EmbedderUnreachable, EmbeddingRefused } from '../../adapters/embedding/errors';
import { hashedEmbedder } from '../../adapters/embedding/hashed';
import { joinedEmbedder } from '../../adapters/embedding/joined';
import type { onnxEmbedder } from '../../adapters/embedding/onnx';
import { openAiEmbedder } from '../../adapters/embedding/openai';
import { compiled } from '../support/compiled';
import { embedderContract } from '../support/contracts/embedder';

const signal = new AbortController().signal;
const closed = { close: () => Promise.resolve() };

embedderContract('hashed n-grams', () => Promise.resolve({ embedder: hashedEmbedder(), ...closed }));

test('hashed n-grams are the same everywhere: baselines of today are read tomorrow', async () => {
  const { by, vectors } = await hashedEmbedder().embed(['No.'], signal);
  expect(by).toBe('hashed-ngrams/1 3-5 512');
  const [vector] = vectors as [Float32Array];
  const filled = [...vector].flatMap((value, axis) => (value === 0 ? [] : [`${axis}:${value.toFixed(3)}`]));
  expect(filled).toMatchInlineSnapshot(`
   [
     "117:0.267",
     "188:-0.535",
     "248:0.267",
     "286:0.267",
     "320:-0.267",
     "323:-0.267",
     "372:0.267",
     "421:-0.267",
     "466:0.267",
     "483:0.267",
     "493:0.267",
   ]
  `);
});

embedderContract('two views joined', () =>
  Promise.resolve({ embedder: joinedEmbedder(hashedEmbedder(), hashedEmbedder()), ...closed }),
);

test('two views joined are as near as their views are on average, and both are named', async () => {
  const texts = ['Your parcel left on Monday.', 'Your parcel left on Tuesday.'];
  const { by, vectors } = await joinedEmbedder(hashedEmbedder(), constant).embed(texts, signal);
  const [one, other] = (await hashedEmbedder().embed(texts, signal)).vectors as [Float32Array, Float32Array];
  const [left, right] = vectors as [Float32Array, Float32Array];
  expect(cosine(left, right)).toBeCloseTo((cosine(one, other) + 1) / 2, 6);
  expect(by).toBe('hashed-ngrams/1 3-5 512 + constant');
});

/** Sees no difference at all. */
const constant: Embedder = {
  embed: (texts) => Promise.resolve({ by: 'constant', vectors: texts.map(() => Float32Array.of(0, 1)) }),
};

type Answer = (texts: string[], response: ServerResponse) => void | Promise<void>;

/** An OpenAI-style server that answers with hashed n-grams, unless a test has it answer otherwise. */
class EmbeddingServer {
  readonly seen: { authorization: string | undefined; model: string; count: number }[] = [];
  answer: Answer = async (texts, response) => {
    const { vectors } = await hashedEmbedder().embed(texts, signal);
    // In another order than asked, and not at length 1: the index says which one it is.
    const data = vectors.map((vector, index) => ({ index, embedding: [...vector].map((value) => value * 3) }));
    response.end(JSON.stringify({ object: 'list', data: data.reverse() }));
  };
  private readonly server = createServer((request, response) => void this.take(request, response));

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const { model, input } = JSON.parse(Buffer.concat(parts).toString()) as { model: string; input: string[] };
    this.seen.push({ authorization: request.headers.authorization, model, count: input.length });
    await this.answer(input, response);
  }
}

embedderContract('an OpenAI-style endpoint', async () => {
  const server = new EmbeddingServer();
  const embedder = openAiEmbedder({ address: await server.start(), model: 'sentences' });
  return { embedder, close: () => server.close() };
});

describe('an OpenAI-style endpoint', () => {
  let server: EmbeddingServer;
  let address: string;
  beforeEach(async () => {
    server = new EmbeddingServer();
    address = await server.start();
  });
  afterEach(() => server.close());
  const embed = (more: Partial<Parameters<typeof openAiEmbedder>[0]> = {}) =>
    openAiEmbedder({ address, model: 'sentences', timeoutMs: 2_000, ...more }).embed(['one', 'two'], signal);

  it('is asked for few texts at a time, by name of the model and with its key', async () => {
    const texts = Array.from({ length: 70 }, (_, index) => String(index));
    await openAiEmbedder({ address, model: 'sentences', apiKey: 'k' }).embed(texts, signal);
    expect(server.seen.map(({ count }) => count)).toEqual([32, 32, 6]);
    expect(server.seen[0]).toMatchObject({ authorization: 'Bearer k', model: 'sentences' });
  });

  const data = (...embeddings: unknown[]): string =>
    JSON.stringify({ data: embeddings.map((embedding, index) => ({ index, embedding })) });
  test.each([
    ['no JSON', '<html>', /expected JSON/],
    ['another shape', '{"vectors":[]}', /data/],
    ['too few', data([1, 2]), /1 embeddings for 2 texts/],
    ['too many', data([1, 2], [1, 2], [1, 2]), /3 embeddings for 2 texts/],
    ['unequal dimensions', data([1, 2], [1, 2, 3]), /2 and 3 dimensions/],
    ['a vector of zeros', data([1, 2], [0, 0]), /no direction/],
    ['null for a number', data([1, 2], [null, 2]), /embedding/],
    ['more than is read', data([1, 2], [1, 2]).padEnd(3_000), /longer than 2000 bytes/],
  ])('that answers with %s is refused', async (_, body, why) => {
    server.answer = (_texts, response) => void response.end(body);
    const failed = embed({ limitBytes: 2_000 });
    await expect(failed).rejects.toThrow(EmbeddingRefused);
    await expect(failed).rejects.toThrow(why);
  });

  it('that answers with an error, not in time or not at all says so', async () => {
    server.answer = (_texts, response) => void response.writeHead(503).end();
    await expect(embed()).rejects.toThrow(/answered 503/);
    server.answer = () => undefined;
    await expect(embed({ timeoutMs: 200 })).rejects.toThrow(EmbedderUnreachable);
    await expect(embed({ address: 'http://127.0.0.1:9' })).rejects.toThrow(EmbedderUnreachable);
  });
});

// The model lies beside the data, the packages where the benchmark or an operator put them.
const directory = join(process.env['LASTGOOD_DATA'] ?? '', '..', 'models', 'all-minilm-l6-v2');
const packages = join(__dirname, '..', '..', '.cache', 'embedding');
const present = process.env['LASTGOOD_DATA'] !== undefined && existsSync(directory) && existsSync(join(packages, 'node_modules/onnxruntime-node')); // prettier-ignore
if (!present) {
  process.stdout.write(
    'skipped: a local model as an embedder (LASTGOOD_DATA and `npm run bench -- semantic` make it)\n',
  );
}
// Its thread runs compiled code.
const local = (options: Parameters<typeof onnxEmbedder>[0]): ReturnType<typeof onnxEmbedder> =>
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  (require(join(compiled(['adapters', 'domain', 'activities']), 'adapters/embedding/onnx.js')) as { onnxEmbedder: typeof onnxEmbedder }).onnxEmbedder(options); // prettier-ignore

(present ? describe : describe.skip)('a local model', () => {
  embedderContract('a local ONNX model', () => {
    const embedder = local({ directory, packages });
    return Promise.resolve({ embedder, close: () => embedder.close() });
  });

  it('has the likenesses that are known of this model', async () => {
    const embedder = local({ directory, packages });
    const { by, vectors } = await embedder.embed(
      ['That is a happy person', 'That is a happy dog', 'That is a very happy person', 'Today is a sunny day'],
      signal,
    );
    const [person, ...others] = vectors as [Float32Array, ...Float32Array[]];
    const cosines = others.map((other) => cosine(person, other));
    // Of the model in full precision; asked alone, the quantised one is within .013 of them, as a batch of four .011.
    [0.6946, 0.9429, 0.2569].forEach((known, index) => expect(Math.abs((cosines[index] ?? 0) - known)).toBeLessThan(0.02)); // prettier-ignore
    expect(by).toMatch(/^onnx all-minilm-l6-v2 sha256:[0-9a-f]{16}$/);
    await embedder.close();
  });

  it('leaves the memory when nothing is asked, and comes back', async () => {
    const embedder = local({ directory, packages, idleMs: 1 });
    const { vectors } = await embedder.embed(['a text'], signal);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect((await embedder.embed(['a text'], signal)).vectors).toEqual(vectors);
    await embedder.close();
  });
});

test('a local model that is not there says what to install', async () => {
  const embedder = local({ directory: '/nowhere' });
  await expect(embedder.embed(['text'], signal)).rejects.toMatchObject({
    name: EmbedderMissing.name,
    message: expect.stringMatching(/found none of onnx\/model_quantized\.onnx.*npm install --prefix/) as string,
  });
  await embedder.close();
});
