import type { Configuration } from '../../workers/configuration/configuration';
import { supervisorState } from '../../workers/embedded/lock';
import { runPaths } from '../../workers/embedded/paths';
import type { Context } from '../context';
import { CliFailure } from '../failure';
import { fine, unmeasured, wrong, type Finding } from './finding';

/** What only shows while a controller runs: who would start again what dies, and whether the decisions are unchanged. */
export async function checkRunning(context: Context, configuration: Configuration): Promise<Finding[]> {
  const ledgers = configuration.services.map(({ name }) => ledgerIsWhole(context, name));
  return [
    ...supervisor(await supervisorState(runPaths(configuration.dataDir).lockFile), configuration.file),
    ...(await Promise.all(ledgers)),
  ];
}

/** Without `up` the workers are run by something else, and there is no lock. */
export function supervisor(lock: 'free' | 'held' | 'abandoned', file: string): Finding[] {
  switch (lock) {
    case 'free':
      return [];
    case 'held':
      return [fine('supervisor', '`lastgood up` runs')];
    case 'abandoned':
      return [
        wrong(
          'supervisor',
          '`lastgood up` has died: everything goes on, and what dies is not started again',
          `lastgood up --config ${file} (it takes over what runs)`,
        ),
      ];
  }
}

async function ledgerIsWhole(context: Context, service: string): Promise<Finding> {
  const what = `${service}: ledger`;
  try {
    const { ok, entries, breaks } = await context.client().verification(service);
    return ok
      ? fine(what, `the chain of ${entries} entries is whole`)
      : wrong(
          what,
          `the chain is broken at entry ${breaks[0]?.seq ?? '?'}: ${breaks[0]?.problem ?? ''}`,
          'lastgood audit verify',
        );
  } catch (error) {
    if (error instanceof CliFailure) return unmeasured(what, error.what, error.todo);
    throw error;
  }
}
