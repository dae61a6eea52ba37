import { setTimeout as pause } from 'node:timers/promises';
import type { InstanceState, StartRequest } from '../../../activities/ports';
import { InstanceFailed, ServingRefused } from '../errors';
import { mendOthers } from './mending';
import { configPath, readModelConfig } from './model-config';
import { changesOf, modelIsThere, placedNumbers, placeVersion, removeVersion, versionDirectory } from './placement';
import type { TritonRecord } from './records';
import type { VersionState } from './repository-api';
import { wordsOfFault, type Say, type TritonSources } from './sources';
import { copyState } from './states';
import { bringIntoForce, numbersIn, versionsBeside } from './versions-in-force';

const READY_WAIT_MS = 2_000;
const POLL_MS = 50;
const TAIL_BYTES = 4_096;

/** Under the model's lock. Everything here may be done twice: an attempt that died is gone on with. */
export async function startCopy(
  sources: TritonSources,
  request: StartRequest,
  signal: AbortSignal,
  say: Say,
): Promise<InstanceState> {
  signal.throwIfAborted();
  const { server, records } = sources;
  const known = await records.of(request.instance);
  const going = known?.state === 'ended' ? null : known;
  if (going !== null && going.digest !== request.digest)
    throw new ServingRefused(`${request.instance} runs with ${going.digest}, not with ${request.digest}`);
  const states = await server.versions();
  if (going !== null && states.get(going.number)?.state === 'READY') {
    say(`version ${going.number} of ${server.model} is loaded already: nothing to load`);
    // Only the file may lag behind: an attempt died between its load and its end.
    await bringIntoForce(sources, numbersIn(states, 'READY'));
    return declare(sources, going);
  }
  const record = await place(sources, going ?? (await newRecord(sources, request, states)), signal, say);
  await mendOthers(sources, record.number, states);
  await load(sources, record, states, say);
  await untilReady(sources, record);
  return declare(sources, record);
}

async function newRecord(
  { server, records, repository, modelDirectory, now }: TritonSources,
  { service, version, instance, digest, artifact }: StartRequest,
  states: ReadonlyMap<number, VersionState>,
): Promise<TritonRecord> {
  const { model } = server;
  if (artifact === null) throw new ServingRefused(`${instance}: no artifact to serve`);
  if (!(await modelIsThere(modelDirectory)))
    throw new ServingRefused(
      `${modelDirectory} is not there: make it, with the config.pbtxt of the model; lastgood adds the versions`,
    );
  const config = await readModelConfig(configPath(repository, model), model);
  const taken = [...states.keys(), ...(config.versions ?? []), ...(await placedNumbers(modelDirectory))];
  const number = await records.nextNumber(taken);
  const about = { service, version, instance, digest, model, number, artifact };
  const record: TritonRecord = { schema: 1, ...about, files: [], state: 'placing', startedAt: now(), exit: null };
  await records.write(record);
  return record;
}

/** The files as the artifact has them, hashed immediately before they are loaded. */
async function place(
  sources: TritonSources,
  record: TritonRecord,
  signal: AbortSignal,
  say: Say,
): Promise<TritonRecord> {
  const { modelDirectory, records, listing, subdirectory, now } = sources;
  const { number, artifact, digest, instance } = record;
  const directory = versionDirectory(modelDirectory, number);
  if (record.files.length > 0 && (await changesOf(directory, record.files, 'whole')).length === 0) return record;
  say(`copies the files of ${instance} to ${directory}`);
  try {
    const listed = await listing(artifact, digest);
    const placing = { artifact, files: listed, subdirectory, model: modelDirectory, number };
    const next = { ...record, files: await placeVersion(placing, signal) };
    await records.write(next);
    await records.note(record, now(), `${next.files.length} files of ${digest} placed as version ${number}`);
    return next;
  } catch (fault) {
    await giveUp(sources, record, 'its files could not be placed', fault);
    throw fault;
  }
}

async function load(
  sources: TritonSources,
  record: TritonRecord,
  states: ReadonlyMap<number, VersionState>,
  say: Say,
): Promise<void> {
  const { server, records, now } = sources;
  const { number, instance } = record;
  const wanted = [...(await versionsBeside(sources, number, states)), number];
  say(`Triton loads version ${number} of ${server.model}`);
  try {
    const { did, ms } = await bringIntoForce(sources, wanted);
    const words = did === 'unchanged' ? 'was loaded already' : `loaded in ${ms} ms`;
    say(`version ${number} of ${server.model} ${words}`);
    await records.note(record, now(), `${words}; in force: ${wanted.join(', ')}`);
  } catch (fault) {
    if (!(fault instanceof InstanceFailed)) {
      await records.note(record, now(), wordsOfFault(fault));
      throw fault;
    }
    await giveUp(sources, record, 'its load failed', fault);
    throw new InstanceFailed(`${instance}: ${fault.message}`, await records.log(record, TAIL_BYTES));
  }
}

/** It never served: its number is spent, its files go, its log stays. */
async function giveUp(sources: TritonSources, record: TritonRecord, code: string, fault: unknown): Promise<void> {
  const { records, now, modelDirectory } = sources;
  await records.note(record, now(), `${code}: ${wordsOfFault(fault)}`);
  await records.write({ ...record, state: 'ended', exit: { at: now(), code, stopped: false } });
  await removeVersion(modelDirectory, record.number);
}

/** The version, never the server: that one says "not ready" for good once any load has failed. */
async function untilReady({ server }: TritonSources, { number, instance }: TritonRecord): Promise<void> {
  const deadline = performance.now() + READY_WAIT_MS;
  while (!(await server.isReady(number))) {
    if (performance.now() > deadline)
      throw new InstanceFailed(
        `${instance}: Triton said that it loaded version ${number} of ${server.model}, and ${READY_WAIT_MS} ms later that is not ready`,
        '',
      );
    await pause(POLL_MS);
  }
}

async function declare(sources: TritonSources, record: TritonRecord): Promise<InstanceState> {
  const declared: TritonRecord = { ...record, state: 'declared', exit: null };
  if (record.state !== 'declared') await sources.records.write(declared);
  return copyState(sources, declared, await sources.server.versions());
}
