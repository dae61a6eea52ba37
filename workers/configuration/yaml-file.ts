import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node } from 'yaml';

export type PathInFile = readonly (string | number)[];

/** A YAML file that could be read: its value, and where each part of it stands. */
export interface YamlFile {
  readonly value: unknown;
  /** `line:column` of the value at the path, or of its nearest ancestor that is there. */
  place(path: PathInFile): string;
  /** `line:column` of a key in the mapping at the path. */
  keyPlace(path: PathInFile, key: string): string;
}

export const yamlLimitBytes = 1024 * 1024;
const maxAliasCount = 100;
/** What follows the first error of a file is mostly its consequence. */
const problemsMax = 20;

export type YamlReading =
  | { readonly ok: true; readonly file: YamlFile }
  | { readonly ok: false; readonly problems: readonly { readonly place: string; readonly text: string }[] };

/** Core schema of YAML 1.2: no tags that make objects, no merge keys, each key once; aliases and size are limited. */
export function readYaml(text: string): YamlReading {
  const bytes = Buffer.byteLength(text);
  if (bytes > yamlLimitBytes) {
    return refused('1:1', `the file: found ${bytes} bytes, expected at most ${yamlLimitBytes}`);
  }
  const lines = new LineCounter();
  // Its warnings go to standard error, past whoever shows the problems.
  const options = { schema: 'core', uniqueKeys: true, strict: true, lineCounter: lines, logLevel: 'error' } as const;
  const document = parseDocument(text, options);
  if (document.errors.length > 0) {
    return {
      ok: false,
      problems: document.errors.slice(0, problemsMax).map((error) => ({
        place: at(lines, error.pos[0]),
        text: `not YAML: ${(error.message.split('\n')[0] ?? '').replace(/ at line \d+, column \d+:?$/, '')}`,
      })),
    };
  }
  try {
    const value: unknown = document.toJS({ maxAliasCount });
    return { ok: true, file: locate(document, value, lines) };
  } catch (error) {
    return refused('1:1', `not usable: ${(error as Error).message} (at most ${maxAliasCount} uses of an alias)`);
  }
}

function refused(place: string, text: string): YamlReading {
  return { ok: false, problems: [{ place, text }] };
}

function locate(document: Document, value: unknown, lines: LineCounter): YamlFile {
  const find = (path: PathInFile): Node | null => {
    let node = document.contents as Node | null;
    for (const segment of path) {
      const next = child(document, node, segment);
      if (next === null) return node;
      node = next;
    }
    return node;
  };
  return {
    value,
    place: (path) => at(lines, find(path)?.range?.[0] ?? 0),
    keyPlace: (path, key) => {
      const map = resolved(document, find(path));
      const pair = isMap(map) ? map.items.find((item) => keyText(item.key) === key) : undefined;
      return at(lines, (pair?.key as Node | undefined)?.range?.[0] ?? map?.range?.[0] ?? 0);
    },
  };
}

function child(document: Document, parent: Node | null, segment: string | number): Node | null {
  const node = resolved(document, parent);
  if (isMap(node)) {
    const pair = node.items.find((item) => keyText(item.key) === String(segment));
    if (pair === undefined) return null;
    return (pair.value as Node | null) ?? (pair.key as Node);
  }
  if (isSeq(node) && typeof segment === 'number') return (node.items[segment] as Node | undefined) ?? null;
  return null;
}

function resolved(document: Document, node: Node | null): Node | null {
  return isAlias(node) ? ((node.resolve(document) as Node | undefined) ?? node) : node;
}

function keyText(key: unknown): string | null {
  return isScalar(key) ? String(key.value) : null;
}

function at(lines: LineCounter, offset: number): string {
  const { line, col } = lines.linePos(offset);
  return `${Math.max(1, line)}:${Math.max(1, col)}`;
}
