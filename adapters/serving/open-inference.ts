import { z } from 'zod';
import type { Engine } from '../../activities/ports';
import type { Json } from '../../domain/ledger';
import { EngineAnswerRefused, EngineUnreachable } from './errors';
import { fingerprint, headerIdentity, type IdentityOptions } from './identity';
import { answerJson, httpCall, modelPath, type HttpAnswer } from './http';
import { openInferenceTokens } from './tokens';

export interface OpenInferenceOptions extends IdentityOptions {
  readonly limitBytes?: number;
}

const parameters = z.record(z.string(), z.unknown()).optional();
const metadataSchema = z.object({ name: z.string().optional(), versions: z.array(z.string()).optional(), parameters });
const inferSchema = z.object({
  model_version: z.string().optional(),
  parameters,
  outputs: z.array(z.object({ name: z.string(), data: z.array(z.unknown()) })),
});

/**
 * Open Inference Protocol (KServe v2, Triton).
 *
 * Ready means both: the server's `/v2/health/ready` and the model's `/v2/models/{m}/ready`, each where it is offered.
 * A Triton that once failed a load answers 400 on the server's path for good although the model serves; with
 * `modelReadyOnly` the model's path alone decides.
 */
export function openInferenceEngine(options: OpenInferenceOptions & { modelReadyOnly?: boolean } = {}): Engine {
  const limitBytes = options.limitBytes ?? 4 * 1024 * 1024;
  const get = (url: string, timeoutMs: number): Promise<HttpAnswer> =>
    httpCall({ url, method: 'GET', timeoutMs, limitBytes });

  async function readyAt(url: string, timeoutMs: number): Promise<'ready' | 'not offered' | string> {
    try {
      const answer = await get(url, timeoutMs);
      if (answer.status === 200) return 'ready';
      if (answer.status === 404 || answer.status === 405) return 'not offered';
      return `${url} answered ${answer.status}`;
    } catch (fault) {
      if (fault instanceof EngineUnreachable || fault instanceof EngineAnswerRefused) return fault.message;
      throw fault;
    }
  }

  const infer: Engine['infer'] = async (address, model, body, { timeoutMs, headers }) => {
    const url = `${address}/v2/models/${modelPath(model)}/infer`;
    const call = { url, method: 'POST' as const, body: JSON.stringify(body), timeoutMs, limitBytes };
    const answer = await httpCall(headers === undefined ? call : { ...call, headers });
    return { status: answer.status, ms: answer.ms, outputs: firstData(url, answer), headers: answer.headers };
  };

  return {
    name: 'open-inference',
    async ready(address, model, { timeoutMs }) {
      const ofModel = await readyAt(`${address}/v2/models/${modelPath(model)}/ready`, timeoutMs);
      if (ofModel !== 'ready' && ofModel !== 'not offered') return { ready: false, why: ofModel };
      if (options.modelReadyOnly && ofModel === 'ready') return { ready: true, why: 'the model is ready' };
      const ofServer = await readyAt(`${address}/v2/health/ready`, timeoutMs);
      if (ofServer === 'ready') {
        return { ready: true, why: ofModel === 'ready' ? 'server and model are ready' : 'the server is ready' };
      }
      if (ofServer === 'not offered' && ofModel === 'ready') return { ready: true, why: 'the model is ready' };
      return { ready: false, why: ofServer === 'not offered' ? `${address} offers no readiness path` : ofServer };
    },
    async identity(address, model, { timeoutMs }) {
      const url = `${address}/v2/models/${modelPath(model)}`;
      const answer = await get(url, timeoutMs);
      if (answer.status !== 200) throw new EngineAnswerRefused(`${url} answered ${answer.status}`);
      const metadata = metadataSchema.safeParse(answerJson(url, answer));
      if (!metadata.success) throw new EngineAnswerRefused(`${url}: ${z.prettifyError(metadata.error)}`);
      const versions = metadata.data.versions ?? [];
      const version =
        textParameter(metadata.data.parameters, 'version') ?? (versions.length === 1 ? (versions[0] ?? null) : null);
      const digest = textParameter(metadata.data.parameters, 'digest');
      if (digest !== null) return { digest, version, means: 'model-metadata' };
      const header = headerIdentity(answer.headers, options);
      if (header.digest !== null) return { ...header, version: header.version ?? version, means: 'response-header' };
      if (options.fingerprintProbes === undefined) return { digest: null, version, means: 'model-metadata' };
      return fingerprintOrReport(address, model, timeoutMs, version);
    },
    infer,
    askTokens: openInferenceTokens(limitBytes),
  };

  /** Without a digest in the metadata an answer may still carry one; failing that, the answers themselves identify. */
  async function fingerprintOrReport(
    address: string,
    model: string,
    timeoutMs: number,
    version: string | null,
  ): Promise<Awaited<ReturnType<Engine['identity']>>> {
    const probes = options.fingerprintProbes ?? [];
    const first = probes[0];
    if (first !== undefined) {
      const url = `${address}/v2/models/${modelPath(model)}/infer`;
      const answer = await httpCall({ url, method: 'POST', body: JSON.stringify(first), timeoutMs, limitBytes });
      const header = headerIdentity(answer.headers, options);
      if (header.digest !== null)
        return { digest: header.digest, version: header.version ?? version, means: 'response-header' };
      const parsed = inferSchema.safeParse(answer.status === 200 ? answerJson(url, answer) : null);
      const digest = parsed.success ? textParameter(parsed.data.parameters, 'digest') : null;
      if (digest !== null) return { digest, version, means: 'reported-digest' };
    }
    const digest = await fingerprint(probes, (body) => infer(address, model, body, { timeoutMs }));
    return { digest, version, means: 'probe-fingerprint' };
  }
}

function textParameter(found: Readonly<Record<string, unknown>> | undefined, name: string): string | null {
  const value = found?.[name];
  return typeof value === 'string' && value.length > 0 && value.length <= 200 ? value : null;
}

/** The first datum of each output; what failed has no outputs. */
function firstData(url: string, answer: HttpAnswer): Record<string, string | number> {
  if (answer.status < 200 || answer.status > 299) return {};
  const parsed = inferSchema.safeParse(answerJson(url, answer));
  if (!parsed.success) throw new EngineAnswerRefused(`${url}: ${z.prettifyError(parsed.error)}`);
  const outputs: Record<string, string | number> = {};
  for (const { name, data } of parsed.data.outputs) {
    const first: unknown = Array.isArray(data[0]) ? (data[0] as Json[])[0] : data[0];
    if (typeof first === 'string' || typeof first === 'number') outputs[name] = first;
    else if (typeof first === 'boolean') outputs[name] = String(first);
  }
  return outputs;
}
