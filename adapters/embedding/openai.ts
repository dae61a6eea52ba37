import { z } from 'zod';
import type { Embedder } from '../../activities/ports';
import { EngineAnswerRefused, EngineUnreachable } from '../serving/errors';
import { answerJson, httpCall } from '../serving/http';
import { EmbedderUnreachable, EmbeddingRefused } from './errors';
import { cut, unit } from './vectors';

export interface OpenAiEmbedderOptions {
  /** `http://host:port`; `/v1/embeddings` is added. From the configuration, never from an artifact. */
  readonly address: string;
  readonly model: string;
  /** Sent as bearer token. */
  readonly apiKey?: string;
  /** For one request, from call to the last byte. Default 20 s. */
  readonly timeoutMs?: number;
  readonly limitBytes?: number;
}

/** Servers differ in what they take at once; this many is small for all of them. */
const TEXTS_A_REQUEST = 32;
const LIMIT_BYTES = 16 * 1024 * 1024;
const DIMENSIONS_MAX = 8_192;

const answerSchema = z.object({
  data: z.array(z.object({ index: z.int(), embedding: z.array(z.number()).min(2).max(DIMENSIONS_MAX) })),
});

/** Any server with OpenAI's `/v1/embeddings` (vLLM, TEI, Ollama, llama.cpp). */
export function openAiEmbedder(options: OpenAiEmbedderOptions): Embedder {
  const url = `${options.address}/v1/embeddings`;
  const headers: Record<string, string> =
    options.apiKey === undefined ? {} : { authorization: `Bearer ${options.apiKey}` };

  async function request(texts: readonly string[]): Promise<Float32Array[]> {
    const answer = await httpCall({
      url,
      method: 'POST',
      headers,
      body: JSON.stringify({ model: options.model, input: texts.map(cut), encoding_format: 'float' }),
      timeoutMs: options.timeoutMs ?? 20_000,
      limitBytes: options.limitBytes ?? LIMIT_BYTES,
    });
    if (answer.status !== 200) throw new EmbeddingRefused(`${url} answered ${answer.status}`);
    const parsed = answerSchema.safeParse(answerJson(url, answer));
    if (!parsed.success) throw new EmbeddingRefused(`${url}: ${z.prettifyError(parsed.error)}`);
    const byIndex = new Map(parsed.data.data.map(({ index, embedding }) => [index, embedding]));
    const dimensions = parsed.data.data[0]?.embedding.length;
    return texts.map((_, index) => {
      const embedding = byIndex.get(index);
      if (embedding === undefined || byIndex.size !== texts.length) {
        throw new EmbeddingRefused(`${url}: ${byIndex.size} embeddings for ${texts.length} texts`);
      }
      if (embedding.length !== dimensions) {
        throw new EmbeddingRefused(`${url}: embeddings of ${dimensions} and ${embedding.length} dimensions`);
      }
      return unit(embedding, url);
    });
  }

  return {
    async embed(texts, signal) {
      const vectors: Float32Array[] = [];
      for (let from = 0; from < texts.length; from += TEXTS_A_REQUEST) {
        signal.throwIfAborted();
        vectors.push(...(await request(texts.slice(from, from + TEXTS_A_REQUEST)).catch(asEmbeddingError)));
      }
      return { by: `openai ${options.model} at ${new URL(options.address).host}`, vectors };
    },
  };
}

/** The call is the one of the engines; what it says is said of an embedder here. */
function asEmbeddingError(fault: unknown): never {
  if (fault instanceof EngineUnreachable) throw new EmbedderUnreachable(fault.message, { cause: fault });
  if (fault instanceof EngineAnswerRefused) throw new EmbeddingRefused(fault.message, { cause: fault });
  throw fault;
}
