import type { Client } from '@temporalio/client';
import type { temporalDecisions } from './decisions';
import { whileLeading, type Leadership } from './leadership';
import type { ProcessOptions } from './process-options';
import { configureWorkflow, ensureWorkflows } from './service-workflows';

const ensureEveryMs = 60_000;
const retryEveryMs = 1_000;

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
  await whileLeading(leadership, signal, async () => {
    let complete = true;
    for (const service of configuration.services) {
      if (signal.aborted || !leadership.leads()) break;
      // When the last older controller has gone, the rules that it could not read are sent.
      const rules = leadership.commonRules();
      try {
        await ensureWorkflows(service, { ...asked, configuration, rules });
        if (configured.get(service.name) !== rules) {
          if (await configureWorkflow(service, { ...asked, configuration, rules }, log))
            configured.set(service.name, rules);
        }
      } catch (error) {
        complete = false;
        log.warn({ service: service.name, err: error }, 'the workflows could not be ensured yet');
      }
    }
    return complete ? ensureEveryMs : retryEveryMs;
  });
}
