/**
 * The prepared set: read from the package once, cleaned, split and cached below a data directory. A cached file that is
 * damaged or from an older preparation is made again.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOf, sha256 } from './canonical';
import { readCorpus, type Mail } from './corpus';
import { removeNearDuplicates, THRESHOLD } from './dedup';
import { withLock, writeAtomically } from './files';
import { splitByTime } from './split';

/** Raise it when the preparation gives another result: the cache and all artifacts are then made again. */
const PREPARATION = 2;

export interface PreparationSummary {
  rawMails: number;
  duplicates: number;
  conflictingGroups: number;
  conflictingMails: number;
  pairsAcrossSpam: number;
  similarityThreshold: number;
}

export interface Prepared {
  training: Mail[];
  test: Mail[];
  summary: PreparationSummary;
  /** `sha256:` of the training part. */
  trainingDigest: string;
  /** `sha256:` of the test part. */
  testDigest: string;
}

/** Where the prepared set and everything derived from it lives when no directory is given. */
export const DEFAULT_DATA_DIRECTORY = join('.cache', 'mail-triage');

/** @param dataDirectory created when missing; the set takes about 15 MB in it */
export async function preparedMails(dataDirectory: string): Promise<Prepared> {
  const path = join(dataDirectory, `prepared-${PREPARATION}.jsonl`);
  const cached = await readCached(path);
  if (cached) return cached;
  return withLock(`${path}.lock`, async () => {
    // Somebody else may have finished it while this process waited.
    const finished = await readCached(path);
    if (finished) return finished;
    const prepared = await prepare();
    const body = JSON.stringify(prepared);
    await writeAtomically(path, `${JSON.stringify({ schema: 1, sha256: sha256(body) })}\n${body}`);
    return prepared;
  });
}

async function prepare(): Promise<Prepared> {
  const raw = await readCorpus();
  const { kept, ...counts } = removeNearDuplicates(raw);
  const { training, test } = splitByTime(kept);
  return {
    training,
    test,
    summary: { rawMails: raw.length, ...counts, similarityThreshold: THRESHOLD },
    trainingDigest: digestOf(training),
    testDigest: digestOf(test),
  };
}

async function readCached(path: string): Promise<Prepared | undefined> {
  let content: string;
  try {
    content = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const end = content.indexOf('\n');
  const body = content.slice(end + 1);
  try {
    const head = JSON.parse(content.slice(0, end)) as { schema?: unknown; sha256?: unknown };
    if (head.schema === 1 && head.sha256 === sha256(body)) return JSON.parse(body) as Prepared;
  } catch {
    // Not JSON: a damaged cache, made again below.
  }
  return undefined;
}
