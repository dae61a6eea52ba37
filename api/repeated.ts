import type { Ledger } from '../activities/ports';
import type { LedgerEntry } from '../domain/ledger';
import { ApiError } from './problem';

/** The part of an entry that a repetition of the same request has in common with the first one. */
type Same = (there: LedgerEntry) => boolean;

/**
 * Appends what a person said, once for each request id: whoever lost the answer and says it again gets the entry that is
 * there, with its own time. The same id for anything else is refused. Resolves to the entry on record.
 */
export async function appendOnce(
  ledger: Pick<Ledger, 'append' | 'read'>,
  entry: LedgerEntry,
  same: Same = saysTheSame(entry),
): Promise<LedgerEntry> {
  try {
    await ledger.append(entry);
    return entry;
  } catch (error) {
    const seq = seqOfConflict(error);
    if (seq === null) throw error;
    const [there] = await ledger.read(entry.service, { afterSeq: seq - 1, limit: 1 });
    if (there?.key === entry.key && there.actor.name === entry.actor.name && same(there)) return there;
    throw new ApiError(
      409,
      'Used before',
      `the request id of ${entry.key} was used for something else (entry ${seq}); use another one`,
    );
  }
}

function saysTheSame(entry: LedgerEntry): Same {
  return (there) => there.kind === entry.kind && there.incident === entry.incident && there.summary === entry.summary;
}

/** Adapters are not imported here: the fault is known by its name. */
function seqOfConflict(error: unknown): number | null {
  if (!(error instanceof Error) || error.name !== 'LedgerConflict') return null;
  const { seq } = error as { seq?: unknown };
  return typeof seq === 'number' ? seq : null;
}
