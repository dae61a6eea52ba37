import { parseArgs } from 'node:util';
import { loadConfig } from './config';
import { GatewayConfigError, GatewayStorageError } from './errors';
import { Gateway } from './gateway';
import { storedRoutes } from './stored-routes';

const USAGE = 'usage: node dist/gateway/main.js --config FILE | --routes DATADIR';
const EXIT_USE = 64;
const EXIT_CONFIG = 78;

async function main(): Promise<void> {
  const { config: file, routes } = options();
  if (routes !== undefined) return printRoutes(routes);
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
function printRoutes(dataDir: string): void {
  try {
    process.stdout.write(`${JSON.stringify(storedRoutes(dataDir))}\n`);
  } catch (error) {
    process.stderr.write(`lastgood gateway: ${(error as Error).message}\n`);
    process.exitCode = EXIT_CONFIG;
  }
}

function options(): { config?: string | undefined; routes?: string | undefined } {
  try {
    return parseArgs({ options: { config: { type: 'string' }, routes: { type: 'string' } } }).values;
  } catch {
    return {};
  }
}

void main();
