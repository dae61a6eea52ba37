import type { IncomingHttpHeaders } from 'node:http';
import { topLevelMember } from './json-member';
import { asksForHealth, quoted, type Refusal } from './refusal';

/**
 * What an OpenAI-style server does with a `model` in a JSON body, and nothing else: at the same address it loads and
 * unloads the adapters of all versions, sleeps and wakes, by paths that a client must not reach through the route.
 */
const NAMING_PATHS = new Set([
  '/v1/chat/completions',
  '/v1/completions',
  '/v1/responses',
  '/v1/messages',
  '/v1/messages/count_tokens',
  '/v1/embeddings',
  '/v1/moderations',
  '/v1/rerank',
  '/v2/rerank',
  '/rerank',
  '/v1/score',
  '/score',
  '/classify',
  '/pooling',
  '/tokenize',
  '/detokenize',
]);
const LIST = '/v1/models';

export interface ModelNames {
  readonly public: string;
  /** The version's own name at its server. */
  readonly name: string;
}

export interface NamedRequest {
  readonly path: string;
  readonly body: Buffer | null;
}

/** A request that lists or shows models; its answer is about all of them. */
export function listsModels(method: string, url: string): boolean {
  const path = pathOf(url);
  return (method === 'GET' || method === 'HEAD') && (path === LIST || path.startsWith(`${LIST}/`));
}

/** The request as it must be sent for the version to answer; every byte of its body but the name stays as it came. */
export function selectModel(
  names: ModelNames,
  { method, url, headers }: { readonly method: string; readonly url: string; readonly headers: IncomingHttpHeaders },
  body: Buffer | null,
): NamedRequest | Refusal {
  const path = pathOf(url);
  if (method === 'OPTIONS' || asksForHealth(method, path)) return { path: url, body };
  if (method === 'GET' || method === 'HEAD') return selectListing(names, path);
  if (method !== 'POST' || !NAMING_PATHS.has(path)) return notOffered(method, path);
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    return {
      status: 415,
      reason: 'encoded-body',
      detail: `found content-encoding ${quoted(encoding)}, expected none: the gateway writes the version into the field model`,
    };
  }
  const type = headers['content-type'] ?? '';
  if (!/^application\/([\w.+-]+\+)?json\s*(;|$)/i.test(type)) {
    return {
      status: 415,
      reason: 'not-json',
      detail: `found content-type ${quoted(type)}, expected application/json: only in JSON the gateway can name the version (field model)`,
    };
  }
  return renamed(names, url, body ?? Buffer.alloc(0));
}

function renamed(names: ModelNames, url: string, body: Buffer): NamedRequest | Refusal {
  const member = topLevelMember(body, 'model');
  switch (member) {
    case 'no-json':
      return bad('not-json', 'the body is not JSON');
    case 'no-object':
      return bad('not-json', 'the body is JSON, but no object');
    case 'missing':
      return bad('model-missing', `the body has no field model, expected "model": ${JSON.stringify(names.public)}`);
    case 'twice':
      return bad('model-twice', 'the body has the field model twice, expected it once');
  }
  if (member.value !== names.public) {
    if (typeof member.value !== 'string') return bad('model-missing', 'the field model is no text');
    return unknownModel(names, member.value);
  }
  const parts = [body.subarray(0, member.from), Buffer.from(JSON.stringify(names.name)), body.subarray(member.to)];
  return { path: url, body: Buffer.concat(parts) };
}

function selectListing(names: ModelNames, path: string): NamedRequest | Refusal {
  if (path === LIST) return { path, body: null };
  if (!path.startsWith(`${LIST}/`)) return notOffered('GET', path);
  const asked = path.slice(LIST.length + 1);
  if (asked !== names.public && asked !== encodeURIComponent(names.public)) return unknownModel(names, asked);
  // vLLM takes the whole rest of the path for the name, slashes included.
  return { path: `${LIST}/${names.name.split('/').map(encodeURIComponent).join('/')}`, body: null };
}

/** The same words for a name that exists for the server and for one that does not: no client learns of other versions. */
function unknownModel(names: ModelNames, found: string): Refusal {
  const detail = `found the model ${quoted(found)}, expected ${JSON.stringify(names.public)}: this service offers no other, and the route alone decides which version of it answers`;
  return { status: 404, reason: 'unknown-model', detail };
}

function notOffered(method: string, path: string): Refusal {
  const detail = `found ${method} ${quoted(path)}, expected a request that names its model in JSON, such as POST /v1/chat/completions: others would reach all versions at this server`;
  return { status: 404, reason: 'not-offered', detail };
}

function bad(reason: string, detail: string): Refusal {
  return { status: 400, reason, detail };
}

function pathOf(url: string): string {
  const query = url.indexOf('?');
  return query < 0 ? url : url.slice(0, query);
}
