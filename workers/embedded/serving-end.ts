import type { Logger } from 'pino';
import type { Configuration } from '../configuration/configuration';
import type { Environment } from '../environment';
import { engineFor, openRuntime } from '../composition';

/**
 * Ends every copy that runs for the services of this data directory. Only after gateway and host worker have ended: then
 * nobody sends a request there, and nobody starts another.
 */
export async function endServing(configuration: Configuration, environment: Environment, log: Logger): Promise<void> {
  for (const service of configuration.services) {
    if (service.serving.runtime !== 'process') continue;
    const runtime = await openRuntime(configuration, service, engineFor(service), environment);
    const { instances, foreign } = await runtime.inspect(service.name);
    for (const { what, why } of foreign) log.warn({ what, why }, 'not ours, left alone');
    const running = instances.filter(({ state }) => state !== 'exited');
    await Promise.all(
      running.map(async ({ instance }) => {
        const { outcome, why } = await runtime.stop(instance, { graceMs: service.policy.steps.stopGraceMs });
        log.info({ instance, outcome, why }, 'serving process');
      }),
    );
  }
}
