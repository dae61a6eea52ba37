/** JSON text that two readers may understand differently, or that is no JSON. */
export class JsonRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'JsonRefused';
  }
}

/**
 * Parses UTF-8 JSON and refuses what `JSON.parse` takes silently: a key twice in one object (the last one wins here, the
 * first one elsewhere: two readers, two manifests), `__proto__`, invalid UTF-8, a byte order mark.
 */
export function parseStrictJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new JsonRefused('not UTF-8');
  }
  refuseDepth(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (fault) {
    throw new JsonRefused(fault instanceof Error ? fault.message : String(fault));
  }
  refuseAmbiguousKeys(text);
  return value;
}

/** Deeper than anything that is meant; readers recurse, and a reader that dies of it is an outage. */
const LIMIT_DEPTH = 200;

/** One pass over text that is known to be valid JSON. */
function refuseAmbiguousKeys(text: string): void {
  /** One set per open object, null per open array. */
  const open: (Set<string> | null)[] = [];
  let keyExpected = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '{') {
      open.push(new Set());
      keyExpected = true;
    } else if (character === '[') {
      open.push(null);
      keyExpected = false;
    } else if (character === '}' || character === ']') {
      open.pop();
      keyExpected = false;
    } else if (character === ',') {
      keyExpected = open.at(-1) instanceof Set;
    } else if (character === '"') {
      const end = endOfString(text, at);
      const keys = open.at(-1);
      if (keyExpected && keys) {
        const key = JSON.parse(text.slice(at, end + 1)) as string;
        if (keys.has(key)) throw new JsonRefused(`key ${JSON.stringify(key)} stands twice in one object`);
        if (key === '__proto__') throw new JsonRefused('key "__proto__" is not allowed');
        keys.add(key);
        keyExpected = false;
      }
      at = end;
    }
  }
}

/** Before anything else reads it: four megabytes of brackets keep `JSON.parse` busy for seconds. */
function refuseDepth(text: string): void {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '{' || character === '[') depth += 1;
    else if (character === '}' || character === ']') depth -= 1;
    else if (character === '"') {
      for (at += 1; at < text.length && text[at] !== '"'; at++) if (text[at] === '\\') at += 1;
    }
    if (depth > LIMIT_DEPTH) throw new JsonRefused(`nested deeper than ${LIMIT_DEPTH}`);
  }
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}
