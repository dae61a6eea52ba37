import { lookAtRedisCache } from '../adapters/caches/redis-look';
import { lookAtPostgres, type Looked } from '../adapters/pipelines/postgres-look';
import { lookAtRedis } from '../adapters/pipelines/redis-look';
import type { CacheConfiguration, Configuration } from './configuration/configuration';
import type { PipelineConfiguration } from './configuration/pipelines-schema';
import type { Environment } from './environment';
import { passwordOf, postgresOptions } from './ledger';

/** One cache or pipeline that is in a Redis or a PostgreSQL of somebody else. */
export interface StoreAsked {
  readonly service: string;
  readonly kind: 'cache' | 'pipeline';
  readonly name: string;
  /** Where it is, and in which program. */
  readonly place: string;
  /** Key of the configuration. */
  readonly key: string;
  readonly looked: Looked | Error;
}

const TIMEOUT_MS = 3_000;

/** Asks each once, beside the others; changes nothing there. What is not reachable is an outcome. */
export async function askStores(configuration: Configuration, environment: Environment): Promise<StoreAsked[]> {
  const asks = configuration.services.flatMap(({ name: service, caches, pipelines }) => [
    ...caches.map((cache) => askCache(configuration, environment, service, cache)),
    ...pipelines.map((pipeline) => askPipeline(configuration, environment, service, pipeline)),
  ]);
  return (await Promise.all(asks)).filter((one) => one !== null);
}

async function askCache(
  configuration: Configuration,
  environment: Environment,
  service: string,
  cache: CacheConfiguration,
): Promise<StoreAsked | null> {
  if (cache.kind !== 'redis') return null;
  const { name, host, port, database, user, tls } = cache;
  const key = `services.${service}.caches.${name}`;
  const looked = await attempt(() => {
    const password = passwordOf(cache, environment, `${configuration.file}: ${key}`);
    const address = { host, port, database, user, password, tls };
    return lookAtRedisCache(address, { service, cache: name }, TIMEOUT_MS);
  });
  return { service, kind: 'cache', name, key, place: `Redis at ${host}:${port}/${database}`, looked };
}

async function askPipeline(
  { file }: Configuration,
  environment: Environment,
  service: string,
  pipeline: PipelineConfiguration,
): Promise<StoreAsked | null> {
  const { name } = pipeline;
  const key = `services.${service}.pipelines.${name}`;
  const asked = { service, kind: 'pipeline', name, key } as const;
  if (pipeline.kind === 'redis') {
    const marks = `lastgood:redone:${encodeURIComponent(service)}:none:${encodeURIComponent(name)}`;
    const looked = await attempt(() => lookAtRedis(pipeline, { ...pipeline, marks }));
    return { ...asked, place: `Redis at ${pipeline.url}`, looked };
  }
  if (pipeline.kind !== 'postgres') return null;
  const { host, port, database } = pipeline.database;
  const looked = await attempt(() => {
    const { schema: _schema, ...connection } = postgresOptions(
      pipeline.database,
      environment,
      `${file}: ${key}.database`,
    );
    return lookAtPostgres({ ...connection, ...pipeline, host, port, database });
  });
  return { ...asked, place: `PostgreSQL at ${host}:${port}/${database}`, looked };
}

async function attempt(look: () => Promise<Looked>): Promise<Looked | Error> {
  try {
    return await look();
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
