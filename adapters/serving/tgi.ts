import { z } from 'zod';
import type { Engine } from '../../activities/ports';
import type { Json } from '../../domain/ledger';
import { askCanary } from './canary';
import { digestInPath } from './content-path';
import { readWork, type CountersAt } from './engine-counters';
import { EngineAnswerRefused } from './errors';
import { answerJson, httpCall } from './http';
import { fingerprint, headerIdentity } from './identity';
import { completionOf, openAiCalls, readyUnless, type OpenAiOptions } from './openai';
import { openAiTokens } from './tokens';

export interface TgiOptions extends OpenAiOptions {
  /** Body that proves readiness: `inputs` for `/generate`, else as for inference; one token by default. */
  readonly canary?: Json;
}

const infoSchema = z.object({ model_id: z.string().min(1), model_sha: z.string().nullish(), version: z.string() });
const generatedSchema = z.union([
  z.object({ generated_text: z.string() }),
  z.object({ choices: z.array(z.unknown()).min(1) }),
]);

/**
 * Text Generation Inference, written from its documentation and its source: it was never run here. It serves one model and
 * ignores the model's name in a request; what it loaded is the `model_id` of `/info`, by its content-addressed path, or as
 * `model_id@model_sha` where it came from a hub. Another version is another process: it loads and unloads nothing.
 */
export function tgiEngine(options: TgiOptions = {}): Engine {
  const { limitBytes, authorization, infer } = openAiCalls(options);
  const canaryBody = options.canary ?? { inputs: 'ready', parameters: { max_new_tokens: 1 } };
  const at = (address: string, timeoutMs: number): CountersAt => ({
    address,
    timeoutMs,
    limitBytes,
    headers: authorization,
  });

  return {
    name: 'tgi',
    async ready(address, model, { timeoutMs }) {
      return await readyUnless(async () => {
        const health = await httpCall({ url: `${address}/health`, method: 'GET', timeoutMs, limitBytes });
        if (health.status !== 200) return { ready: false, why: `${address}/health answered ${health.status}` };
        const { chat, path, fields } = completionOf(canaryBody);
        const generate = !chat && 'inputs' in fields;
        return await askCanary(at(address, timeoutMs), {
          path: generate ? '/generate' : path,
          body: JSON.stringify(generate ? fields : { model, ...fields, stream: false }),
          isAnswer: (json) => generatedSchema.safeParse(json).success,
          progress: ['tgi_batch_inference_count', 'tgi_batch_inference_success'],
        });
      });
    },
    async identity(address, model, { timeoutMs }) {
      const url = `${address}/info`;
      const answer = await httpCall({ url, method: 'GET', timeoutMs, limitBytes, headers: authorization });
      if (answer.status !== 200) throw new EngineAnswerRefused(`${url} answered ${answer.status}`);
      const header = headerIdentity(answer.headers, options);
      if (header.digest !== null) return { ...header, means: 'response-header' };
      const parsed = infoSchema.safeParse(answerJson(url, answer));
      if (!parsed.success) throw new EngineAnswerRefused(`${url}: ${z.prettifyError(parsed.error)}`);
      const { model_id: id, model_sha: sha } = parsed.data;
      const digest = digestInPath(id);
      if (digest !== null) return { digest, version: null, means: 'model-metadata' };
      const version = (sha ?? '') === '' ? id : `${id}@${sha}`;
      const { fingerprintProbes } = options;
      if (fingerprintProbes === undefined) return { digest: null, version, means: 'model-metadata' };
      const answers = await fingerprint(fingerprintProbes, (body) => infer(address, model, body, { timeoutMs }));
      return { digest: answers, version, means: 'probe-fingerprint' };
    },
    infer,
    askTokens: openAiTokens(authorization, limitBytes),
    work: (address, { timeoutMs }) =>
      readWork(at(address, timeoutMs), { running: 'tgi_batch_current_size', waiting: 'tgi_queue_size' }),
  };
}
