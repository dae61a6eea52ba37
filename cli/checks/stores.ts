import type { Configuration } from '../../workers/configuration/configuration';
import type { Environment } from '../../workers/environment';
import type { StoreAsked } from '../../workers/stores-asked';
import { fine, wrong, type Finding } from './finding';

/** Caches and pipelines that are kept in a Redis or a PostgreSQL, each asked once. */
export async function checkStores(configuration: Configuration, environment: Environment): Promise<Finding[]> {
  const isKept = ({ caches, pipelines }: Configuration['services'][number]): boolean =>
    caches.some(({ kind }) => kind === 'redis') ||
    pipelines.some(({ kind }) => kind === 'redis' || kind === 'postgres');
  if (!configuration.services.some(isKept)) return [];
  const { askStores } = await import('../../workers/stores-asked');
  return (await askStores(configuration, environment)).map(judge);
}

function judge({ service, kind, name, place, key, looked }: StoreAsked): Finding {
  const what = `${service}: ${kind} ${name}`;
  if (looked instanceof Error) return wrong(what, `${place}: ${looked.message}`, `start it, or correct ${key}`);
  const { server, problems } = looked;
  if (problems.length === 0)
    return fine(what, `${place}, version ${server}: reachable, and the user may what is needed`);
  return wrong(what, `${place}, version ${server}: ${problems.join('; ')}`, `change it there, or correct ${key}`);
}
