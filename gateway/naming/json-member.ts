const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = new Set([0x7b, 0x5b]);
const CLOSE = new Set([0x7d, 0x5d]);

/** Where the value of a member stands in the bytes of a JSON object: [from, to). */
export interface Member {
  readonly from: number;
  readonly to: number;
  readonly value: unknown;
}

export type Found = Member | 'no-json' | 'no-object' | 'missing' | 'twice';

/**
 * A member of the outermost object, without touching any other byte. The text is checked to be JSON first, so that the
 * server that gets it cannot read it in another way; a key that is there twice has no single meaning.
 */
export function topLevelMember(json: Buffer, key: string): Found {
  const text = json.toString('utf8');
  let root: unknown;
  try {
    root = JSON.parse(text);
  } catch {
    return 'no-json';
  }
  if (typeof root !== 'object' || root === null || Array.isArray(root)) return 'no-object';
  let found: Member | null = null;
  let depth = 0;
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at] as number;
    if (OPEN.has(byte)) depth += 1;
    else if (CLOSE.has(byte)) depth -= 1;
    if (byte !== QUOTE) continue;
    const end = endOfString(json, at);
    const colon = depth === 1 ? colonAfter(json, end) : -1;
    if (colon < 0 || keyAt(json, at, end) !== key) {
      at = end - 1;
      continue;
    }
    if (found) return 'twice';
    const from = skipSpace(json, colon + 1);
    const to = endOfValue(json, from);
    found = { from, to, value: JSON.parse(json.toString('utf8', from, to)) };
    at = to - 1;
  }
  return found ?? 'missing';
}

function keyAt(json: Buffer, from: number, to: number): unknown {
  return JSON.parse(json.toString('utf8', from, to));
}

/** Behind the closing quote of the string that opens at `from`. */
function endOfString(json: Buffer, from: number): number {
  let at = from + 1;
  while (json[at] !== QUOTE) at += json[at] === BACKSLASH ? 2 : 1;
  return at + 1;
}

function endOfValue(json: Buffer, from: number): number {
  let depth = 0;
  let at = from;
  while (at < json.length) {
    const byte = json[at] as number;
    if (byte === QUOTE) {
      at = endOfString(json, at);
      if (depth === 0) return at;
      continue;
    }
    if (OPEN.has(byte)) depth += 1;
    else if (CLOSE.has(byte)) {
      // The brace of the object itself ends a number or a word.
      if (depth === 0) return at;
      depth -= 1;
      if (depth === 0) return at + 1;
    } else if (depth === 0 && (byte === 0x2c || isSpace(byte))) return at;
    at += 1;
  }
  return at;
}

function colonAfter(json: Buffer, from: number): number {
  const at = skipSpace(json, from);
  return json[at] === 0x3a ? at : -1;
}

function skipSpace(json: Buffer, from: number): number {
  let at = from;
  while (at < json.length && isSpace(json[at] as number)) at += 1;
  return at;
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
