import type { Engine } from '../../activities/ports';
import { outputsAt, valueAt } from './answer-paths';
import { EngineAnswerRefused, EngineUnreachable } from './errors';
import { answerJson, httpCall, modelPath } from './http';
import { fingerprint, headerIdentity, type IdentityOptions } from './identity';

export interface PlainHttpOptions extends IdentityOptions {
  /** Path that answers 2xx when the server is ready. */
  readonly readyPath: string;
  /** Path that inference is posted to; `{model}` stands for the model's name. */
  readonly inferPath: string;
  /** Output name → path in the answer, e.g. `{label: 'result.label'}`. */
  readonly outputs: Readonly<Record<string, string>>;
  /** Path that answers JSON about the loaded model, and where in it digest and version stand. */
  readonly identity?: { readonly path: string; readonly digest?: string; readonly version?: string };
  readonly limitBytes?: number;
}

/** Any HTTP server with JSON in and out, described by configured paths. */
export function plainHttpEngine(options: PlainHttpOptions): Engine {
  const limitBytes = options.limitBytes ?? 4 * 1024 * 1024;
  const at = (address: string, path: string, model: string): string =>
    `${address}${path.replaceAll('{model}', modelPath(model))}`;

  const infer: Engine['infer'] = async (address, model, body, { timeoutMs, headers }) => {
    const url = at(address, options.inferPath, model);
    const call = { url, method: 'POST' as const, body: JSON.stringify(body), timeoutMs, limitBytes };
    const answer = await httpCall(headers === undefined ? call : { ...call, headers });
    const good = answer.status >= 200 && answer.status < 300;
    const outputs = good ? outputsAt(answerJson(url, answer), options.outputs) : {};
    return { status: answer.status, ms: answer.ms, outputs, headers: answer.headers };
  };

  return {
    name: 'plain-http',
    async ready(address, model, { timeoutMs }) {
      const url = at(address, options.readyPath, model);
      try {
        const { status } = await httpCall({ url, method: 'GET', timeoutMs, limitBytes });
        return { ready: status >= 200 && status < 300, why: `${url} answered ${status}` };
      } catch (fault) {
        if (fault instanceof EngineUnreachable || fault instanceof EngineAnswerRefused) {
          return { ready: false, why: fault.message };
        }
        throw fault;
      }
    },
    async identity(address, model, { timeoutMs }) {
      const url = at(address, options.identity?.path ?? options.readyPath, model);
      const answer = await httpCall({ url, method: 'GET', timeoutMs, limitBytes });
      if (options.identity !== undefined && answer.status === 200) {
        const json = answerJson(url, answer);
        const read = (path: string | undefined): string | null => {
          const value = path === undefined ? undefined : valueAt(json, path);
          return typeof value === 'string' || typeof value === 'number' ? String(value) : null;
        };
        const digest = read(options.identity.digest);
        const version = read(options.identity.version);
        if (digest !== null || version !== null) return { digest, version, means: 'reported-digest' };
      }
      const header = headerIdentity(answer.headers, options);
      if (header.digest !== null || header.version !== null) return { ...header, means: 'response-header' };
      const digest = await fingerprint(options.fingerprintProbes ?? [], (body) =>
        infer(address, model, body, { timeoutMs }),
      );
      return { digest, version: null, means: 'probe-fingerprint' };
    },
    infer,
  };
}
