import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Configuration } from '../../workers/configuration/configuration';
import type { Environment } from '../../workers/environment';
import { fine, messageOf, unmeasured, warning, wrong, type Finding } from './finding';

/** The ledger's database, asked once; a file needs none of it. */
export async function askLedger(configuration: Configuration, environment: Environment): Promise<Finding[]> {
  const { postgres } = configuration.ledger;
  if (postgres === null) return [await anchorPlace(configuration, Date.now())];
  const { askPostgresLedger, postgresOptions } = await import('../../workers/ledger');
  const place = `${postgres.host}:${postgres.port}/${postgres.database}`;
  try {
    const { server, tables } = await askPostgresLedger(
      postgresOptions(postgres, environment, `${configuration.file}: ledger.postgres`),
    );
    const found = tables
      ? 'its tables are there'
      : `no tables in schema ${postgres.schema} yet: the controller makes them`;
    return [fine('ledger', `PostgreSQL ${server} at ${place}; ${found}`), await anchorPlace(configuration, Date.now())];
  } catch (error) {
    return [wrong('ledger', `${place}: ${messageOf(error)}`, 'correct ledger.postgres, or start the server')];
  }
}

/** One an hour where decisions are taken; a service that decides nothing needs none. */
const anchorOldMs = 26 * 3_600_000;

/** Anchors prove nothing against who can write both; a device of its own is the least that can be seen from here. */
export async function anchorPlace(
  { ledger, dataDir }: Pick<Configuration, 'ledger' | 'dataDir'>,
  now: number,
): Promise<Finding> {
  const { anchorFile: file, postgres } = ledger;
  const remedy =
    'set ledger.anchorFile to a place that the user of lastgood cannot rewrite: another host, an append-only share';
  const there = await stat(file).catch(() => null);
  if (there === null) {
    const place = await stat(dirname(file)).catch(() => null);
    if (place !== null || file.startsWith(dataDir))
      return unmeasured('anchors', `${file}: no head was noted yet: it comes with the first hour`, remedy);
    return wrong(
      'anchors',
      `${file}: its directory is not there, so no head of the ledger is noted`,
      'mount or make it',
    );
  }
  const said = `${file}, last written ${new Date(there.mtimeMs).toISOString()}`;
  if (now - there.mtimeMs > anchorOldMs)
    return warning(
      'anchors',
      `${said}: nothing was noted for more than a day`,
      'see that the controller runs and may write there',
    );
  const beside = await stat(postgres === null ? ledger.file : dataDir).catch(() => null);
  if (beside?.dev === there.dev)
    return warning(
      'anchors',
      `${said}, on the disk of ${postgres === null ? 'the ledger itself' : 'the data directory'}`,
      remedy,
    );
  return fine('anchors', said);
}
