import { randomBytes } from 'node:crypto';
import type { RunReport } from '../../workers/chaos/run';
import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { CliFailure } from '../failure';
import { renderExperiment, renderRun } from '../render/chaos';
import { requireReason } from './acts';
import { experimentNamed } from './chaos-experiments';
import { apiWorld } from './chaos-world';
import { loadWhole } from './whole-configuration';

export interface ChaosRunInput {
  readonly experiment: string;
  readonly service?: string;
  readonly consent?: string;
  readonly reason?: string;
  readonly dryRun?: boolean;
}

/**
 * `lastgood chaos run EXPERIMENT`: ends with 0 when it passed, 1 when it failed, 3 when it proved nothing, 2 when something
 * is left for a person.
 */
export async function runChaos(context: Context, input: ChaosRunInput): Promise<number> {
  const { terminal } = context;
  // On this machine only: the faults are made here, whatever controller `--api` names.
  const configuration = await loadWhole(context);
  const experiment = await experimentNamed(input.experiment, await serviceOf(context, input));
  if (input.dryRun === true) {
    if (context.json) printJson(terminal, experiment);
    else printLines(terminal, [...renderExperiment(experiment), 'Nothing was done (--dry-run).']);
    return exitCodes.ok;
  }
  const reason = requireReason(input, `lastgood chaos run ${input.experiment}`);
  const { refusalOf } = await import('../../workers/chaos/preflight');
  const client = context.client();
  const refusal = refusalOf((await client.service(experiment.service)).status?.state ?? null);
  if (refusal !== null)
    throw new CliFailure(exitCodes.refused, `no experiment now: ${refusal}`, `lastgood status ${experiment.service}`);
  const { StateFile } = await import('../../workers/chaos/state-file');
  const stateFile = new StateFile(configuration.dataDir);
  const former = await stateFile.read();
  if (former !== null)
    throw new CliFailure(
      exitCodes.refused,
      `run ${former.run} of ${former.experiment} ${(await StateFile.isAlive(former)) ? 'is under way' : 'has left something behind'}`,
      'lastgood chaos abort',
    );
  const report = await made();
  if (context.json) printJson(terminal, report);
  else printLines(terminal, renderRun(report));
  return exitCodeOf(report);

  async function made(): Promise<RunReport> {
    const { openChaos } = await import('../../workers/chaos/open-chaos');
    const { runExperiment } = await import('../../workers/chaos/run');
    const { failpointHold } = await import('../../workers/chaos/step-hold');
    const { readEnvironment } = await import('../../workers/environment');
    const { readStartTime } = await import('../../workers/temporal/process-identity');
    const { failpoints } = readEnvironment();
    const stop = new AbortController();
    const abort = (): void => stop.abort();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, abort);
    const chaos = await openChaos(configuration);
    try {
      const { startUsers } = await chaos.usersOf(experiment.service);
      return await runExperiment(
        experiment,
        {
          world: apiWorld(client, experiment.service, input.consent),
          faults: chaos.faults,
          startUsers,
          hold: failpoints === undefined ? null : failpointHold(failpoints),
          stateFile,
          say: (line) => (context.json ? terminal.err(line) : terminal.out(line)),
          signal: stop.signal,
          reason,
        },
        {
          run: `${Date.now().toString(36)}-${randomBytes(3).toString('hex')}`,
          pid: process.pid,
          startTime: (await readStartTime(process.pid)) ?? '',
        },
      );
    } finally {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, abort);
      await chaos.close();
    }
  }
}

/** The one that is named; else the only one there is, unless the file names one. */
async function serviceOf(context: Context, input: ChaosRunInput): Promise<string | null> {
  if (input.service !== undefined) return input.service;
  const { services } = context.settings();
  return await Promise.resolve(services.length === 1 ? (services[0] ?? null) : null);
}

function exitCodeOf({ verdict, leftovers }: RunReport): number {
  if (leftovers.length > 0) return exitCodes.needsHuman;
  switch (verdict) {
    case 'passed':
      return exitCodes.ok;
    case 'failed':
      return exitCodes.refused;
    case 'void':
    case 'aborted':
      return exitCodes.unmeasured;
  }
}

/** `lastgood chaos abort`. */
export async function abortChaos(context: Context): Promise<number> {
  const { terminal } = context;
  const configuration = await loadWhole(context);
  const { StateFile } = await import('../../workers/chaos/state-file');
  const stateFile = new StateFile(configuration.dataDir);
  const state = await stateFile.read();
  if (state === null) {
    terminal.out('no run is under way, and none has left anything behind');
    return exitCodes.ok;
  }
  if (await StateFile.isAlive(state)) {
    process.kill(state.pid, 'SIGINT');
    terminal.out(`run ${state.run} of ${state.experiment} was told to end; it takes back what it did`);
    return exitCodes.ok;
  }
  if (state.fault !== null) {
    const { openChaos } = await import('../../workers/chaos/open-chaos');
    const chaos = await openChaos(configuration);
    try {
      const { sentence } = await chaos.faults.remove(state.fault);
      terminal.out(`${state.fault.kind} on ${state.fault.target}: ${sentence}`);
    } finally {
      await chaos.close();
    }
  }
  await stateFile.clear();
  const { service, before, run } = state;
  const live = await context
    .client()
    .service(service)
    .then(({ status }) => status?.state.declared?.primary ?? null);
  await context.client().recordChaos(service, {
    run,
    phase: 'ended',
    experiment: state.experiment,
    atMs: Date.now(),
    reason: 'lastgood chaos abort',
    summary: `chaos experiment ${state.experiment} was taken back after its process had died`,
    facts: { verdict: 'aborted', fault: state.fault?.kind ?? null },
  });
  if (before !== null && live !== before)
    terminal.out(`${live ?? 'nothing'} is live, ${before} was: lastgood deploy ${service}@${before} --reason '…'`);
  return exitCodes.ok;
}
