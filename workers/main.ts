import { LayoutUnknown } from '../adapters/disk/layout-file';
import { parseArgs } from 'node:util';
import { ConfigurationError } from './configuration/configuration';
import { loadConfiguration } from './configuration/load';
import { runController } from './controller';
import { pathsOfController, runPaths } from './embedded/paths';
import { runUp } from './embedded/up';
import { claimDataDirectory } from './data-directory';
import { readEnvironment } from './environment';
import { makePrivateDirectory } from './files';
import { runHost } from './host';
import { isHeld } from './legal-hold';
import { openLog } from './logging';
import type { ProcessOptions } from './process-options';
import { temporalAddress } from './temporal-connection';

const usage = `usage: node dist/workers/main.js controller|host|up --config FILE [--host NAME] [--name NAME] [--listen HOST:PORT] [--policy FILE] [--temporal HOST:PORT] [--embedded] [--keep-serving]`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      config: { type: 'string' },
      policy: { type: 'string' },
      host: { type: 'string' },
      name: { type: 'string' },
      listen: { type: 'string' },
      temporal: { type: 'string' },
      embedded: { type: 'boolean', default: false },
      'keep-serving': { type: 'boolean', default: false },
    },
  });
  const [role] = positionals;
  if (role !== 'host' && values.host !== undefined)
    throw new ConfigurationError(['--host is for host workers; everything else runs on the host that the file names']);
  if (role !== 'controller' && (values.name !== undefined || values.listen !== undefined))
    throw new ConfigurationError(['--name and --listen are for a controller beside the first one']);
  if ((values.name === undefined) !== (values.listen === undefined))
    throw new ConfigurationError([
      'a controller beside the first one needs both --name NAME and --listen HOST:PORT of its interface',
    ]);
  if (values.name !== undefined && !/^[a-z0-9-]{1,20}$/.test(values.name))
    throw new ConfigurationError([`--name: found "${values.name}", expected a to z, 0 to 9 and -, at most 20`]);
  if (role === 'up' && positionals.length === 1 && values.config !== undefined) {
    return await runUp({
      configFile: values.config,
      ...(values.policy === undefined ? {} : { policyFile: values.policy }),
      keepServing: values['keep-serving'],
      stdout: process.stdout,
      stderr: process.stderr,
    });
  }
  if ((role !== 'controller' && role !== 'host') || positionals.length !== 1 || values.config === undefined) {
    throw new ConfigurationError([usage]);
  }
  const configuration = loadConfiguration(values.config, {
    embedded: values.embedded,
    ...(values.host === undefined ? {} : { host: values.host }),
    ...(values.policy === undefined ? {} : { policyFile: values.policy }),
    ...(values.listen === undefined ? {} : { apiListen: values.listen }),
  });
  const environment = readEnvironment();
  const paths = pathsOfController(runPaths(configuration.dataDir), values.name ?? null);
  for (const directory of [configuration.dataDir, paths.runDir, paths.logDir, paths.socketDir]) {
    makePrivateDirectory(directory);
  }
  await claimDataDirectory(configuration.dataDir);
  const log = openLog(role, paths.log(role), isHeld(configuration));
  const stopping = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => stopping.abort());
  const options: ProcessOptions = {
    configuration,
    environment,
    name: values.name ?? null,
    paths,
    temporal: temporalAddress(configuration, values.temporal ?? environment.temporalAddress ?? null),
    log,
    signal: stopping.signal,
  };
  log.info({ pid: process.pid, temporal: options.temporal.address }, 'begins');
  try {
    await (role === 'controller' ? runController(options) : runHost(options));
    log.info('ended');
    return 0;
  } catch (error) {
    log.fatal({ err: error }, 'failed');
    throw error;
  }
}

main().then(
  // Nothing may keep the process: what is still open now (a connection in its back-off) is of no use any more.
  (code) => process.exit(code),
  (error: unknown) => {
    const known =
      error instanceof ConfigurationError ||
      error instanceof LayoutUnknown ||
      (error instanceof TypeError && 'code' in error);
    process.stderr.write(
      `${known ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    process.exit(known ? 64 : 1);
  },
);
