import type { Client } from '@temporalio/client';
import type { temporalDecisions } from './decisions';
import type { ServiceConfiguration } from './configuration/configuration';
import { whileLeading, type Leadership } from './leadership';
import type { ProcessOptions } from './process-options';
import { configureWorkflow, ensureWorkflows } from './service-workflows';
import { eachInTurn } from './turns';

const ensureEveryMs = 60_000;
const retryEveryMs = 1_000;
/** A start of both workflows waits for the server most of the time. */
const atOnce = 16;

/**
 * At start and every minute, by the controller that leads: both workflows of every service run, and have the newest policy
 * and rules. Who begins to lead sends its own, once.
 */
export async function keepWorkflows(
  { configuration, log, signal }: ProcessOptions,
  asked: {
    readonly client: Client;
    readonly decisions: ReturnType<typeof temporalDecisions>;
    readonly registered: readonly string[];
    readonly actKeys: readonly string[];
  },
  leadership: Leadership,
): Promise<void> {
  const configured = new Map<string, number>();
  let isFirst = true;
  await whileLeading(leadership, signal, async () => {
    let complete = true;
    const ensure = async (service: ServiceConfiguration): Promise<void> => {
      if (!leadership.leads()) return;
      // When the last older controller has gone, the rules that it could not read are sent.
      const rules = leadership.commonRules();
      try {
        await ensureWorkflows(service, { ...asked, configuration, rules });
        if (configured.get(service.name) === rules) return;
        if (await configureWorkflow(service, { ...asked, configuration, rules }, log))
          configured.set(service.name, rules);
      } catch (error) {
        complete = false;
        log.warn({ service: service.name, err: error }, 'the workflows could not be ensured yet');
      }
    };
    // At first as quickly as may be; later each of many has a moment of its own in the minute.
    const withinMs = isFirst || configuration.services.length === 1 ? 0 : ensureEveryMs;
    const began = performance.now();
    await eachInTurn(configuration.services, ensure, { atOnce, withinMs, signal });
    isFirst = !complete || !leadership.leads();
    return complete ? Math.max(ensureEveryMs - (performance.now() - began), 0) : retryEveryMs;
  });
}
