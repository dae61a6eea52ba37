import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissing, readTextIfThere, writeFileAtomic } from '../../disk/atomic-file';
import { ServingRefused } from '../errors';
import { readTextFormat, TextFormatRefused, type TextField, type TextValue } from './text-format';

export const LIMIT_BYTES = 1024 * 1024;
const POLICY = 'version_policy';

/** The operator's `config.pbtxt` of one model, in which lastgood writes one field: which versions are in force. */
export interface ModelConfig {
  readonly text: string;
  /** The versions that it names; null where it says so in another way (`latest`, `all`, or nothing). */
  readonly versions: readonly number[] | null;
}

export function configPath(repository: string, model: string): string {
  return join(repository, model, 'config.pbtxt');
}

/** Rejects with `ServingRefused` where there is none, or it cannot be read as what it should be. */
export async function readModelConfig(file: string, model: string): Promise<ModelConfig> {
  const text = await readTextIfThere(file, LIMIT_BYTES).catch((fault: unknown) => {
    throw new ServingRefused(`${file}: ${fault instanceof Error ? fault.message : String(fault)}`, { cause: fault });
  });
  if (text === null)
    throw new ServingRefused(
      `${file}: there is none; expected the model's configuration (backend, inputs, outputs), in which lastgood only writes ${POLICY}`,
    );
  return parseModelConfig(text, model, file);
}

export function parseModelConfig(text: string, model: string, file: string): ModelConfig {
  const fields = fieldsOf(text, file);
  const named = fields.find(({ name }) => name === 'name')?.value;
  if (named?.is === 'scalar' && named.words.slice(1, -1) !== model)
    throw new ServingRefused(`${file}: it is of the model ${named.words}, expected "${model}"`);
  const policies = fields.filter(({ name }) => name === POLICY);
  if (policies.length > 1) throw new ServingRefused(`${file}: found ${policies.length} times ${POLICY}, expected one`);
  const [policy] = policies;
  return { text, versions: policy === undefined ? null : specificVersions(policy, file) };
}

/** The same text with these versions in force; everything else stays as it is, byte by byte. */
export function withVersions(config: ModelConfig, versions: readonly number[]): string {
  const sorted = [...new Set(versions)].sort((left, right) => left - right);
  const written = `${POLICY}: { specific: { versions: [ ${sorted.join(', ')} ] } }`;
  const { text } = config;
  const policy = readTextFormat(text).find(({ name }) => name === POLICY);
  if (policy !== undefined) return text.slice(0, policy.start) + written + text.slice(policy.end);
  return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${written}\n`;
}

/** The whole file or the old one, with the mode that it had. */
export async function writeModelConfig(file: string, text: string): Promise<void> {
  const mode = await stat(file).then(
    (found) => found.mode & 0o777,
    (fault: unknown) => {
      if (isMissing(fault)) return 0o644;
      throw fault;
    },
  );
  await writeFileAtomic(file, text, mode);
}

function fieldsOf(text: string, file: string): readonly TextField[] {
  try {
    return readTextFormat(text);
  } catch (fault) {
    if (!(fault instanceof TextFormatRefused)) throw fault;
    throw new ServingRefused(
      `${file}, ${fault.message}. What lastgood cannot read it does not change: correct the file (protobuf text format)`,
      { cause: fault },
    );
  }
}

function specificVersions({ value }: TextField, file: string): readonly number[] | null {
  if (value.is !== 'message') throw new ServingRefused(`${file}: found a ${POLICY} that is no message`);
  const specific = value.fields.filter(({ name }) => name === 'specific');
  const [only] = specific;
  if (only === undefined) return null;
  const inside = only.value.is === 'message' ? only.value.fields : null;
  const numbers = inside?.flatMap(({ name, value: versions }) => (name === 'versions' ? numbersOf(versions) : [null]));
  if (specific.length > 1 || value.fields.length > 1 || numbers === undefined || numbers.includes(null))
    throw new ServingRefused(
      `${file}: found a ${POLICY} that lastgood does not understand, expected specific { versions: [ 1, 2 ] }, latest or all`,
    );
  return numbers.filter((number) => number !== null);
}

function numbersOf(value: TextValue): (number | null)[] {
  if (value.is === 'list') return value.items.flatMap(numbersOf);
  const number = value.is === 'scalar' && /^\d+$/.test(value.words) ? Number(value.words) : NaN;
  return [Number.isSafeInteger(number) ? number : null];
}
