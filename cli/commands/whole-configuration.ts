import type { Configuration } from '../../workers/configuration/configuration';
import type { Context } from '../context';
import { exitCodes } from '../exit-codes';
import { badUse, CliFailure } from '../failure';

/** The whole configuration, checked; for the verbs that open parts themselves. */
export async function loadWhole(context: Context, policyFile?: string): Promise<Configuration> {
  if (context.options.api !== undefined)
    throw badUse('this verb works on the files of this machine, and --api names a controller', 'use --config FILE');
  const { loadConfiguration } = await import('../../workers/configuration/load');
  const { defaultConfigFile } = await import('../settings');
  try {
    return loadConfiguration(
      context.options.config ?? defaultConfigFile,
      policyFile === undefined ? {} : { policyFile },
    );
  } catch (error) {
    if (error instanceof Error && error.name === 'ConfigurationError')
      throw new CliFailure(exitCodes.badUse, error.message, 'correct the file; lastgood validate checks it again', {
        cause: error,
      });
    throw error;
  }
}
