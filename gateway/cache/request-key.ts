import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/**
 * Headers that say how a request travels or who watches it, not what is asked. Every other one is part of the key,
 * credentials too: an answer is only given to a request that the model server could not tell from the first.
 */
const SAYS_NOTHING = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'host',
  'expect',
  'content-length',
  'user-agent',
  'date',
  'traceparent',
  'tracestate',
  'baggage',
  'x-request-id',
  'x-correlation-id',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-real-ip',
  'forwarded',
  'via',
  'x-lastgood-mirror',
  'x-lastgood-probe',
]);

/** The key of a request whose answer may be kept, or null: only JSON that is there whole, and that nobody asked to be fresh. */
export function keyOf(req: IncomingMessage, body: unknown, ignored: ReadonlySet<string>): string | null {
  const { headers, method } = req;
  if (method !== 'POST' || !Buffer.isBuffer(body)) return null;
  if (!/^application\/([\w.+-]+\+)?json\s*(;|$)/i.test(headers['content-type'] ?? '')) return null;
  if (headers['content-encoding'] !== undefined || headers.range !== undefined) return null;
  if (/\bno-(store|cache)\b/i.test(`${headers['cache-control'] ?? ''},${headers.pragma ?? ''}`)) return null;
  const hash = createHash('sha256').update(`${method} ${req.url ?? ''}\n`);
  for (const name of Object.keys(headers).sort()) {
    if (SAYS_NOTHING.has(name) || ignored.has(name)) continue;
    hash.update(`${name}\0${String(headers[name])}\n`);
  }
  return hash.update('\n').update(body).digest('base64');
}

/** Whether an answer may be given to others who ask the same. */
export function mayBeKept(status: number, headers: Record<string, string | string[] | undefined>): boolean {
  if (status !== 200 || headers['set-cookie'] !== undefined) return false;
  if (/\b(no-store|no-cache|private)\b/i.test(String(headers['cache-control'] ?? ''))) return false;
  if (variesBeyondKey(String(headers['vary'] ?? ''))) return false;
  return /^application\/([\w.+-]+\+)?json\s*(;|$)/i.test(String(headers['content-type'] ?? ''));
}

/** `*` names what is no header; a header that the site ignores changes no answer, whatever the server says. */
function variesBeyondKey(vary: string): boolean {
  return vary.split(',').some((name) => {
    const plain = name.trim().toLowerCase();
    return plain === '*' || SAYS_NOTHING.has(plain);
  });
}
