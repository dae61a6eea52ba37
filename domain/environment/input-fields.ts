/** What stands at one place of an input. `list` and `object` have no value of their own beside their form. */
export type FieldKind = 'null' | 'boolean' | 'number' | 'text' | 'list' | 'object' | 'redacted';

export interface FieldValue {
  readonly kind: FieldKind;
  /** The number itself, the length of a text in characters, the items of a list. */
  readonly number: number | null;
  /** A short text or a truth value as it is; it stays in memory and never reaches an alert. */
  readonly category: string | null;
}

/** One input, reduced to what its quality is judged by: at most {@link PATHS_MAX} places, none of its long texts. */
export interface ReducedInput {
  readonly atMs: number;
  /** Tells repeats of the same input apart from new ones. */
  readonly digest: number;
  /** Null: the body is not what its content type says. */
  readonly fields: ReadonlyMap<string, FieldValue> | null;
}

export const PATHS_MAX = 64;
/** Written by the gateway in the place of a redacted field. */
export const REDACTED_TEXT = '[redacted]';

const DEPTH_MAX = 8;
/** Numbers by their place (a row of features); a longer list is a vector or a sequence, told by its length and mean. */
const PLACES_MAX = 32;
const CATEGORY_MAX = 64;
const PATH_MAX = 120;
const ITEMS_MAX = 1_000;
/** Keys of an object that are names of fields; an object with others is a map by data, whose keys are inputs of users. */
const FIELD_NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,47}$/;
const KEYS_MAX = 48;

/**
 * A request as places and values. JSON is walked: `user.age`, `data[0]` in short lists of numbers, `inputs[name=text]`
 * where the items of a list have names, else the last item as `messages[]`. `#length` is a list's, `#mean` that of a long
 * list of numbers, `#non-ascii` the share of such characters in a text. Any other body is one text at `(body)`.
 */
export function reduceInput(sample: {
  readonly atMs: number;
  readonly path: string;
  readonly contentType: string;
  readonly body: string;
}): ReducedInput {
  const fields = new Map<string, FieldValue>();
  const { atMs, body, path, contentType } = sample;
  const digest = textDigest(body);
  put(fields, '(endpoint)', { kind: 'text', number: null, category: path.split('?')[0]?.slice(0, CATEGORY_MAX) ?? '' });
  if (!/^application\/([\w.+-]+\+)?json\b/i.test(contentType)) {
    putText(fields, '(body)', body);
    return { atMs, digest, fields };
  }
  try {
    walk(fields, '', JSON.parse(body), 0);
  } catch {
    return { atMs, digest, fields: null };
  }
  return { atMs, digest, fields };
}

/** Places that are made from another one's value: they are missing where it is. */
export function isDerived(path: string): boolean {
  return path.includes('#');
}

/** The place that a derived one is made from. */
export function ownerOf(path: string): string {
  return path.split('#')[0] ?? path;
}

function walk(fields: Map<string, FieldValue>, path: string, value: unknown, depth: number): void {
  if (fields.size >= PATHS_MAX || depth > DEPTH_MAX || path.length > PATH_MAX) return;
  const at = path === '' ? '(body)' : path;
  if (value === null) put(fields, at, { kind: 'null', number: null, category: null });
  else if (typeof value === 'string') putText(fields, at, value);
  else if (typeof value === 'number')
    put(fields, at, { kind: 'number', number: Number.isFinite(value) ? value : null, category: null });
  else if (typeof value === 'boolean') put(fields, at, { kind: 'boolean', number: null, category: String(value) });
  else if (Array.isArray(value)) walkList(fields, path, value, depth);
  else if (typeof value === 'object') walkObject(fields, path, value as Record<string, unknown>, depth);
}

function walkObject(
  fields: Map<string, FieldValue>,
  path: string,
  value: Record<string, unknown>,
  depth: number,
): void {
  const keys = Object.keys(value);
  if (path !== '') put(fields, path, { kind: 'object', number: null, category: null });
  if (keys.length > KEYS_MAX || !keys.every((key) => FIELD_NAME.test(key))) {
    put(fields, `${path === '' ? '(body)' : path}#keys`, number(keys.length));
    return;
  }
  for (const key of keys) walk(fields, path === '' ? key : `${path}.${key}`, value[key], depth + 1);
}

function walkList(fields: Map<string, FieldValue>, path: string, items: readonly unknown[], depth: number): void {
  const at = path === '' ? '(body)' : path;
  put(fields, at, { kind: 'list', number: null, category: null });
  put(fields, `${at}#length`, number(items.length));
  const some = items.slice(0, ITEMS_MAX);
  if (some.length > PLACES_MAX && some.every((item) => typeof item === 'number')) {
    put(fields, `${at}#mean`, number(some.reduce((sum: number, item) => sum + Number(item), 0) / some.length));
    return;
  }
  const named = some.slice(0, PLACES_MAX).map(nameOf);
  if (named.length > 0 && named.every((name) => name !== null) && new Set(named).size === some.length) {
    some.forEach((item, index) => {
      const { name: _, ...rest } = item as Record<string, unknown>;
      walk(fields, `${path}[name=${named[index] ?? ''}]`, rest, depth + 1);
    });
    return;
  }
  if (some.length <= PLACES_MAX && some.every((item) => typeof item !== 'object' || item === null)) {
    some.forEach((item, index) => walk(fields, `${path}[${index}]`, item, depth + 1));
    return;
  }
  // The newest turn of a conversation is what is new in it.
  const last = items[items.length - 1];
  if (last !== undefined) walk(fields, `${path}[]`, last, depth + 1);
}

function nameOf(item: unknown): string | null {
  if (typeof item !== 'object' || item === null) return null;
  const { name } = item as { name?: unknown };
  return typeof name === 'string' && FIELD_NAME.test(name) ? name : null;
}

function putText(fields: Map<string, FieldValue>, path: string, text: string): void {
  if (text === REDACTED_TEXT) {
    put(fields, path, { kind: 'redacted', number: null, category: null });
    return;
  }
  const category = text.length <= CATEGORY_MAX ? text : null;
  put(fields, path, { kind: 'text', number: text.length, category });
  put(fields, `${path}#non-ascii`, number(nonAsciiShare(text)));
}

function put(fields: Map<string, FieldValue>, path: string, value: FieldValue): void {
  if (fields.size < PATHS_MAX) fields.set(path, value);
}

function number(value: number): FieldValue {
  return { kind: 'number', number: value, category: null };
}

function nonAsciiShare(text: string): number {
  const looked = Math.min(text.length, 4_096);
  if (looked === 0) return 0;
  let foreign = 0;
  for (let at = 0; at < looked; at += 1) if (text.charCodeAt(at) > 127) foreign += 1;
  return foreign / looked;
}

/** 53 bits of two FNV-1a hashes: enough to see a repeat among some thousand inputs, of no use against anybody. */
function textDigest(text: string): number {
  let low = 0x811c9dc5;
  let high = 0xcbf29ce4;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    low = Math.imul(low ^ code, 0x01000193);
    high = Math.imul(high ^ (code + at), 0x01000193);
  }
  return (low >>> 0) + ((high >>> 11) & 0x1fffff) * 0x1_0000_0000;
}
