import type { ServiceView } from '../api/types';
import type { Configuration } from '../workers/configuration/configuration';
import type { OpenRouter } from '../workers/router';
import type { Context } from './context';
import type { CliFailure } from './failure';

/** What the gateway itself says while the controller is down. Throws the controller's failure where it is silent too. */
export async function readGateway(
  context: Context,
  service: string | undefined,
  down: CliFailure,
): Promise<readonly ServiceView[]> {
  const { dataDir, configFile } = context.settings();
  if (dataDir === null) throw down;
  const { loadConfiguration } = await import('../workers/configuration/load');
  const configuration = loadConfiguration(configFile);
  const { router, without } = await openWhatCanBe(configuration, dataDir);
  try {
    const wanted = configuration.services.filter(({ name }) => service === undefined || name === service);
    const views = await Promise.all(
      wanted.map(async ({ name, model }): Promise<ServiceView | null> => {
        const gateway = await router.read(name).catch(() => null);
        if (gateway === null) return null;
        const entrance = await router.entrance(name).then(
          ({ address, clients }) => clients ?? address,
          () => null,
        );
        return {
          service: name,
          model,
          at: context.terminal.now(),
          source: 'gateway',
          status: null,
          gateway,
          entrance,
          notKnown: [
            'decisions, incidents, standing of the versions, cooldown, breaker and readiness: only the controller knows them',
            'whether the declared route is the one in force',
            ...without,
          ],
        };
      }),
    );
    const known = views.filter((view) => view !== null);
    if (known.length === 0) throw down;
    return known;
  } finally {
    await router.close();
  }
}

/**
 * The router and nothing else: a key of the store or of an engine that cannot be read says nothing of the traffic, and it
 * is at night that this is read. Where another router cannot be asked, this host's own still is.
 */
async function openWhatCanBe(
  configuration: Configuration,
  dataDir: string,
): Promise<{ router: OpenRouter; without: readonly string[] }> {
  const { openRouter } = await import('../workers/router');
  const { runPaths } = await import('../workers/embedded/paths');
  const paths = runPaths(dataDir);
  try {
    return { router: openRouter(configuration, paths), without: [] };
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'ConfigurationError') throw error;
    const alone = { ...configuration, router: { ...configuration.router, others: [] } };
    return { router: openRouter(alone, paths), without: [`the other routers: ${error.message}`] };
  }
}
