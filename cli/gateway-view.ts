import type { ServiceView } from '../api/types';
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
  const { openAdapters } = await import('../workers/composition');
  const { runPaths } = await import('../workers/embedded/paths');
  const configuration = loadConfiguration(configFile);
  const adapters = await openAdapters(configuration, runPaths(dataDir));
  try {
    const wanted = configuration.services.filter(({ name }) => service === undefined || name === service);
    const views = await Promise.all(
      wanted.map(async ({ name, model }): Promise<ServiceView | null> => {
        const gateway = await adapters.router.read(name).catch(() => null);
        if (gateway === null) return null;
        const entrance = await adapters.router.entrance(name).then(
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
          ],
        };
      }),
    );
    const known = views.filter((view) => view !== null);
    if (known.length === 0) throw down;
    return known;
  } finally {
    await adapters.close();
  }
}
