import type { Client } from '@temporalio/client';
import type { Ledger } from '../activities/ports';
import type { temporalDecisions } from './decisions';
import { detachedBy, leave, type Leaving } from './detached';
import { pause, type ProcessOptions } from './process-options';
import { configureWorkflow, ensureWorkflows } from './service-workflows';

const ensureEveryMs = 60_000;

/** At start and every minute: both workflows of every service run, and have the newest policy and rules. */
export async function keepWorkflows(
  { configuration, log, signal }: ProcessOptions,
  asked: {
    readonly client: Client;
    readonly decisions: ReturnType<typeof temporalDecisions>;
    readonly registered: readonly string[];
    readonly actKeys: readonly string[];
    readonly leaving: Leaving;
    readonly ledger: Pick<Ledger, 'read'>;
    /** Services about which nobody decides, as the ledger said last. */
    readonly detached: Set<string>;
    readonly wake: Wake;
  },
): Promise<void> {
  const configured = new Set<string>();
  while (!signal.aborted) {
    let complete = true;
    for (const service of configuration.services) {
      try {
        const entry = await detachedBy(asked.ledger, service.name);
        if (entry !== null) {
          asked.detached.add(service.name);
          configured.delete(service.name);
          if (!(await leave(asked.leaving, service.name, entry))) complete = false;
          continue;
        }
        asked.detached.delete(service.name);
        await ensureWorkflows(service, { ...asked, configuration });
        if (!configured.has(service.name)) {
          if (await configureWorkflow(service, { ...asked, configuration }, log)) configured.add(service.name);
        }
      } catch (error) {
        complete = false;
        log.warn({ service: service.name, err: error }, 'the workflows could not be ensured yet');
      }
    }
    await asked.wake.pause(complete ? ensureEveryMs : 1_000, signal);
  }
}

/** A pause that ends early when something is to be done at once. */
export class Wake {
  private controller = new AbortController();

  now(): void {
    this.controller.abort();
  }

  async pause(ms: number, signal: AbortSignal): Promise<void> {
    await pause(ms, AbortSignal.any([signal, this.controller.signal]));
    this.controller = new AbortController();
  }
}
