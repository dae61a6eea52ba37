import { readFileSync } from 'node:fs';
import type { DatabaseLedger } from '../adapters/ledger/chained-ledger';
import { openPostgresLedger, type PostgresLedgerOptions } from '../adapters/ledger/postgres-ledger';
import { openSqliteLedger } from '../adapters/ledger/sqlite-ledger';
import { ConfigurationError, type Configuration, type PostgresConfiguration } from './configuration/configuration';
import type { Environment } from './environment';
import { packageVersion } from './program';

/** The ledger where the configuration says that it is. */
export async function openLedger(
  { ledger, file: configurationFile }: Pick<Configuration, 'ledger' | 'file'>,
  environment: Environment,
  onAnchorFailed: (error: Error) => void,
): Promise<DatabaseLedger> {
  const { file, anchorFile, postgres } = ledger;
  const release = packageVersion();
  if (postgres === null) return await openSqliteLedger({ file, anchorFile, onAnchorFailed, release });
  const options = postgresOptions(postgres, environment, `${configurationFile}: ledger.postgres`);
  return await openPostgresLedger({ ...options, anchorFile, onAnchorFailed, release });
}

/** @throws ConfigurationError when the password cannot be read */
export function postgresOptions(
  configured: PostgresConfiguration,
  environment: Environment,
  place: string,
): PostgresLedgerOptions {
  const { host, port, database, user, tls, schema } = configured;
  const password = passwordOf(configured, environment, place);
  return {
    ...{ host, port, database, user, schema },
    ...(password && { password }),
    tls: tls && {
      ...(tls.caFile !== null && { caFile: tls.caFile }),
      ...(tls.serverName !== null && { serverName: tls.serverName }),
    },
  };
}

export { askPostgresLedger } from '../adapters/ledger/postgres-ledger';

/** @throws ConfigurationError when it cannot be read */
export function passwordOf(
  { password }: Pick<PostgresConfiguration, 'password'>,
  environment: Environment,
  place: string,
): (() => string) | null {
  if (password === null) return null;
  if ('env' in password) {
    const value = environment.inherited[password.env];
    if (value === undefined || value === '')
      throw new ConfigurationError([`${place}.passwordEnv: found no variable ${password.env} in the environment`]);
    return () => value;
  }
  const read = (): string => {
    let text: string;
    try {
      text = readFileSync(password.file, 'utf8').replace(/\r?\n$/, '');
    } catch (error) {
      throw new ConfigurationError([`${place}.passwordFile: ${(error as Error).message}`]);
    }
    if (text !== '') return text;
    throw new ConfigurationError([`${place}.passwordFile: found nothing in ${password.file}, expected the password`]);
  };
  read();
  return read;
}
