import { setTimeout as pause } from 'node:timers/promises';
import type { ModelCalls } from '../../activities/ports';
import type { Json } from '../../domain/ledger';
import { itemKey } from '../../domain/items/treated';
import { ModelUnavailable } from './errors';
import type { Pace } from './pace';

export interface RedoItem {
  readonly item: string;
  readonly body: Json;
}

export type RedoAnswer =
  | { readonly kind: 'answered'; readonly version: string; readonly outputs: Readonly<Record<string, string | number>> }
  | { readonly kind: 'refused'; readonly why: string };

interface Asked {
  readonly service: string;
  readonly incident: string;
  readonly pipeline: string;
  readonly version: string;
}

const PAUSES_MS = [100, 400];
/** So many refusals in a row by an error of the server itself are not the items' fault. */
const ALL_FAIL_MIN = 5;

/**
 * Asks the model for each item, as many at once as the pace allows. An answer that refuses one item is its outcome; a model
 * that refuses them all with an error of its own is not there.
 */
export async function askAll(
  models: ModelCalls,
  pace: Pace,
  { service, incident, pipeline, version }: Asked,
  items: readonly RedoItem[],
  signal: AbortSignal,
): Promise<Map<string, RedoAnswer>> {
  const answers = new Map<string, RedoAnswer>();
  const failed: string[] = [];
  const ask = async ({ item, body }: RedoItem): Promise<void> => {
    const call = { service, key: itemKey(incident, pipeline, item), body, degraded: version };
    for (let attempt = 0; ; attempt++) {
      const pauseMs = PAUSES_MS[attempt];
      try {
        const answer = await pace.run(() => models.ask(call, signal));
        if (answer.kind === 'answered') return void answers.set(item, answer);
        const itsFault = answer.status < 500;
        if (itsFault || pauseMs === undefined) {
          if (!itsFault) failed.push(item);
          return void answers.set(item, { kind: 'refused', why: `the model answered ${answer.status}` });
        }
      } catch (error) {
        if (!(error instanceof ModelUnavailable) || pauseMs === undefined) throw error;
      }
      await pause(pauseMs ?? 0, undefined, { signal });
    }
  };
  const settled = await Promise.allSettled(items.map(ask));
  const fault = settled.find((one) => one.status === 'rejected');
  if (fault) throw fault.reason;
  if (failed.length >= ALL_FAIL_MIN && failed.length === items.length)
    throw new ModelUnavailable(`the model failed on all of ${failed.length} items`);
  return answers;
}
