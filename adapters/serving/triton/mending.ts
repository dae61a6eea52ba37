import { ServingRefused } from '../errors';
import { changesOf, placeVersion, versionDirectory } from './placement';
import type { TritonRecord } from './records';
import type { VersionState } from './repository-api';
import { wordsOfFault, type TritonSources } from './sources';
import { numbersIn } from './versions-in-force';

/**
 * What is loaded beside the version of this load or stop. A load takes up every change on the disk, so files that somebody
 * changed would be served from now on: they are put back first, and Triton loads that version again as it was.
 */
export async function mendOthers(
  sources: TritonSources,
  mine: number,
  states: ReadonlyMap<number, VersionState>,
): Promise<void> {
  const up = numbersIn(states, 'READY', 'LOADING');
  for (const record of (await sources.records.all()).records) {
    if (record.number !== mine && record.state !== 'ended' && up.includes(record.number))
      await mend(sources, record, 'quick');
  }
}

/** Resolves when the files of this version are what they were; rejects with `ServingRefused` where they cannot be had. */
export async function mend(sources: TritonSources, record: TritonRecord, how: 'quick' | 'whole'): Promise<void> {
  const { modelDirectory, records, now, listing, subdirectory } = sources;
  const { number, artifact, digest, instance } = record;
  const directory = versionDirectory(modelDirectory, number);
  if (record.files.length === 0) return;
  const changes = await changesOf(directory, record.files, how);
  if (changes.length === 0) return;
  const changed = `${directory} (${instance}) was changed by somebody: ${changes.join(', ')}`;
  await records.note(record, now(), changed);
  try {
    const files = await listing(artifact, digest);
    const placed = await placeVersion({ artifact, files, subdirectory, model: modelDirectory, number });
    await records.write({ ...record, files: placed });
    await records.note(record, now(), `its files were put back from ${artifact}`);
  } catch (fault) {
    throw new ServingRefused(
      `${changed}. The next load would serve that, and its files could not be put back from ${artifact}: ${wordsOfFault(fault)}`,
      { cause: fault },
    );
  }
}
