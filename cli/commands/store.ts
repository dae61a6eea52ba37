import type { Context } from '../context';
import { exitCodes } from '../exit-codes';
import { CliFailure } from '../failure';
import { loadWhole } from './whole-configuration';

/** Refusals of the store as answers for people; anything else is a fault. */
export async function refusing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Error && /^Artifact(Refused|Missing|Corrupt)$/.test(error.name))
      throw new CliFailure(
        exitCodes.refused,
        error.message,
        'correct what it names and run the command again; nothing was changed',
        { cause: error },
      );
    throw error;
  }
}

/** The artifact store of the configuration, opened by this process; several processes may use it. */
export async function moduleOfStore(context: Context) {
  const configuration = await loadWhole(context);
  const { openAdapters } = await import('../../workers/composition');
  const { runPaths } = await import('../../workers/embedded/paths');
  const { store } = await openAdapters(configuration, runPaths(configuration.dataDir));
  return store;
}

export type Store = Awaited<ReturnType<typeof moduleOfStore>>;
