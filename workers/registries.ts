import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dvcRegistry } from '../adapters/artifacts/dvc/dvc';
import { mlflowRegistry } from '../adapters/artifacts/mlflow/mlflow';
import { RegistryAnswerRefused } from '../adapters/artifacts/registry/errors';
import type { Registry } from '../adapters/artifacts/registry/registry';
import { ConfigurationError, serviceNamed, type Configuration } from './configuration/configuration';
import type { RegistryConfiguration, SecretPlace } from './configuration/registry-schema';
import type { Environment } from './environment';

/** The registries of all services, each opened when it is first asked for. */
export interface Registries {
  /**
   * Null where the service has none.
   * @throws ConfigurationError where its certificates cannot be read
   */
  of(service: string): Registry | null;
  close(): Promise<void>;
}

export function openRegistries(
  configuration: Configuration,
  environment: Pick<Environment, 'path' | 'inherited'>,
): Registries {
  const open = new Map<string, Registry>();
  return {
    of(service) {
      const configured = serviceNamed(configuration, service)?.registry ?? null;
      const known = open.get(service);
      if (configured === null || known !== undefined) return known ?? null;
      const registry = openRegistry(`${configuration.file}: services.${service}.registry`, configured, environment);
      open.set(service, registry);
      return registry;
    },
    close: async () => {
      await Promise.all([...open.values()].map((registry) => registry.close()));
    },
  };
}

function openRegistry(
  place: string,
  { source }: RegistryConfiguration,
  { path, inherited }: Pick<Environment, 'path' | 'inherited'>,
): Registry {
  if (source.kind === 'dvc') return dvcRegistry({ ...source, programs: path });
  const { url, model, auth, caFile } = source;
  const secret = (at: SecretPlace): Promise<string> => readSecret(`${place}.auth`, at, inherited);
  return mlflowRegistry({
    url,
    model,
    ca: caFile === null ? null : readCertificates(`${place}.caFile`, caFile),
    authorization: async () => {
      if (auth === null) return null;
      if ('token' in auth) return `Bearer ${await secret(auth.token)}`;
      return `Basic ${Buffer.from(`${auth.user}:${await secret(auth.password)}`).toString('base64')}`;
    },
  });
}

function readCertificates(place: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigurationError([`${place}: ${(error as Error).message}`]);
  }
}

async function readSecret(place: string, at: SecretPlace, inherited: NodeJS.ProcessEnv): Promise<string> {
  const text =
    'env' in at
      ? inherited[at.env]
      : await readFile(at.file, 'utf8').catch((error: unknown) => {
          throw new RegistryAnswerRefused(`${place}: ${(error as Error).message}`, { cause: error });
        });
  const secret = text?.trim() ?? '';
  if (secret === '' || /[\r\n]/.test(secret))
    throw new RegistryAnswerRefused(
      `${place}: found ${secret === '' ? 'nothing' : 'several lines'} in ${'env' in at ? at.env : at.file}, expected one line with the secret`,
    );
  return secret;
}
