import fc from 'fast-check';

/** Names that every object of JavaScript has, and other words that mean something to somebody. */
const WORDS = [
  '__proto__',
  'constructor',
  'toString',
  'valueOf',
  'hasOwnProperty',
  'prototype',
  'length',
  'then',
  'toJSON',
  '',
  ' ',
  '.',
  '..',
  '../../etc/passwd',
  '/etc/passwd',
  'C:\\x',
  '%2e%2e%2f',
  '\u0000',
  'a\u0000b',
  '\n',
  'a\r\nx: y',
  '\u202e',
  '\ud800',
  '\uffff',
  'NaN',
  '-0',
  '1e999',
  '0x10',
  'null',
  'true',
  '[]',
  '{}',
  '${7*7}',
  '{{7*7}}',
  "' OR 1=1 --",
  '"',
  '`id`',
  '$(id)',
  '<script>',
  'http://169.254.169.254/',
  'file:///etc/passwd',
  'a'.repeat(65),
  'x'.repeat(5_000),
  '9'.repeat(400),
  '(a+)+$',
  '1970-01-01T00:00:00Z',
  '+275760-09-13T00:00:00.001Z',
  'PT1H',
  '9999999999d',
];
const NUMBERS = [
  0,
  -0,
  -1,
  1,
  0.5,
  1e-320,
  1e308,
  -1e308,
  2 ** 31,
  2 ** 53,
  2 ** 53 + 2,
  Number.MAX_SAFE_INTEGER,
  8.64e15,
  8.64e15 + 1,
  65_536,
];

export const hostileText: fc.Arbitrary<string> = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...WORDS) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 200 }) },
);

/** Lists and objects in each other, deeper than anybody writes them. */
const deep = fc.integer({ min: 1, max: 1_500 }).map((levels): unknown => {
  let value: unknown = 0;
  for (let level = 0; level < levels; level += 1) value = level % 2 === 0 ? [value] : { a: value };
  return value;
});

/** Own properties with names of the prototype, as only `JSON.parse` makes them. */
const poisoned = fc
  .constantFrom(
    '{"__proto__":{"admin":true}}',
    '{"constructor":{"prototype":{}}}',
    '{"toString":1,"valueOf":2}',
    '{"__proto__":null}',
    '{"length":-1}',
  )
  .map((text) => JSON.parse(text) as unknown);

export const hostileJson: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: hostileText },
  { weight: 3, arbitrary: fc.constantFrom<unknown>(...NUMBERS) },
  { weight: 2, arbitrary: fc.constantFrom<unknown>(null, true, false, [], {}, [[]], [null], { a: null }) },
  { weight: 1, arbitrary: poisoned },
  { weight: 1, arbitrary: deep },
  { weight: 1, arbitrary: fc.integer({ min: 100, max: 20_000 }).map((n) => Array.from({ length: n }, (_, at) => at)) },
  { weight: 2, arbitrary: fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<unknown> },
);

interface Change {
  readonly at: number;
  readonly how: 'replace' | 'remove' | 'add' | 'rename' | 'twice' | 'wrap';
  readonly key: string;
  readonly value: unknown;
}

const change: fc.Arbitrary<Change> = fc.record({
  at: fc.nat(100_000),
  how: fc.constantFrom('replace', 'replace', 'replace', 'remove', 'add', 'rename', 'twice', 'wrap'),
  key: hostileText,
  value: hostileJson,
});

/** A good value with one to four places that are no longer so: what a schema must look at to the end. */
export function mutated(good: readonly unknown[]): fc.Arbitrary<unknown> {
  return fc
    .tuple(fc.nat(good.length - 1), fc.array(change, { minLength: 1, maxLength: 4 }))
    .map(([which, changes]) => changes.reduce<unknown>(changed, copy(good[which])));
}

type Holder = { readonly in: Record<string, unknown> | unknown[]; readonly key: string };

