/** `preprocessing.json`: what happens to a mail before the tokenizer, and which caches the runtime keeps for it. */

/** A cache of prepared mails. Without eviction it grows until the process dies: that is the fault of version 1.4. */
export interface PreparedMailCache {
  bytesPerMail: number;
  evict: boolean;
  /** The cache takes at most this much a second; above it mails are not cached. */
  maxBytesPerSecond: number;
  /** What the host lets the process have for it; beyond, the process is killed as the kernel would do it. */
  limitBytes: number;
}

export interface Preprocessing {
  schema: 1;
  version: string;
  /** Characters of a mail that are read. */
  maxCharacters: number;
  runtime?: { preparedMailCache: PreparedMailCache };
}

const VERSIONS = ['2', '3'];

/** @throws Error naming the field, what was found and what was expected */
export function parsePreprocessing(json: string): Preprocessing {
  const value = JSON.parse(json) as Record<string, unknown>;
  const expect = (place: string, found: unknown, ok: boolean, expected: string): void => {
    if (!ok) throw new Error(`preprocessing.json: ${place}: found ${JSON.stringify(found)}, expected ${expected}`);
  };
  expect('schema', value['schema'], value['schema'] === 1, '1');
  expect('version', value['version'], VERSIONS.includes(String(value['version'])), `one of ${VERSIONS.join(', ')}`);
  expect('maxCharacters', value['maxCharacters'], isSize(value['maxCharacters']), 'a positive integer');
  const runtime = value['runtime'] as { preparedMailCache?: Record<string, unknown> } | undefined;
  if (runtime !== undefined) {
    const cache = runtime.preparedMailCache ?? {};
    for (const key of ['bytesPerMail', 'maxBytesPerSecond', 'limitBytes']) {
      expect(`runtime.preparedMailCache.${key}`, cache[key], isSize(cache[key]), 'a positive integer');
    }
    expect('runtime.preparedMailCache.evict', cache['evict'], typeof cache['evict'] === 'boolean', 'true or false');
  }
  return value as unknown as Preprocessing;
}

function isSize(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) > 0;
}
