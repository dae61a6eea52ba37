import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import type { Workers } from './log-continuity';

const stateSchema: z.ZodType<Workers> = z.record(
  z.string().regex(/^\d+$/),
  z.strictObject({
    lines: z.record(z.string(), z.strictObject({ n: z.int(), at: z.number() })),
    leftThroughMs: z.number().nullable(),
    seen: z.boolean(),
  }),
);

/** Nothing where there is none or it cannot be read: the first line of each worker then shows what is missing. */
export function readLogState(file: string): Workers {
  try {
    return stateSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return {};
  }
}

export function writeLogState(file: string, workers: Workers): void {
  writeFileSync(`${file}.tmp`, JSON.stringify(workers), { mode: 0o600 });
  renameSync(`${file}.tmp`, file);
}
