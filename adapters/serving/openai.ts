import { z } from 'zod';
import type { Engine } from '../../activities/ports';
import type { Json } from '../../domain/ledger';
import { outputsAt } from './answer-paths';
import { EngineAnswerRefused, EngineUnreachable } from './errors';
import { answerJson, httpCall } from './http';
import { fingerprint, headerIdentity, type IdentityOptions } from './identity';
import { openAiTokens } from './tokens';

export interface OpenAiOptions extends IdentityOptions {
  readonly limitBytes?: number;
  /** Secret of the server, sent as bearer token. */
  readonly apiKey?: string;
  /** Output name → path in the answer; default `text` and `finish_reason` of the first choice. */
  readonly outputs?: Readonly<Record<string, string>>;
}

const modelsSchema = z.object({
  data: z.array(z.object({ id: z.string(), root: z.string().nullish(), parent: z.string().nullish() })),
});

/** A model or adapter that the server offers: its name, what it was loaded from, the model that an adapter belongs to. */
export type OfferedModel = z.infer<typeof modelsSchema>['data'][number];

/** The calls that servers of this style share. */
export interface OpenAiCalls {
  readonly limitBytes: number;
  readonly authorization: Readonly<Record<string, string>>;
  models(address: string, timeoutMs: number): Promise<{ models: OfferedModel[]; headers: Record<string, string> }>;
  readonly infer: Engine['infer'];
}

export function openAiCalls(options: OpenAiOptions = {}): OpenAiCalls {
  const limitBytes = options.limitBytes ?? 4 * 1024 * 1024;
  const authorization: Record<string, string> =
    options.apiKey === undefined ? {} : { authorization: `Bearer ${options.apiKey}` };
  return {
    limitBytes,
    authorization,
    async models(address, timeoutMs) {
      const url = `${address}/v1/models`;
      const answer = await httpCall({ url, method: 'GET', timeoutMs, limitBytes, headers: authorization });
      if (answer.status !== 200) throw new EngineAnswerRefused(`${url} answered ${answer.status}`);
      const parsed = modelsSchema.safeParse(answerJson(url, answer));
      if (!parsed.success) throw new EngineAnswerRefused(`${url}: ${z.prettifyError(parsed.error)}`);
      return { models: parsed.data.data, headers: answer.headers };
    },
    async infer(address, model, body, { timeoutMs, headers }) {
      const { chat, path, fields } = completionOf(body);
      const url = `${address}${path}`;
      const answer = await httpCall({
        url,
        method: 'POST',
        body: JSON.stringify({ model, ...fields, stream: false }),
        timeoutMs,
        limitBytes,
        headers: { ...authorization, ...headers },
      });
      const paths = options.outputs ?? {
        text: chat ? 'choices[0].message.content' : 'choices[0].text',
        finish_reason: 'choices[0].finish_reason',
      };
      const outputs = answer.status === 200 ? outputsAt(answerJson(url, answer), paths) : {};
      return { status: answer.status, ms: answer.ms, outputs, headers: answer.headers };
    },
  };
}

/** Where a body is posted to: bodies with `messages` are chats. */
export function completionOf(body: Json): { chat: boolean; path: string; fields: { readonly [key: string]: Json } } {
  const fields =
    typeof body === 'object' && body !== null && !Array.isArray(body)
      ? (body as { readonly [key: string]: Json })
      : { prompt: body };
  const chat = 'messages' in fields;
  return { chat, path: chat ? '/v1/chat/completions' : '/v1/completions', fields };
}

/** What makes a server not ready is said, not thrown; what is our own fault is thrown. */
export async function readyUnless(ask: () => ReturnType<Engine['ready']>): ReturnType<Engine['ready']> {
  try {
    return await ask();
  } catch (fault) {
    if (fault instanceof EngineUnreachable || fault instanceof EngineAnswerRefused) {
      return { ready: false, why: fault.message };
    }
    throw fault;
  }
}

/**
 * OpenAI-style servers of any make: `/health`, `/v1/models`, and `/v1/chat/completions` for bodies with `messages`,
 * `/v1/completions` for others. `/health` says 200 while some of them drain or pause, so ready also means that
 * `/v1/models` names the model. vLLM and TGI have profiles of their own, which know more.
 */
export function openAiEngine(options: OpenAiOptions = {}): Engine {
  const { authorization, limitBytes, models, infer } = openAiCalls(options);
  return {
    name: 'openai',
    async ready(address, model, { timeoutMs }) {
      return await readyUnless(async () => {
        const health = await httpCall({ url: `${address}/health`, method: 'GET', timeoutMs, limitBytes });
        if (health.status !== 200) return { ready: false, why: `${address}/health answered ${health.status}` };
        const known = (await models(address, timeoutMs)).models.map(({ id }) => id);
        if (known.includes(model)) return { ready: true, why: `healthy, and ${model} is offered` };
        return { ready: false, why: notOffered(address, model, known) };
      });
    },
    async identity(address, model, { timeoutMs }) {
      const found = await models(address, timeoutMs);
      const header = headerIdentity(found.headers, options);
      if (header.digest !== null) return { ...header, means: 'response-header' };
      const entry = found.models.find(({ id }) => id === model);
      if (options.fingerprintProbes !== undefined) {
        const digest = await fingerprint(options.fingerprintProbes, (body) =>
          infer(address, model, body, { timeoutMs }),
        );
        return { digest, version: entry?.root ?? null, means: 'probe-fingerprint' };
      }
      // The name of a model or adapter is what these servers tell of themselves; it is no digest.
      return { digest: null, version: entry?.root ?? entry?.id ?? null, means: 'model-metadata' };
    },
    infer,
    askTokens: openAiTokens(authorization, limitBytes),
  };
}

export function notOffered(address: string, model: string, known: readonly string[]): string {
  return `${address} offers ${known.join(', ') || 'no model'}, not ${model}`;
}
