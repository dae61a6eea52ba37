import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { z } from 'zod';
import type { FromWorker, ToWorker, WorkerSettings } from './onnx-protocol';

/**
 * The thread of the local model. `onnxruntime-node` computes synchronously whatever its promises say: some 15 ms a text,
 * and a quarter of a second to load. On the thread of a controller that would stop everything else for so long.
 */

/** The part of `onnxruntime-node` 1.x that is used. */
interface Onnx {
  readonly InferenceSession: {
    create(file: string, options: object): Promise<Session>;
  };
  readonly Tensor: new (type: 'int64', data: BigInt64Array, dims: readonly number[]) => object;
}
interface Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  run(
    feeds: Readonly<Record<string, object>>,
  ): Promise<Record<string, { data: Float32Array; dims: readonly number[] }>>;
}
/** The part of `@huggingface/tokenizers` 0.x that is used. */
interface Tokenizers {
  readonly Tokenizer: new (tokenizer: object, config: object) => { encode(text: string): { ids: number[] } };
}

/** Where the file of the tokenizer does not say how much the model reads. */
const TOKENS_MAX = 256;
const FILES = ['onnx/model_quantized.onnx', 'onnx/model.onnx', 'model.onnx'];

const tokenizerSchema = z.looseObject({
  truncation: z.looseObject({ max_length: z.int().min(2).max(8_192) }).nullish(),
});

/** Another attempt would find the same. */
class Missing extends Error {
  override readonly name = 'Missing';
}

const { directory, packages } = workerData as WorkerSettings;
const load = createRequire(join(packages ?? __dirname, 'package.json'));
const model = open();
// Each question is answered with it; it must not end the thread before the first one has come.
model.catch(() => undefined);
let last: Promise<void> = Promise.resolve();

parentPort?.on('message', ({ id, texts }: ToWorker) => {
  last = last.then(() => answer(id, texts));
});

async function answer(id: number, texts: readonly string[]): Promise<void> {
  try {
    const { by, embed } = await model;
    const vectors: Float32Array[] = [];
    // One text at a time: the activations of a quantised model are scaled over its batch, so that the vector of a text
    // would depend on its neighbours. A batch of 16 would be a fifth faster.
    for (const text of texts) vectors.push(await embed(text));
    send({ id, by, vectors });
  } catch (error) {
    const { name, message } = error as Error;
    send({ id, missing: name === 'Missing', why: message });
  }
}

function send(message: FromWorker): void {
  parentPort?.postMessage(message);
}

async function open(): Promise<{ by: string; embed(text: string): Promise<Float32Array> }> {
  const file = FILES.map((name) => join(directory, name)).find(existsSync);
  if (file === undefined) throw new Missing(`${directory}: found none of ${FILES.join(', ')}`);
  const onnx = needed<Onnx>('onnxruntime-node');
  const { Tokenizer } = needed<Tokenizers>('@huggingface/tokenizers');
  const [tokenizerJson, configJson] = [read('tokenizer.json'), read('tokenizer_config.json')];
  const truncation = tokenizerSchema.parse(tokenizerJson).truncation;
  const tokensMax = truncation?.max_length ?? TOKENS_MAX;
  const tokenizer = new Tokenizer(tokenizerJson, configJson);
  const session = await onnx.InferenceSession.create(file, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const by = `onnx ${basename(directory)} sha256:${(await sha256(file)).slice(0, 16)}`;
  return { by, embed };

  async function embed(text: string): Promise<Float32Array> {
    const { ids } = tokenizer.encode(text);
    // The last token ends the text, also of one that was cut.
    const kept = ids.length <= tokensMax ? ids : [...ids.slice(0, tokensMax - 1), ids[ids.length - 1] ?? 0];
    const tensor = (values: readonly number[]): object =>
      new onnx.Tensor('int64', BigInt64Array.from(values, BigInt), [1, values.length]);
    const known: Record<string, object> = {
      input_ids: tensor(kept),
      attention_mask: tensor(kept.map(() => 1)),
      token_type_ids: tensor(kept.map(() => 0)),
    };
    const feeds = Object.fromEntries(session.inputNames.map((name) => [name, known[name] ?? {}]));
    const outputs = await session.run(feeds);
    const pooled = outputs['sentence_embedding'];
    if (pooled) return pooled.data;
    const tokens = outputs['last_hidden_state'];
    if (tokens) return mean(tokens.data, kept.length);
    throw new Missing(
      `${file} gives ${session.outputNames.join(', ')}, expected sentence_embedding or last_hidden_state`,
    );
  }
}

/** Mean over the tokens; without padding every one of them counts. */
function mean(data: Float32Array, tokens: number): Float32Array {
  const dimensions = data.length / tokens;
  return Float32Array.from({ length: dimensions }, (_, axis) => {
    let sum = 0;
    for (let token = 0; token < tokens; token += 1) sum += data[token * dimensions + axis] ?? NaN;
    return sum / tokens;
  });
}

function needed<T>(name: string): T {
  try {
    return load(name) as T;
  } catch (error) {
    throw new Missing(`the package ${name} cannot be loaded (${(error as Error).message.split('\n')[0]})`);
  }
}

function read(name: string): object {
  const file = join(directory, name);
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as object;
  } catch (error) {
    throw new Missing(`${file}: ${(error as Error).message}`);
  }
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const part of createReadStream(file)) hash.update(part as Buffer);
  return hash.digest('hex');
}
