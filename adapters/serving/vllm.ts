import { z } from 'zod';
import type { Engine } from '../../activities/ports';
import type { Json } from '../../domain/ledger';
import { askCanary } from './canary';
import { digestInPath } from './content-path';
import { readSeries, readWork, type CountersAt } from './engine-counters';
import { EngineAnswerRefused } from './errors';
import { answerJson, httpCall } from './http';
import { fingerprint, headerIdentity } from './identity';
import { completionOf, notOffered, openAiCalls, readyUnless, type OfferedModel, type OpenAiOptions } from './openai';
import { openAiTokens } from './tokens';

export interface VllmOptions extends OpenAiOptions {
  /** Body of the completion that proves readiness, `messages` for a chat; one token by default. */
  readonly canary?: Json;
}

const sleepingSchema = z.object({ is_sleeping: z.boolean() });
const answerSchema = z.object({ choices: z.array(z.unknown()).min(1) });
const wholeDigest = /(?:^|@)(sha256:[0-9a-f]{64})$/;

/**
 * vLLM (facts of 0.32). Its `/health` says 200 while it is paused or sleeps, drains, or will die at the first request: ready is a
 * completion that was answered. What it loaded is known by the content-addressed path that it was started with (`root` in
 * `/v1/models`), or by a second served name that is the digest and has the same root. It counts its requests itself.
 */
export function vllmEngine(options: VllmOptions = {}): Engine {
  const { limitBytes, authorization, models, infer } = openAiCalls(options);
  const canaryBody = options.canary ?? { prompt: 'ready', max_tokens: 1, temperature: 0 };
  const at = (address: string, timeoutMs: number): CountersAt => ({
    address,
    timeoutMs,
    limitBytes,
    headers: authorization,
  });

  /**
   * Only a server in development mode has sleep mode's routes; without them it can do neither. `/is_sleeping` is true for one
   * that is only paused, too: whether the weights are away is told by a metric.
   */
  async function restOf(address: string, timeoutMs: number): Promise<'awake' | 'paused' | 'asleep'> {
    const url = `${address}/is_sleeping`;
    const answer = await httpCall({ url, method: 'GET', timeoutMs, limitBytes, headers: authorization });
    if (answer.status !== 200) return 'awake';
    if (sleepingSchema.safeParse(answerJson(url, answer)).data?.is_sleeping !== true) return 'awake';
    const states = await readSeries(at(address, timeoutMs), ['vllm:engine_sleep_state']);
    const awake = states.filter(({ labels }) => labels['sleep_state'] === 'awake');
    return awake.length > 0 && awake.every(({ value }) => value === 1) ? 'paused' : 'asleep';
  }

  return {
    name: 'vllm',
    async ready(address, model, { timeoutMs }) {
      return await readyUnless(async () => {
        const health = await httpCall({ url: `${address}/health`, method: 'GET', timeoutMs, limitBytes });
        if (health.status !== 200) return { ready: false, why: `${address}/health answered ${health.status}` };
        const [offered, rest] = await Promise.all([models(address, timeoutMs), restOf(address, timeoutMs)]);
        const known = offered.models.map(({ id }) => id);
        if (!known.includes(model)) return { ready: false, why: notOffered(address, model, known) };
        // No request for an engine that sleeps: it would wait for ever, or end it.
        if (rest === 'asleep') return { ready: false, asleep: true, why: `${address} sleeps: its weights are away` };
        if (rest === 'paused')
          return { ready: false, why: `${address} is paused: requests wait until somebody posts to /resume` };
        const { path, fields } = completionOf(canaryBody);
        return await askCanary(at(address, timeoutMs), {
          path,
          body: JSON.stringify({ model, ...fields, stream: false }),
          isAnswer: (json) => answerSchema.safeParse(json).success,
          progress: ['vllm:generation_tokens_total', 'vllm:prompt_tokens_total'],
        });
      });
    },
    async identity(address, model, { timeoutMs }) {
      const found = await models(address, timeoutMs);
      const header = headerIdentity(found.headers, options);
      if (header.digest !== null) return { ...header, means: 'response-header' };
      const entry = found.models.find(({ id }) => id === model);
      if (entry === undefined) {
        throw new EngineAnswerRefused(
          notOffered(
            address,
            model,
            found.models.map(({ id }) => id),
          ),
        );
      }
      const digest = digestOf(entry, found.models);
      if (digest !== null) return { digest, version: null, means: 'model-metadata' };
      const { fingerprintProbes } = options;
      if (fingerprintProbes !== undefined) {
        const answers = await fingerprint(fingerprintProbes, (body) => infer(address, model, body, { timeoutMs }));
        return { digest: answers, version: entry.root ?? null, means: 'probe-fingerprint' };
      }
      return { digest: null, version: entry.root ?? entry.id, means: 'model-metadata' };
    },
    infer,
    askTokens: openAiTokens(authorization, limitBytes),
    work: (address, { timeoutMs }) =>
      readWork(at(address, timeoutMs), { running: 'vllm:num_requests_running', waiting: 'vllm:num_requests_waiting' }),
    async wake(address, { timeoutMs }) {
      const url = `${address}/wake_up`;
      const answer = await httpCall({ url, method: 'POST', timeoutMs, limitBytes, headers: authorization });
      if (answer.status !== 200)
        throw new EngineAnswerRefused(`${url} answered ${answer.status}: ${answer.text.slice(0, 200)}`);
      const rest = await restOf(address, timeoutMs);
      if (rest !== 'awake') throw new EngineAnswerRefused(`${address} was woken and is still ${rest}`);
    },
  };
}

/**
 * What an entry was loaded from, where that is known by its digest. A name that is a digest belongs to the entries of the
 * same root: several names of one model, given by whoever started the server.
 */
export function digestOf(entry: OfferedModel, offered: readonly OfferedModel[]): string | null {
  const { root, id, parent } = entry;
  const inPath = typeof root === 'string' ? digestInPath(root) : null;
  if (inPath !== null) return inPath;
  const names = offered.filter((other) => other.root === root && (other.parent ?? null) === (parent ?? null));
  for (const name of [id, ...names.map((other) => other.id)]) {
    const digest = wholeDigest.exec(name)?.[1];
    if (digest !== undefined) return digest;
  }
  return null;
}
