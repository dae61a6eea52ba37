import type { RegistryVersion } from './registry';
import type { SyncOptions } from './sync';

export interface NotesBack {
  readonly written: readonly string[];
  readonly failed: readonly { readonly version: string; readonly why: string }[];
}

/** Tags under which lastgood tells people at the registry. The digest is what a running copy reports: it names the entry here. */
export const noteTags = { standing: 'lastgood.standing', text: 'lastgood.note', digest: 'lastgood.digest' } as const;
const FAILURES_MAX = 3;

/**
 * Standing, newest note and digest of the versions that are here, written to the registry where it has them otherwise: also what
 * could not be written when it was noted. They are copies for people; a failure is told and changes nothing.
 */
export async function notesBack(
  versions: readonly RegistryVersion[],
  {
    registry,
    store,
    rules,
    signal,
    standing,
  }: Pick<SyncOptions, 'registry' | 'store' | 'rules' | 'signal' | 'standing'>,
): Promise<NotesBack> {
  const written: string[] = [];
  const failed: { version: string; why: string }[] = [];
  const local = new Map((await store.list(rules.service)).map(({ version, digest }) => [version, digest]));
  for (const entry of versions) {
    const { version, tags } = entry;
    const digest = local.get(version);
    if (digest === undefined || failed.length >= FAILURES_MAX) continue;
    const text = (await store.notes(rules.service, version)).findLast((note) => isForRegistry(note.text))?.text ?? null;
    const now = { standing: standing(version), text, digest };
    const isNew = (said: string | null, there: string | undefined): boolean => said !== null && said !== there;
    const asThere =
      !isNew(now.standing, tags[noteTags.standing]) &&
      !isNew(now.text, tags[noteTags.text]) &&
      !isNew(now.digest, tags[noteTags.digest]);
    if (asThere) continue;
    try {
      await registry.note(entry, now, signal);
      written.push(version);
    } catch (fault) {
      failed.push({ version, why: fault instanceof Error ? fault.message : String(fault) });
    }
  }
  return { written, failed };
}

/** What came from there is not told there. */
export function isForRegistry(text: string): boolean {
  return !text.startsWith('registry: ');
}
