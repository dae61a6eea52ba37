import type { z } from 'zod';
import { nearestName } from './nearest';
import { foreignKey, knownKeys } from './schema-walk';
import type { YamlFile } from './yaml-file';

type Issue = z.core.$ZodIssue;

/** Each finding as `file:line:column: path: found …, expected …`, in the order of the file. */
export function describeIssues(
  fileName: string,
  file: YamlFile,
  schema: z.ZodType,
  issues: readonly Issue[],
): string[] {
  const lines = issues.flatMap((issue) => describe(file, schema, issue));
  const ordered = lines.sort((a, b) => order(a.place) - order(b.place));
  const all = [...new Set(ordered.map(({ place, text }) => `${fileName}:${place}: ${clippedText(text)}`))];
  if (all.length <= SHOWN_MAX) return all;
  return [...all.slice(0, SHOWN_MAX), `${fileName}: and ${all.length - SHOWN_MAX} more problems`];
}

/** A file of another kind has a problem in each of its lines, and nobody reads them all. */
const SHOWN_MAX = 100;
const TEXT_MAX = 1_000;

function clippedText(text: string): string {
  return text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text;
}

interface Described {
  readonly place: string;
  readonly text: string;
}

function describe(file: YamlFile, schema: z.ZodType, issue: Issue): Described[] {
  if (issue.code === 'invalid_union') {
    const meant = meantOption(file, issue);
    if (meant !== null) {
      return meant.flatMap((one) => describe(file, schema, { ...one, path: [...issue.path, ...one.path] }));
    }
  }
  const path = issue.path.map(asPart);
  const name = pathText(path);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      place: file.keyPlace(path, key),
      text: `${pathText([...path, key])}: unknown key${keyHint(file, schema, path, key)}`,
    }));
  }
  if (issue.code === 'invalid_key') {
    const expected = issue.issues[0]?.message ?? issue.message;
    const key = String(path.at(-1));
    return [
      { place: file.keyPlace(path.slice(0, -1), key), text: `${name}: found the name "${key}", expected ${expected}` },
    ];
  }
  const found = valueAt(file.value, path);
  const expected = expectation(issue);
  const text = found.present
    ? `${name}: found ${isSecret(path, found.value) ? 'a value that is not shown' : show(found.value)}, expected ${expected}`
    : `${name}: is missing, expected ${expected}`;
  return [{ place: file.place(path), text }];
}

type UnionIssue = Extract<Issue, { readonly code: 'invalid_union' }>;

/** The option whose own shape was meant says more than "none of them": the one with most of its keys there. */
function meantOption(file: YamlFile, issue: UnionIssue): readonly Issue[] | null {
  const strays = (errors: readonly Issue[]): number =>
    errors.filter(
      (one) =>
        (one.code === 'unrecognized_keys' && one.path.length === 0) ||
        (one.path.length === 1 && !valueAt(file.value, [...issue.path, ...one.path].map(asPart)).present),
    ).length;
  const fitting = issue.errors.filter(
    (errors) => errors.length > 0 && errors.every((one) => one.path.length > 0 || one.code === 'unrecognized_keys'),
  );
  return [...fitting].sort((a, b) => strays(a) - strays(b))[0] ?? null;
}

function keyHint(file: YamlFile, schema: z.ZodType, path: readonly (string | number)[], key: string): string {
  const foreign = foreignKey(schema, path, file.value, key);
  if (foreign !== null) {
    const { discriminator, chosen, belongsTo } = foreign;
    return ` with ${discriminator} ${chosen} (it belongs to ${belongsTo.join(', ')})`;
  }
  const known = knownKeys(schema, path, file.value);
  const meant = nearestName(key, known);
  return meant === null ? `, expected one of ${known.join(', ')}` : `, did you mean ${meant}?`;
}

/** Somebody who writes a secret where the name of its file belongs must not find it in a log. */
function isSecret(path: readonly (string | number)[], value: unknown): boolean {
  const isMapping = typeof value === 'object' && value !== null;
  return !isMapping && /^(password|secret|token|apiKey)$/.test(String(path.at(-1)));
}

function expectation(issue: Issue): string {
  // Messages of our own say what is expected; zod's built-in ones begin with one of these words.
  const own = !/^(Invalid|Too (big|small)|Unrecognized)/.test(issue.message);
  if (own) return issue.message;
  switch (issue.code) {
    case 'invalid_type':
      return typeWords[issue.expected] ?? issue.expected;
    case 'invalid_value':
      return issue.values.length === 1 ? String(issue.values[0]) : `one of ${issue.values.map(String).join(', ')}`;
    case 'too_small':
      return `at least ${issue.minimum}${unitOf(issue.origin)}`;
    case 'too_big':
      return `at most ${issue.maximum}${unitOf(issue.origin)}`;
    case 'invalid_union': {
      const options = 'options' in issue && Array.isArray(issue.options) ? issue.options : [];
      return options.length > 0 ? `one of ${options.map(String).join(', ')}` : issue.message;
    }
    default:
      return issue.message;
  }
}

const typeWords: Readonly<Record<string, string>> = {
  string: 'text',
  object: 'a mapping',
  record: 'a mapping',
  array: 'a list',
  boolean: 'true or false',
  number: 'a number',
  int: 'a whole number',
};

function unitOf(origin: string): string {
  if (origin === 'string') return ' characters';
  return origin === 'array' ? ' entries' : '';
}

function valueAt(value: unknown, path: readonly (string | number)[]): { present: boolean; value: unknown } {
  let current = value;
  for (const part of path) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, part)) {
      return { present: false, value: undefined };
    }
    current = (current as Record<string | number, unknown>)[part];
  }
  return { present: true, value: current };
}

function show(value: unknown): string {
  if (typeof value === 'string') return `"${value.length > 60 ? `${value.slice(0, 57)}…` : value}"`;
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`;
  if (typeof value === 'object') {
    const keys = Object.keys(value);
    return keys.length === 0 ? 'an empty mapping' : `a mapping with ${keys.slice(0, 5).join(', ')}`;
  }
  return String(value as number | boolean);
}

function asPart(part: PropertyKey): string | number {
  return typeof part === 'number' ? part : String(part);
}

/** `alerts.alertmanagers[0].url` */
export function pathText(path: readonly (string | number)[]): string {
  if (path.length === 0) return '(whole file)';
  return path.map((part, index) => (typeof part === 'number' ? `[${part}]` : index === 0 ? part : `.${part}`)).join('');
}

function order(place: string): number {
  const [line = 0, column = 0] = place.split(':').map(Number);
  return line * 10_000 + column;
}
