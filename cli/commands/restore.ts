import { randomUUID } from 'node:crypto';
import { hostname, userInfo } from 'node:os';
import { resolve } from 'node:path';
import type { Restoration } from '../../api/types';
import { printJson, printLines, type Context } from '../context';
import { exitCodes } from '../exit-codes';
import { badUse, CliFailure } from '../failure';
import { defaultConfigFile } from '../settings';
import { requireReason } from './acts';
import { refusing } from './backup';

/** `lastgood restore`: needs no controller, and must find none. */
export async function restore(
  context: Context,
  input: { readonly archive: string; readonly data?: string; readonly reason?: string },
): Promise<number> {
  const { archive, data } = input;
  if (data === undefined)
    throw badUse(
      'into which directory? --data is needed',
      `lastgood restore ${archive} --data .lastgood --reason 'why'`,
    );
  const reason = requireReason(input, `lastgood restore ${archive} --data ${data}`);
  const { restoreBackup } = await import('../../workers/backup/restore');
  const { readEnvironment } = await import('../../workers/environment');
  const restored = await refusing(() =>
    restoreBackup({
      file: resolve(archive),
      dataDir: resolve(data),
      configFile: resolve(context.options.config ?? defaultConfigFile),
      // Whoever may write the data directory: the user of this process, whom the system has proven.
      actor: { name: userInfo().username, proof: 'unix-user', from: hostname() },
      reason,
      environment: readEnvironment(),
      now: context.terminal.now(),
    }),
  );
  const { manifest, age, configFile, notes } = restored;
  if (context.json) {
    printJson(context.terminal, {
      dataDir: resolve(data),
      configFile,
      madeAt: manifest.madeAt,
      release: manifest.release,
      services: manifest.services,
      notes,
    });
    return exitCodes.ok;
  }
  printLines(context.terminal, [
    `${resolve(data)}: restored from a backup of ${new Date(manifest.madeAt).toISOString()} (${age} old)`,
    ...manifest.services.map(
      ({ service, entries, highestEpoch }) => `${service}: ${entries} decisions; epochs go on above ${highestEpoch}`,
    ),
    ...notes.map((note) => `note: ${note}`),
    'every service begins in mode observe. Next:',
    `  lastgood up --config ${configFile}`,
    '  lastgood restore differences',
    "  lastgood restore accept SERVICE --reason '…'",
  ]);
  return exitCodes.ok;
}

/** Ends with 2 while something waits for a person. */
export async function differences(context: Context, { service }: { readonly service?: string }): Promise<number> {
  const client = context.client();
  const names = service === undefined ? (await client.services()).map((view) => view.service) : [service];
  const found: Restoration[] = [];
  for (const name of names) {
    const one = await client.restoration(name).catch((error: unknown) => {
      if (service === undefined && error instanceof CliFailure && error.exitCode === exitCodes.refused) return null;
      throw error;
    });
    if (one !== null) found.push(one);
  }
  if (found.length === 0) throw new CliFailure(exitCodes.refused, 'no service was restored from a backup');
  if (context.json) printJson(context.terminal, { services: found });
  else for (const one of found) printLines(context.terminal, linesOf(one));
  return found.some(({ acceptedAt }) => acceptedAt === null) ? exitCodes.needsHuman : exitCodes.ok;
}

function linesOf({ service, summary, acceptedAt, differences: found }: Restoration): string[] {
  return [
    `${service}: ${summary}`,
    ...(found.length === 0 ? ['  nothing differs'] : found.map((line) => `  ${line}`)),
    acceptedAt === null
      ? `  not accepted yet: lastgood restore accept ${service} --reason '…'`
      : `  accepted at ${new Date(acceptedAt).toISOString()}`,
  ];
}

export async function accept(
  context: Context,
  input: { readonly service: string; readonly mode?: string; readonly reason?: string },
): Promise<number> {
  const { service, mode } = input;
  const reason = requireReason(input, `lastgood restore accept ${service}`);
  if (mode !== undefined && !['observe', 'confirm', 'act'].includes(mode))
    throw badUse(`--mode: found "${mode}", expected observe, confirm or act`);
  const client = context.client();
  const seen = await client.restoration(service);
  const accepted = await client.acceptRestoration(service, {
    requestId: randomUUID(),
    reason,
    seen: seen.digest,
    ...(mode === undefined ? {} : { mode }),
  });
  const refused = accepted.answers.filter(({ decision }) => decision === 'refused');
  if (context.json) printJson(context.terminal, accepted);
  else
    printLines(context.terminal, [
      ...accepted.differences.map((line) => `accepted: ${line}`),
      ...accepted.answers.map(({ decision, why }) => `${decision}: ${why}`),
      `${service}: mode ${accepted.mode}`,
    ]);
  return refused.length === 0 ? exitCodes.ok : exitCodes.refused;
}
