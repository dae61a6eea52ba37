import { RegistryMissing } from './errors';
import type { RegistryVersion } from './registry';

/**
 * The version that somebody means: `@alias`, our name (`v12`, `1.4.0`), or the registry's own (`12`, `v1.4.0`).
 * @throws RegistryMissing with what there is
 */
export function versionMeant(wanted: string, versions: readonly RegistryVersion[], where: string): RegistryVersion {
  const alias = wanted.startsWith('@') ? wanted.slice(1) : null;
  const found =
    alias === null
      ? (versions.find(({ version }) => version === wanted) ?? versions.find(({ id }) => id === wanted))
      : versions.find(({ aliases }) => aliases.includes(alias));
  if (found !== undefined) return found;
  const there =
    alias === null
      ? listed(versions.map(({ version }) => version))
      : listed([...new Set(versions.flatMap(({ aliases }) => aliases))].sort().map((name) => `@${name}`));
  throw new RegistryMissing(
    `${where}: there is no ${alias === null ? `version "${wanted}"` : `alias or stage "${alias}"`}; found ${there}`,
  );
}

const SHOWN = 10;

function listed(names: readonly string[]): string {
  if (names.length === 0) return 'none at all';
  return names.length > SHOWN
    ? `${names.slice(0, SHOWN).join(', ')} and ${names.length - SHOWN} more`
    : names.join(', ');
}
