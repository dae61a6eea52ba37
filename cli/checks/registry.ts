import type { Configuration, ServiceConfiguration } from '../../workers/configuration/configuration';
import type { Parts } from '../../workers/registry-sync';
import { fine, messageOf, unmeasured, warning, wrong, type Finding } from './finding';

const timeoutMs = 10_000;
const shownVersions = 5;

/** The registry of a service, asked once for its versions; nothing is fetched or noted. */
export async function askRegistry(service: ServiceConfiguration, parts: Parts): Promise<Finding[]> {
  const { registry } = service;
  if (registry === null) return [];
  const { listRegistry } = await import('../../workers/registry-sync');
  const what = `${service.name}: registry`;
  try {
    const versions = await listRegistry(parts, service.name, AbortSignal.timeout(timeoutMs));
    const { where } = parts.adapters.registries.of(service.name) ?? { where: '' };
    const shown = versions
      .slice(0, shownVersions)
      .map(({ version, aliases }) => [version, ...aliases.map((alias) => `@${alias}`)].join(' '));
    const more = versions.length > shownVersions ? `, and ${versions.length - shownVersions} older` : '';
    return [
      versions.length === 0
        ? warning(what, `${where}: answers, and has no version`, 'register one, or correct the name')
        : fine(what, `${where}: ${shown.join(', ')}${more}`),
      ...readable(what, registry),
    ];
  } catch (error) {
    const remedy = 'correct services.NAME.registry, or repair it; versions that are in the store need it no more';
    return [wrong(what, messageOf(error), remedy)];
  }
}

function readable(what: string, { source }: NonNullable<ServiceConfiguration['registry']>): Finding[] {
  if (source.kind !== 'mlflow' || source.auth === null) return [];
  const { protocol, hostname } = new URL(source.url);
  const isHere = hostname === 'localhost' || hostname === '[::1]' || /^127\./.test(hostname);
  if (protocol === 'https:' || isHere) return [];
  return [warning(what, `${source.url}: its secret can be read on the way`, 'call it by https://')];
}

/** For `doctor`, which has not opened the adapters. */
export async function checkRegistries(configuration: Configuration): Promise<Finding[]> {
  if (configuration.services.every(({ registry }) => registry === null)) return [];
  const { openToLook } = await import('../../workers/composition');
  const { runPaths } = await import('../../workers/embedded/paths');
  let adapters: Parts['adapters'] & { close(): Promise<void> };
  try {
    adapters = await openToLook(configuration, runPaths(configuration.dataDir));
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'ConfigurationError') throw error;
    return [unmeasured('registries', `not asked: ${error.message}`, 'correct what it names, then look again')];
  }
  try {
    const parts = { configuration, adapters };
    return (await Promise.all(configuration.services.map((service) => askRegistry(service, parts)))).flat();
  } finally {
    await adapters.close();
  }
}
