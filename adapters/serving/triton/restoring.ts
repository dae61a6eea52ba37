import { InstanceFailed, ServingRefused } from '../errors';
import { mend } from './mending';
import type { TritonRecord } from './records';
import { wordsOfFault, type TritonSources } from './sources';
import { bringIntoForce, versionsBeside } from './versions-in-force';

export interface Restored {
  readonly loaded: readonly string[];
  readonly failed: readonly { readonly instance: string; readonly why: string }[];
}

/**
 * Under the model's lock: what was declared and is not loaded, after the server started again, is loaded; together where
 * that works, else one by one, the newest first, so that one that cannot be loaded holds up none of the others. One whose
 * files cannot be had back has ended.
 */
export async function restoreDeclared(sources: TritonSources): Promise<Restored> {
  const { server, records, now } = sources;
  const states = await server.versions();
  const declared = (await records.all()).records.filter(({ state }) => state === 'declared');
  const missing = declared.filter(({ number }) => !['READY', 'LOADING'].includes(states.get(number)?.state ?? ''));
  const failed: { instance: string; why: string }[] = [];
  const mended: TritonRecord[] = [];
  for (const record of missing.reverse()) {
    try {
      await mend(sources, record, 'whole');
      mended.push(record);
    } catch (fault) {
      if (!(fault instanceof ServingRefused)) throw fault;
      failed.push({ instance: record.instance, why: fault.message });
      await records.note(record, now(), fault.message);
      const exit = { at: now(), code: 'not loaded again: its files are not what they were', stopped: false };
      await records.write({ ...record, state: 'ended', exit });
    }
  }
  if (mended.length === 0) return { loaded: [], failed };
  const beside = await versionsBeside(sources, 0, states);
  if (await loads(sources, [...beside, ...mended.map(({ number }) => number)], () => undefined)) {
    for (const record of mended) await records.note(record, now(), 'loaded again after the server had started again');
    return { loaded: mended.map(({ instance }) => instance), failed };
  }
  const loaded: string[] = [];
  let inForce = beside;
  for (const record of mended) {
    const { instance, number } = record;
    const failure = (why: string): void => void failed.push({ instance, why });
    if (!(await loads(sources, [...inForce, number], failure))) continue;
    await records.note(record, now(), 'loaded again after the server had started again');
    inForce = [...inForce, number];
    loaded.push(instance);
  }
  return { loaded, failed };
}

async function loads(
  sources: TritonSources,
  wanted: readonly number[],
  onFailure: (why: string) => void,
): Promise<boolean> {
  try {
    await bringIntoForce(sources, wanted);
    return true;
  } catch (fault) {
    if (!(fault instanceof InstanceFailed)) throw fault;
    onFailure(wordsOfFault(fault));
    return false;
  }
}
