import type { Configuration } from '../../workers/configuration/configuration';
import type { Environment } from '../../workers/environment';
import { fine, messageOf, wrong, type Finding } from './finding';

/** The ledger's database, asked once; a file needs none of it. */
export async function askLedger(configuration: Configuration, environment: Environment): Promise<Finding[]> {
  const { postgres } = configuration.ledger;
  if (postgres === null) return [];
  const { askPostgresLedger, postgresOptions } = await import('../../workers/ledger');
  const place = `${postgres.host}:${postgres.port}/${postgres.database}`;
  try {
    const { server, tables } = await askPostgresLedger(
      postgresOptions(postgres, environment, `${configuration.file}: ledger.postgres`),
    );
    const found = tables
      ? 'its tables are there'
      : `no tables in schema ${postgres.schema} yet: the controller makes them`;
    return [fine('ledger', `PostgreSQL ${server} at ${place}; ${found}`)];
  } catch (error) {
    return [wrong('ledger', `${place}: ${messageOf(error)}`, 'correct ledger.postgres, or start the server')];
  }
}
