import type { Client } from '@temporalio/client';
import type { Ledger } from '../activities/ports';
import type { ServiceConfiguration } from './configuration/configuration';
import type { temporalDecisions } from './decisions';
import { detachedBy, leave, type Leaving } from './detached';
import { whileLeading, type Leadership } from './leadership';
import { pause, type ProcessOptions } from './process-options';
import { configureWorkflow, ensureWorkflows } from './service-workflows';
import { eachInTurn } from './turns';

const ensureEveryMs = 60_000;
const retryEveryMs = 1_000;
/** A start of both workflows waits for the server most of the time. */
const atOnce = 16;

/**
 * At start and every minute, by the controller that leads: both workflows of every service run, and have the newest policy
 * and rules; those of a detached one have ended. Who begins to lead sends its own, once.
 */
export async function keepWorkflows(
  { configuration, log, signal }: ProcessOptions,
  asked: {
    readonly client: Client;
    readonly decisions: ReturnType<typeof temporalDecisions>;
    readonly registered: readonly string[];
    readonly actKeys: readonly string[];
    readonly leaving: Omit<Leaving, 'ledger'>;
    readonly ledger: Pick<Ledger, 'read'>;
    /** Services about which nobody decides, as the ledger said last. */
    readonly detached: Set<string>;
    readonly wake: Wake;
  },
  leadership: Leadership,
): Promise<void> {
  const { wake } = asked;
  const configured = new Map<string, number>();
  let isHurried = true;
  let due: readonly ServiceConfiguration[] = configuration.services;
  let allBeganAt = 0;
  await whileLeading(leadership, signal, async () => {
    const failed: ServiceConfiguration[] = [];
    const left = async (service: ServiceConfiguration): Promise<boolean> => {
      const { name } = service;
      const detached = await detachedBy(asked.ledger, name);
      if (detached === null) return false;
      asked.detached.add(name);
      configured.delete(name);
      if (!(await leave({ ...asked.leaving, ledger: asked.ledger }, name, detached))) failed.push(service);
      return true;
    };
    const ensure = async (service: ServiceConfiguration): Promise<void> => {
      const { name } = service;
      if (!leadership.leads()) return;
      // When the last older controller has gone, the rules that it could not read are sent.
      const rules = leadership.commonRules();
      try {
        if (await left(service)) return;
        asked.detached.delete(name);
        await ensureWorkflows(service, { ...asked, configuration, rules });
        // It may have been detached between both: what was begun for it is ended again.
        if (await left(service)) return;
        if (configured.get(name) === rules) return;
        if (await configureWorkflow(service, { ...asked, configuration, rules }, log)) configured.set(name, rules);
      } catch (error) {
        failed.push(service);
        log.warn({ service: name, err: error }, 'the workflows could not be ensured yet');
      }
    };
    // At first as quickly as may be; later each of many has a moment of its own in the minute.
    const withinMs = isHurried || configuration.services.length === 1 ? 0 : ensureEveryMs;
    const began = performance.now();
    if (due === configuration.services) allBeganAt = began;
    const woken = wake.signal;
    const stop = AbortSignal.any([signal, woken]);
    await eachInTurn(due, ensure, { atOnce, withinMs, signal: withinMs === 0 ? signal : stop });
    const complete = failed.length === 0;
    const restMs = complete ? ensureEveryMs - (performance.now() - began) : retryEveryMs;
    if (restMs > 0 && leadership.leads()) await pause(restMs, stop);
    isHurried = !complete || woken.aborted || !leadership.leads();
    // Only who failed is tried again soon: a server that is slow would not become quicker by all of them. The others have
    // their minute all the same.
    const isMinuteOver = performance.now() - allBeganAt >= ensureEveryMs;
    due = complete || isMinuteOver || woken.aborted || !leadership.leads() ? configuration.services : failed;
    wake.rest();
    return 0;
  });
}

/** Something is to be done at once: whoever pauses or takes its time by `signal` goes on. */
export class Wake {
  private controller = new AbortController();

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  now(): void {
    this.controller.abort();
  }

  /** It was heard. */
  rest(): void {
    if (this.controller.signal.aborted) this.controller = new AbortController();
  }
}
