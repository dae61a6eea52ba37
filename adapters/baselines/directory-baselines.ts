import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { AnswerBaselines, FrozenAnswers } from '../../activities/ports';
import { readTextIfThere, writeFileAtomic } from '../disk/atomic-file';

/** A file cannot be read as what was written; the message names it. */
export class BaselineUnreadable extends Error {
  override readonly name = 'BaselineUnreadable';
}

const LIMIT_BYTES = 64 * 1024 * 1024;
/** Little-endian float32 as base64: a tenth of the same numbers as text. */
const vectorSchema = z.base64().transform(decode);

const fileSchema = z.strictObject({
  format: z.literal(1),
  by: z.string(),
  fromMs: z.number(),
  toMs: z.number(),
  answers: z.array(
    z.strictObject({
      answer: vectorSchema,
      input: vectorSchema.nullable(),
      characters: z.int().min(0),
      refusal: z.boolean(),
      illFormed: z.boolean(),
      cutShort: z.boolean().exactOptional(),
    }),
  ),
  prompts: z.array(z.string()).exactOptional(),
});

/** One file a version and kind: `DIR/<service>/<version>.<kind>.json`, mode 0600. */
export function directoryBaselines(directory: string): AnswerBaselines {
  const fileOf = (service: string, version: string, kind: string): string =>
    join(directory, service, `${version}.${kind}.json`);
  return {
    async read(service, version, kind) {
      const file = fileOf(service, version, kind);
      const text = await readTextIfThere(file, LIMIT_BYTES);
      if (text === null) return null;
      const parsed = fileSchema.safeParse(jsonOf(text));
      if (!parsed.success) throw new BaselineUnreadable(`${file}: ${z.prettifyError(parsed.error)}`);
      const { format: _, ...frozen } = parsed.data;
      return { frozen, digest: `sha256:${createHash('sha256').update(text).digest('hex')}` };
    },
    async freeze(service, version, kind, frozen) {
      await mkdir(join(directory, service), { recursive: true, mode: 0o700 });
      await writeFileAtomic(fileOf(service, version, kind), `${JSON.stringify(written(frozen))}\n`);
    },
  };
}

function written({ answers, ...about }: FrozenAnswers): object {
  const rows = answers.map((each) => ({
    ...each,
    answer: encode(each.answer),
    input: each.input === null ? null : encode(each.input),
  }));
  return { format: 1, ...about, answers: rows };
}

function encode(vector: ArrayLike<number>): string {
  const bytes = Buffer.alloc(vector.length * 4);
  for (let axis = 0; axis < vector.length; axis += 1) bytes.writeFloatLE(vector[axis] ?? NaN, axis * 4);
  return bytes.toString('base64');
}

function decode(text: string): Float32Array {
  const bytes = Buffer.from(text, 'base64');
  return Float32Array.from({ length: bytes.length >> 2 }, (_, axis) => bytes.readFloatLE(axis * 4));
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