function changed(root: unknown, { at, how, key, value: given }: Change): unknown {
  // Constants are given more than once, and a later change must not change them.
  const value = copy(given);
  const places = placesOf(root);
  const place = places[at % Math.max(1, places.length)];
  if (place === undefined) return value;
  const inside = place.in as Record<string, unknown>;
  switch (how) {
    case 'replace':
      put(inside, place.key, value);
      return root;
    case 'remove':
      if (Array.isArray(place.in)) place.in.splice(Number(place.key), 1);
      else delete inside[place.key];
      return root;
    case 'add':
      if (Array.isArray(place.in)) place.in.push(value);
      else put(inside, key, value);
      return root;
    case 'rename': {
      const held = inside[place.key];
      if (!Array.isArray(place.in)) delete inside[place.key];
      put(inside, Array.isArray(place.in) ? place.key : key, held);
      return root;
    }
    case 'twice':
      if (Array.isArray(place.in)) place.in.push(copy(inside[place.key]));
      else put(inside, `${place.key}2`, copy(inside[place.key]));
      return root;
    case 'wrap':
      put(inside, place.key, [inside[place.key]]);
      return root;
  }
}

/** Also `__proto__` becomes a property, as in what came as JSON. */
function put(into: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(into, key, { value, enumerable: true, configurable: true, writable: true });
}

/** Where values stand, at most some thousand: a list that a change has made is long. */
function placesOf(root: unknown): Holder[] {
  const found: Holder[] = [];
  const look = (value: unknown, depth: number): void => {
    if (typeof value !== 'object' || value === null || depth > 12 || found.length > 2_000) return;
    for (const key of Object.keys(value).slice(0, 200)) {
      found.push({ in: value as Holder['in'], key });
      look((value as Record<string, unknown>)[key], depth + 1);
    }
  };
  look(root, 0);
  return found;
}

interface Cut {
  readonly how: 'cut' | 'drop' | 'flip' | 'insert' | 'twice';
  readonly from: number;
  readonly length: number;
  readonly with: string;
}

const cut: fc.Arbitrary<Cut> = fc.record({
  how: fc.constantFrom('cut', 'drop', 'flip', 'insert', 'twice'),
  from: fc.nat(100_000),
  length: fc.integer({ min: 1, max: 40 }),
  with: hostileText,
});

/** Good bytes that were cut off, lost some, or got others. */
export function mangled(good: readonly (string | Buffer)[]): fc.Arbitrary<Buffer> {
  return fc
    .tuple(fc.nat(good.length - 1), fc.array(cut, { minLength: 1, maxLength: 4 }))
    .map(([which, cuts]) => cuts.reduce(cutBytes, Buffer.from(good[which] as string)));
}

function cutBytes(bytes: Buffer, { how, from, length, with: text }: Cut): Buffer {
  const at = bytes.length === 0 ? 0 : from % bytes.length;
  const [before, part, after] = [bytes.subarray(0, at), bytes.subarray(at, at + length), bytes.subarray(at + length)];
  switch (how) {
    case 'cut':
      return Buffer.from(before);
    case 'drop':
      return Buffer.concat([before, after]);
    case 'flip':
      return Buffer.concat([before, Buffer.from(part.map((byte) => byte ^ (1 << (from % 8)))), after]);
    case 'insert':
      return Buffer.concat([before, Buffer.from(text), part, after]);
    case 'twice':
      return Buffer.concat([before, part, part, after]);
  }
}

/** JSON text of good values: changed in its values, or in its bytes. */
export function hostileJsonText(good: readonly unknown[]): fc.Arbitrary<Buffer> {
  const texts = good.map((value) => JSON.stringify(value));
  return fc.oneof(
    { weight: 4, arbitrary: mutated(good).map((value) => Buffer.from(JSON.stringify(value) ?? '')) },
    { weight: 2, arbitrary: mangled(texts) },
    { weight: 1, arbitrary: hostileJson.map((value) => Buffer.from(JSON.stringify(value) ?? '')) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)) },
  );
}

/** Everything here is JSON; a structured clone does not go as deep. */
function copy(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}
