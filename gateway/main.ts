import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { loadConfig } from './config';
import { GatewayConfigError, GatewayStorageError } from './errors';
import { Gateway } from './gateway';
import { storedRoutes } from './stored-routes';
import { putBack, storedState } from './stored-state';

const USAGE =
  'usage: node dist/gateway/main.js --config FILE | --routes DATADIR | --state DATADIR | --put-back DATADIR';
const EXIT_USE = 64;
const EXIT_CONFIG = 78;

async function main(): Promise<void> {
  const { config: file, routes, state, release = 'unknown', 'put-back': target } = options();
  if (routes !== undefined) return print(() => storedRoutes(routes));
  if (state !== undefined) return print(() => storedState(state));
  if (target !== undefined) {
    const given = JSON.parse(readFileSync(process.stdin.fd, 'utf8')) as unknown;
    return print(() => putBack(target, given, release) ?? null);
  }
  if (file === undefined) {
    process.stderr.write(`${USAGE}\n`);
    process.exit(EXIT_USE);
  }
  let gateway: Gateway;
  try {
    gateway = await Gateway.start(loadConfig(file));
  } catch (error) {
    const expected = error instanceof GatewayConfigError || error instanceof GatewayStorageError;
    const code = (error as NodeJS.ErrnoException).code;
    const text =
      expected || code === 'EADDRINUSE' || code === 'EACCES'
        ? (error as Error).message
        : String((error as Error).stack);
    process.stderr.write(`lastgood gateway: ${text}\n`);
    process.exit(EXIT_CONFIG);
  }
  const stop = (): void => {
    gateway.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`lastgood gateway: ${String(error)}\n`);
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

/** What a gateway with this data directory would serve by, as JSON. */
function print(read: () => unknown): void {
  try {
    process.stdout.write(`${JSON.stringify(read())}\n`);
  } catch (error) {
    process.stderr.write(`lastgood gateway: ${(error as Error).message}\n`);
    process.exitCode = EXIT_CONFIG;
  }
}

function options() {
  const string = { type: 'string' } as const;
  try {
    return parseArgs({
      options: { config: string, routes: string, state: string, 'put-back': string, release: string },
    }).values;
  } catch {
    return {};
  }
}

void main();
