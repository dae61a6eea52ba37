import { createHash } from 'node:crypto';

interface Redis {
  get(key: string): Promise<string | null>;
  set(key: string, value: string, options: { PX: number }): Promise<unknown>;
  hIncrBy(key: string, field: string, by: number): Promise<unknown>;
}
interface Asked {
  readonly version: string;
  readonly answer: unknown;
}

/* How an application uses a cache that lastgood keeps right; the text between the marks stands in docs/caches.md too. */
// begin
/** `ask` asks the service and resolves to the answer and the header `x-lastgood-version`. */
export async function cachedAnswer(redis: Redis, question: unknown, ask: () => Promise<Asked>): Promise<unknown> {
  const text = await redis.get('lastgood:mail-triage:responses:gen').catch(() => null);
  if (text === null) return (await ask()).answer; // no pointer, no cache
  const { tag, ttlMs, version } = JSON.parse(text) as { tag: string; ttlMs: number; version: string };
  const hash = createHash('sha256').update(JSON.stringify(question)).digest('base64url');
  const key = `mail-triage:responses:${tag}:${hash}`; // the tag that was read before the model is asked
  const found = await redis.get(key).catch(() => null);
  // What was found, told for `auto`; in a busy application add it up and tell it every few seconds.
  void redis.hIncrBy('lastgood:mail-triage:responses:use', found === null ? 'misses' : 'hits', 1).catch(() => null);
  if (found !== null) return JSON.parse(found) as unknown;
  const asked = await ask();
  // A pinned session, a stage or a request that was overtaken is answered by another version: not kept.
  if (asked.version === version) await redis.set(key, JSON.stringify(asked.answer), { PX: ttlMs }).catch(() => null);
  return asked.answer;
}
// end
