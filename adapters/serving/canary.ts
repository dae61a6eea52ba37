import { setTimeout as pause } from 'node:timers/promises';
import { readCounters, type CountersAt } from './engine-counters';
import { EngineAnswerRefused, EngineUnreachable } from './errors';
import { answerJson, httpCall } from './http';

/** One smallest possible inference. What answers it is what users would get: a health page is none. */
export interface Canary {
  readonly path: string;
  readonly body: string;
  /** True for an answer that is a completion. */
  readonly isAnswer: (json: unknown) => boolean;
  /** Counters that grow while the engine computes, each name that versions of it have had. */
  readonly progress: readonly string[];
}

/** A large model on a small machine takes some tenths of a second for a token. */
const PROGRESS_MS = 500;
const QUOTED_CHARS = 300;

/**
 * Ready where the canary is answered. One that is not answered in time may only stand in a queue: an engine that computes
 * for others meanwhile is busy, not broken, and a busy live version must not be taken for a dead one.
 */
export async function askCanary(at: CountersAt, canary: Canary): Promise<{ ready: boolean; why: string }> {
  const { address, timeoutMs, limitBytes, headers } = at;
  const url = `${address}${canary.path}`;
  try {
    const answer = await httpCall({ url, method: 'POST', body: canary.body, timeoutMs, limitBytes, headers });
    if (answer.status !== 200) {
      const words = answer.text.trim().slice(0, QUOTED_CHARS);
      return { ready: false, why: `a canary completion was answered ${answer.status}: ${words || 'without a word'}` };
    }
    if (!canary.isAnswer(answerJson(url, answer))) {
      const words = answer.text.slice(0, QUOTED_CHARS);
      return { ready: false, why: `a canary completion was answered without a completion: ${words}` };
    }
    return { ready: true, why: `a canary completion was answered in ${Math.round(answer.ms)} ms` };
  } catch (fault) {
    if (!(fault instanceof EngineUnreachable)) throw fault;
    const computed = await computes(at, canary.progress);
    if (computed) return { ready: true, why: 'busy: a canary completion waits while it computes for others' };
    return { ready: false, why: `${fault.message}; ${address} computes nothing meanwhile` };
  }
}

async function computes(at: CountersAt, names: readonly string[]): Promise<boolean> {
  try {
    const sum = async (): Promise<number> =>
      [...(await readCounters(at, names)).values()].reduce((total, value) => total + value, 0);
    const before = await sum();
    await pause(PROGRESS_MS);
    return (await sum()) > before;
  } catch (fault) {
    if (fault instanceof EngineUnreachable || fault instanceof EngineAnswerRefused) return false;
    throw fault;
  }
}
