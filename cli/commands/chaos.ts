import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { CliFailure } from '../failure';
import { serviceFor, serviceNames } from '../names';
import { readRun, renderExperiment, renderRecordedRun, renderRunLine, type RecordedRun } from '../render/chaos';
import { experimentFile, experimentNamed, shippedExperiments } from './chaos-experiments';

const PAGE = 1_000;

/** Runs of a service as the ledger has them, oldest first. */
async function recordedRuns(context: Context, service: string): Promise<RecordedRun[]> {
  const { entries } = await context
    .client()
    .ledger(service, { kinds: ['operator-act'], newestFirst: true, limit: PAGE });
  const runs = new Map<string, RecordedRun>();
  for (const entry of [...entries].reverse()) {
    const run = readRun(service, entry, runs);
    if (run !== null) runs.set(run.run, run);
  }
  return [...runs.values()];
}

/** `lastgood chaos list [service]` */
export async function listChaos(context: Context, input: { readonly service?: string }): Promise<number> {
  const { readExperiment } = await import('../../workers/chaos/experiment-schema');
  const shipped = [...shippedExperiments()].map(([name, file]) => ({ name, why: readExperiment(file, 'any').why }));
  const services = input.service === undefined ? await serviceNames(context) : [input.service];
  const runs = (await Promise.all(services.map((service) => recordedRuns(context, service)))).flat();
  if (context.json) printJson(context.terminal, { experiments: shipped, runs });
  else
    printLines(context.terminal, [
      'Experiments that ship:',
      ...shipped.map(({ name, why }) => `  ${name}: ${why}`),
      runs.length === 0 ? 'No run was made yet.' : 'Runs:',
      ...runs.map(renderRunLine),
    ]);
  return exitCodes.ok;
}

/** `lastgood chaos show WHAT` */
export async function showChaos(
  context: Context,
  { what, service }: { readonly what: string; readonly service?: string },
): Promise<number> {
  const file = experimentFile(what);
  if (file !== what || what.endsWith('.yaml')) {
    const experiment = await experimentNamed(what, service ?? context.settings().services[0] ?? 'any');
    if (context.json) printJson(context.terminal, experiment);
    else printLines(context.terminal, renderExperiment(experiment));
    return exitCodes.ok;
  }
  const name = await serviceFor(context, service, (one) => `lastgood chaos show ${what} --service ${one}`);
  const run = (await recordedRuns(context, name)).find((one) => one.run === what);
  if (run === undefined)
    throw new CliFailure(
      exitCodes.refused,
      `${what} is no experiment that ships and no run of ${name}`,
      'lastgood chaos list',
    );
  if (context.json) printJson(context.terminal, run);
  else printLines(context.terminal, renderRecordedRun(run));
  return exitCodes.ok;
}
