import { parseArgs } from 'node:util';
import { loadConfig } from './config';
import { GatewayConfigError, GatewayStorageError } from './errors';
import { Gateway } from './gateway';

const USAGE = 'usage: node dist/gateway/main.js --config FILE';
const EXIT_USE = 64;
const EXIT_CONFIG = 78;

async function main(): Promise<void> {
  const file = configFile();
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

function configFile(): string | undefined {
  try {
    return parseArgs({ options: { config: { type: 'string' } } }).values.config;
  } catch {
    return undefined;
  }
}

void main();
