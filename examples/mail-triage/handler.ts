/** The routes of the inference server. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { CLASSES } from './corpus';
import type { FaultState } from './faults';
import { tokenIds } from './features';
import { BodyTooLarge, readBody, sendJson } from './http-bodies';
import { inferenceAnswer, MODEL_NAME, modelMetadata, parseInferenceRequest, RequestError } from './inference-protocol';
import type { LoadedVersion } from './loaded-version';
import type { MailCache } from './mail-cache';
import { classify } from './model';
import { metricsText, openCounters } from './server-metrics';

/** One line of the answers log. */
export interface Answered {
  /** The header `x-request-id`; null when the request had none. */
  requestId: string | null;
  version: string;
  digest: string;
  status: number;
}

export interface Handler {
  handle(request: IncomingMessage, response: ServerResponse): void;
  /** From now on the server is ready. */
  serve(loaded: LoadedVersion, cache: MailCache | undefined): void;
}

const BODY_LIMIT_BYTES = 4 * 1024 * 1024;

const MODEL_ROUTE = /^\/v2\/models\/([^/]+)(?:\/versions\/([^/]+))?(?:\/(ready|infer))?$/;

export function createHandler(faults: FaultState, log: (answered: Answered) => void): Handler {
  const counters = openCounters();
  let loaded: LoadedVersion | undefined;
  let cache: MailCache | undefined;

  const reply = (response: ServerResponse, status: number, body: unknown): void => {
    counters.count(status);
    sendJson(response, status, body);
  };

  const infer = async (serving: LoadedVersion, request: IncomingMessage): Promise<[number, unknown] | undefined> => {
    const body = await readBody(request, BODY_LIMIT_BYTES);
    const encounter = faults.encounter();
    switch (encounter.act) {
      case 'error':
        return [500, { error: 'internal error' }];
      case 'hang':
        return undefined;
      case 'delay':
        await new Promise((resolve) => setTimeout(resolve, encounter.delayMs));
        break;
      case 'answer':
        break;
    }
    const { id, text, outputs } = parseInferenceRequest(body);
    const startedMs = performance.now();
    const read = text.slice(0, serving.preprocessing.maxCharacters);
    const prediction = faults.distort(classify(serving.model, serving.tokenizer, read));
    counters.inference(performance.now() - startedMs);
    cache?.add();
    const tokens = outputs.includes('tokens') ? Array.from(tokenIds(read, serving.tokenizer)) : [];
    return [200, inferenceAnswer({ prediction, tokens }, outputs, serving.version, serving.digest, id)];
  };

  const answer = async (serving: LoadedVersion, request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const outcome = await infer(serving, request).catch((error: Error): [number, unknown] => {
      return [statusOf(error), { error: error.message }];
    });
    // A hanging request is never answered; its client or the end of the process closes it.
    if (!outcome) return;
    const [status, body] = outcome;
    const requestId = request.headers['x-request-id'];
    log({
      requestId: typeof requestId === 'string' ? requestId : null,
      version: serving.version,
      digest: serving.digest,
      status,
    });
    reply(response, status, body);
  };

  const model = (path: RegExpExecArray, request: IncomingMessage, response: ServerResponse): void => {
    const [, name, version, act] = path;
    if (name !== MODEL_NAME) return reply(response, 404, { error: `model ${name}: unknown, this is ${MODEL_NAME}` });
    if (!loaded) return reply(response, 503, { error: 'the model is not loaded yet' });
    if (version !== undefined && version !== loaded.version) {
      return reply(response, 404, { error: `version ${version}: not served, this is ${loaded.version}` });
    }
    const method = act === 'infer' ? 'POST' : 'GET';
    if (request.method !== method) return reply(response, 405, { error: `${request.method}: expected ${method}` });
    if (act === 'ready') return reply(response, 200, { name: MODEL_NAME, ready: true });
    if (act !== 'infer') {
      return reply(response, 200, modelMetadata(loaded.version, loaded.digest, CLASSES.length));
    }
    counters.inFlight(1);
    response.once('close', () => counters.inFlight(-1));
    void answer(loaded, request, response);
  };

  return {
    serve: (version, mailCache) => {
      loaded = version;
      cache = mailCache;
    },
    handle: (request, response) => {
      const path = (request.url ?? '/').split('?')[0] as string;
      const found = MODEL_ROUTE.exec(path);
      if (found) return model(found, request, response);
      switch (path) {
        case '/v2/health/live':
          return reply(response, 200, { live: true });
        case '/v2/health/ready':
          return reply(response, loaded ? 200 : 503, { ready: loaded !== undefined });
        case '/v2':
          return reply(response, 200, { name: 'mail-triage-server', version: '1', extensions: [] });
        case '/metrics': {
          const text = metricsText(counters, loaded, cache?.heldBytes() ?? 0);
          response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
          response.end(text);
          return;
        }
        default:
          return reply(response, 404, { error: `${path}: unknown` });
      }
    },
  };
}

function statusOf(error: Error): number {
  if (error instanceof RequestError) return 400;
  return error instanceof BodyTooLarge ? 413 : 500;
}
