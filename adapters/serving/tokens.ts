import { z } from 'zod';
import type { Engine } from '../../activities/ports';
import type { Json } from '../../domain/ledger';
import { EngineAnswerRefused } from './errors';
import { answerJson, httpCall, modelPath, type HttpAnswer } from './http';

type AskTokens = NonNullable<Engine['askTokens']>;
type Options = Parameters<AskTokens>[3];

/** Longest context that is served today, and some; an answer with more is not one. */
const LIMIT_TOKENS = 4_000_000;
const id = z.int().min(0);
const ids = z.array(id).max(LIMIT_TOKENS);
const DEFAULT_OUTPUT = 'tokens';
/** The path is not there, or not for this method: the server does not offer it. */
const NOT_OFFERED: readonly number[] = [404, 405, 501];

const metadataSchema = z.object({ outputs: z.array(z.object({ name: z.string() })).optional() });
const tensorsSchema = z.object({ outputs: z.array(z.object({ name: z.string(), data: z.unknown() })) });

/**
 * Open Inference: the model's metadata names an output that holds the ids (`tokens`, or as the probe says); the probe's own
 * request is sent with nothing but this output asked for. A model without such an output does not tell.
 */
export function openInferenceTokens(limitBytes: number): AskTokens {
  return async (address, model, { request, output = DEFAULT_OUTPUT }, options) => {
    const url = `${address}/v2/models/${modelPath(model)}`;
    const described = await call(url, 'GET', undefined, options, limitBytes);
    if (described.status !== 200) throw new EngineAnswerRefused(`${url} answered ${described.status}`);
    const metadata = read(url, described, metadataSchema);
    if (!metadata.outputs?.some(({ name }) => name === output))
      return { unavailable: `the model's metadata names no output ${output}` };
    const fields = typeof request === 'object' && request !== null && !Array.isArray(request) ? request : {};
    const answer = await call(`${url}/infer`, 'POST', { ...fields, outputs: [{ name: output }] }, options, limitBytes);
    if (answer.status !== 200)
      throw new EngineAnswerRefused(`${url}/infer answered ${answer.status} to output ${output}`);
    const data = read(url, answer, tensorsSchema).outputs.find(({ name }) => name === output)?.data;
    // A batch of one: [[1, 2]] is [1, 2].
    const flat: unknown = Array.isArray(data) ? data.flat() : data;
    return { ids: parsed(`${url}/infer: output ${output}`, ids, flat) };
  };
}

const vllmSchema = z.object({ tokens: ids });
const tgiSchema = z.array(z.object({ id })).max(LIMIT_TOKENS);

/**
 * `/tokenize`: vLLM takes `{model, prompt}` (or `messages`, through the chat template) and answers `{tokens}`; TGI takes
 * `{inputs}`, refuses the other with 422, and answers a list of `{id, …}`. TGI knows no `messages` there.
 */
export function openAiTokens(authorization: Readonly<Record<string, string>>, limitBytes: number): AskTokens {
  return async (address, model, question, { timeoutMs, headers }) => {
    const url = `${address}/tokenize`;
    const options = { timeoutMs, headers: { ...authorization, ...headers } };
    const asked = textOf(question);
    if (asked === null)
      return { unavailable: 'the probe has neither a prompt nor messages, and no expect.tokens.text' };
    const answer = await call(url, 'POST', { model, ...asked }, options, limitBytes);
    if (NOT_OFFERED.includes(answer.status)) return { unavailable: `${url} answered ${answer.status}` };
    if (answer.status === 422 && 'prompt' in asked) {
      const second = await call(url, 'POST', { inputs: asked.prompt }, options, limitBytes);
      if (second.status !== 200) throw new EngineAnswerRefused(`${url} answered ${second.status}`);
      return { ids: parsed(url, tgiSchema, answerJson(url, second)).map((token) => token.id) };
    }
    if (answer.status === 422) return { unavailable: `${url} takes no messages; expect.tokens.text would be asked` };
    if (answer.status !== 200) throw new EngineAnswerRefused(`${url} answered ${answer.status}`);
    return { ids: read(url, answer, vllmSchema).tokens };
  };
}

type Asked = { readonly prompt: string } | { readonly messages: Json };

function textOf({ request, text }: { readonly request: Json; readonly text?: string }): Asked | null {
  if (text !== undefined) return { prompt: text };
  if (typeof request === 'string') return { prompt: request };
  if (typeof request !== 'object' || request === null || Array.isArray(request)) return null;
  const { prompt, messages } = request as { readonly prompt?: Json; readonly messages?: Json };
  if (typeof prompt === 'string') return { prompt };
  return messages === undefined ? null : { messages };
}

function call(
  url: string,
  method: 'GET' | 'POST',
  body: Json | undefined,
  { timeoutMs, headers }: Options,
  limitBytes: number,
): Promise<HttpAnswer> {
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  return httpCall({ url, method, ...sent, timeoutMs, limitBytes, ...(headers && { headers }) });
}

function read<T>(url: string, answer: HttpAnswer, schema: z.ZodType<T>): T {
  return parsed(url, schema, answerJson(url, answer));
}

function parsed<T>(what: string, schema: z.ZodType<T>, json: unknown): T {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  throw new EngineAnswerRefused(`${what}: ${z.prettifyError(result.error).slice(0, 300)}`);
}
