import type { InstanceState } from '../../../activities/ports';
import type { VersionSelector } from '../../../domain/route';
import { changesOf, placedNumbers, versionDirectory } from './placement';
import type { TritonRecord } from './records';
import type { VersionState } from './repository-api';
import type { TritonSources } from './sources';

const TAIL_BYTES = 4_096;

/** How a request for the model names this version of it. */
export function selectorOf({ model, number }: Pick<TritonRecord, 'model' | 'number'>): VersionSelector {
  const from = `/v2/models/${model}`;
  return { by: 'path', from, to: `${from}/versions/${number}` };
}

/** One copy, from what is recorded of it and what the server's index says of its number. */
export async function copyState(
  sources: TritonSources,
  record: TritonRecord,
  states: ReadonlyMap<number, VersionState>,
): Promise<InstanceState> {
  const { instance, version, startedAt, number } = record;
  const base = { instance, version, startedAt, selector: selectorOf(record), memoryBytes: null };
  const nowhere = { address: null, digest: null } as const;
  const end = record.state === 'ended' ? record.exit : lossOf(record, states.get(number), sources.now());
  if (end !== null) {
    const logTail = await sources.records.log(record, TAIL_BYTES);
    return { ...base, ...nowhere, state: 'exited', exit: { at: end.at, code: end.code, logTail } };
  }
  const state = states.get(number)?.state;
  if (state !== 'READY' && state !== 'UNLOADING') return { ...base, ...nowhere, state: 'starting', exit: null };
  const changes = await changesIn(sources, record);
  const digest = changes.length === 0 ? record.digest : null;
  return { ...base, address: sources.server.address, digest, state: 'running', exit: null };
}

/** What is of the model and not ours, and what somebody made of our files. */
export async function foreignVersions(
  sources: TritonSources,
  records: readonly TritonRecord[],
  states: ReadonlyMap<number, VersionState>,
): Promise<{ what: string; why: string }[]> {
  const { model, address } = sources.server;
  const ours = new Set(records.map(({ number }) => number));
  const onDisk = await placedNumbers(sources.modelDirectory);
  const loaded = [...states.values()].filter(({ state }) => state !== 'UNAVAILABLE').map(({ number }) => number);
  const foreign = [...new Set([...loaded, ...onDisk])]
    .filter((number) => !ours.has(number))
    .sort((left, right) => left - right)
    .map((number) => ({
      what: `version ${number} of ${model} at ${address}${loaded.includes(number) ? `, ${states.get(number)?.state}` : ''}`,
      why: 'lastgood has no record of it: somebody else put it there',
    }));
  const kept = records.filter(({ state, number }) => state === 'declared' && states.get(number)?.state === 'READY');
  const changed = await Promise.all(
    kept.map(async (record) => {
      const changes = await changesIn(sources, record);
      if (changes.length === 0) return [];
      const what = `${versionDirectory(sources.modelDirectory, record.number)} (${record.instance})`;
      return [{ what, why: `somebody changed it since it was loaded: ${changes.join(', ')}` }];
    }),
  );
  return [...foreign, ...changed.flat()];
}

function changesIn({ modelDirectory }: TritonSources, { number, files }: TritonRecord): Promise<string[]> {
  return changesOf(versionDirectory(modelDirectory, number), files, 'quick');
}

/** How a copy that was loaded, or was to be, is gone; null where it is not. When that was, the index does not say. */
function lossOf(
  { state }: TritonRecord,
  seen: VersionState | undefined,
  nowMs: number,
): { readonly at: number; readonly code: string } | null {
  if (seen !== undefined && seen.state !== 'UNAVAILABLE') return null;
  if (state === 'stopping') return { at: nowMs, code: 'stopped' };
  // The server started again and never heard of it: whoever follows the server brings it back. That is no death yet.
  if (seen === undefined) return null;
  // An attempt that is at work, or died before its load.
  if (state === 'placing' && seen.reason === 'unloaded') return null;
  return { at: nowMs, code: seen.reason === 'unloaded' ? 'unloaded by somebody else' : (seen.reason ?? 'not loaded') };
}
