import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readTextIfThere, writeFileAtomic } from './atomic-file';

/** A directory whose files a newer lastgood wrote; the message is one sentence for people. */
export class LayoutUnknown extends Error {
  override readonly name = 'LayoutUnknown';
}

const layoutSchema = z.looseObject({ schema: z.int().positive(), release: z.string() });
const fileName = 'layout.json';
const limitBytes = 64 * 1024;

/** The next form of a directory's files, made from the one before. Forward only, and each may be run twice. */
export type LayoutMigration = (directory: string) => Promise<void>;

/**
 * Says which form the files of a directory have: version 1 is the one without any migration. Brings an older one forward;
 * rejects with {@link LayoutUnknown} for a newer one, before anything is changed.
 */
export async function claimLayout(
  directory: string,
  { what, release, migrations }: { what: string; release: string; migrations: readonly LayoutMigration[] },
): Promise<void> {
  const file = join(directory, fileName);
  const newest = migrations.length + 1;
  const text = await readTextIfThere(file, limitBytes);
  const found = text === null ? null : readLayout(file, text);
  if (found !== null && found.schema > newest)
    throw new LayoutUnknown(
      `${what} ${directory} has schema version ${found.schema}, written by lastgood ${found.release}; this is lastgood ${release}, which knows up to ${newest}: ` +
        `use lastgood ${found.release} or newer, or restore a backup that this release made. Nothing was changed`,
    );
  if (found?.schema === newest) return;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  for (const migration of migrations.slice((found?.schema ?? 1) - 1)) await migration(directory);
  await writeFileAtomic(file, `${JSON.stringify({ schema: newest, release })}\n`);
}

function readLayout(file: string, text: string): z.output<typeof layoutSchema> {
  try {
    return layoutSchema.parse(JSON.parse(text));
  } catch {
    throw new LayoutUnknown(
      `${file}: found no version of a schema, expected what lastgood wrote there; put the file back`,
    );
  }
}
