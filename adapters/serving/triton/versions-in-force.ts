import { setTimeout as pause } from 'node:timers/promises';
import { readTextIfThere } from '../../disk/atomic-file';
import { EngineUnreachable } from '../errors';
import {
  configPath,
  LIMIT_BYTES,
  readModelConfig,
  withVersions,
  writeModelConfig,
  type ModelConfig,
} from './model-config';
import { placedNumbers } from './placement';
import type { VersionState } from './repository-api';
import type { TritonSources } from './sources';

type ForceSources = Pick<TritonSources, 'server' | 'repository' | 'loadLimitMs'>;

export interface Forced {
  /** `loaded`: the server did something; `unchanged`: all of these were ready before, and nothing else. */
  readonly did: 'loaded' | 'unchanged' | 'unloaded';
  readonly ms: number;
}

const POLL_MS = 100;

/** Nothing is wrong yet: the same again finds what came of it. */
export class StillLoading extends EngineUnreachable {}

/**
 * Makes exactly these versions of the model the ones in force: the policy in `config.pbtxt` first, then a load (or an
 * unload of the whole model for none). Versions that stay are not loaded again. All or nothing: where the server says no,
 * the file is as it was, and what was served is served on. Where it does not say anything in time, the file stays, the
 * server may be loading still, and `EngineUnreachable` is thrown. The caller holds the model's lock.
 */
export async function bringIntoForce(sources: ForceSources, wanted: readonly number[]): Promise<Forced> {
  const { server, repository } = sources;
  const file = configPath(repository, server.model);
  const before = await readModelConfig(file, server.model);
  const text = withVersions(before, wanted);
  const ready = numbersIn(await server.versions(), 'READY');
  if (sameNumbers(ready, wanted)) {
    if (text !== before.text) await writeModelConfig(file, text);
    return { did: 'unchanged', ms: 0 };
  }
  // Written anew where it says so already, too: Triton does nothing for a model of which nothing is newer than before.
  await writeModelConfig(file, text);
  const began = performance.now();
  try {
    if (wanted.length === 0) await server.unload();
    else await loadPatiently(sources, wanted);
    return { did: wanted.length === 0 ? 'unloaded' : 'loaded', ms: Math.round(performance.now() - began) };
  } catch (fault) {
    // Its next load must not fail, nor its next start die again, of what this one asked for.
    if (!(fault instanceof StillLoading)) await restore(file, before, text);
    throw fault;
  }
}

/** Writes only what is in force, for a server that has nothing of the model loaded: its start must not bring back more. */
export async function declareOnly({ server, repository }: ForceSources, wanted: readonly number[]): Promise<void> {
  const file = configPath(repository, server.model);
  const before = await readModelConfig(file, server.model);
  const text = withVersions(before, wanted);
  if (text !== before.text) await writeModelConfig(file, text);
}

/**
 * What stays beside this version: what is loaded now; on a server that has nothing of the model yet, what its operator
 * named and put there, and lastgood did not.
 */
export async function versionsBeside(
  { server, repository, modelDirectory, records }: TritonSources,
  mine: number,
  states: ReadonlyMap<number, VersionState>,
): Promise<number[]> {
  const up = numbersIn(states, 'READY', 'LOADING');
  if (up.length > 0) return up.filter((number) => number !== mine);
  const { versions } = await readModelConfig(configPath(repository, server.model), server.model);
  const ours = new Set((await records.all()).records.map(({ number }) => number));
  const onDisk = await placedNumbers(modelDirectory);
  return (versions ?? []).filter((number) => !ours.has(number) && onDisk.includes(number));
}

export function numbersIn(states: ReadonlyMap<number, VersionState>, ...names: readonly string[]): number[] {
  return [...states.values()].filter(({ state }) => names.includes(state)).map(({ number }) => number);
}

/** A load may take longer than anybody holds a connection open; then the index tells how it ended. */
async function loadPatiently({ server, loadLimitMs }: ForceSources, wanted: readonly number[]): Promise<void> {
  const deadline = performance.now() + loadLimitMs;
  try {
    await server.load({ timeoutMs: loadLimitMs });
    return;
  } catch (fault) {
    if (!(fault instanceof EngineUnreachable)) throw fault;
    for (;;) {
      const states = await server.versions().catch(() => null);
      if (states === null) throw fault;
      const each = wanted.map((number) => states.get(number));
      if (each.every((found) => found?.state === 'READY')) return;
      if (!each.some((found) => found?.state === 'LOADING')) throw fault;
      if (performance.now() > deadline)
        throw new StillLoading(
          `Triton has not loaded it within ${loadLimitMs} ms and is still at it (its index says LOADING); asked again, it is found`,
          { cause: fault },
        );
      await pause(POLL_MS);
    }
  }
}

/** Only what was written here: an edit that came in between is the operator's. */
async function restore(file: string, before: ModelConfig, written: string): Promise<void> {
  const now = await readTextIfThere(file, LIMIT_BYTES);
  if (now === null || now === written) await writeModelConfig(file, before.text);
}

function sameNumbers(left: readonly number[], right: readonly number[]): boolean {
  return new Set(left).size === new Set(right).size && left.every((number) => right.includes(number));
}
