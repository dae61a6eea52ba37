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

export interface Layout {
  /** Begins the sentence of a refusal: "the data directory". */
  readonly what: string;
  readonly release: string;
  readonly migrations: readonly LayoutMigration[];
}

/**
 * Says which form the files of a directory have: version 1 is the one without any migration. Brings an older one forward;
 * rejects with {@link LayoutUnknown} for a newer one, before anything is changed.
 */
export async function claimLayout(directory: string, layout: Layout): Promise<void> {
  const { release, migrations } = layout;
  const newest = migrations.length + 1;
  const found = await checkLayout(directory, layout);
  if (found === newest) return;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  for (const migration of migrations.slice((found ?? 1) - 1)) await migration(directory);
  await writeFileAtomic(join(directory, fileName), `${JSON.stringify({ schema: newest, release })}\n`);
}

/** Its version, null where nothing says one; changes nothing. Rejects with {@link LayoutUnknown} for a newer one. */
export async function checkLayout(directory: string, { what, release, migrations }: Layout): Promise<number | null> {
  const file = join(directory, fileName);
  const newest = migrations.length + 1;
  const text = await readTextIfThere(file, limitBytes);
  const found = text === null ? null : readLayout(file, text);
  if (found !== null && found.schema > newest)
    throw new LayoutUnknown(
      `${what} ${directory} has schema version ${found.schema}, written by lastgood ${found.release}; this is lastgood ${release}, which knows up to ${newest}: ` +
        `use lastgood ${found.release} or newer, or restore a backup that this release made. Nothing was changed`,
    );
  return found?.schema ?? null;
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
