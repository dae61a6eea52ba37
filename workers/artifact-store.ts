import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { openDirectoryStore, type DirectoryStore } from '../adapters/artifacts/directory-store';
import { checkLayout, claimLayout } from '../adapters/disk/layout-file';
import { packageVersion } from './program';
import { readSigningKey, type SigningKey } from '../adapters/artifacts/signature/keys';
import { ConfigurationError, type Configuration } from './configuration/configuration';

/** The artifact store of a configuration, with its rules. Rejects with ConfigurationError where a key cannot be used. */
export async function openArtifactStore(
  configuration: Configuration,
  purpose: 'work' | 'look' = 'work',
): Promise<DirectoryStore> {
  const { allowFormats, signature } = configuration.artifacts;
  const directory = configuration.artifactDirectory;
  const layout = { what: 'the artifact store', release: packageVersion(), migrations: [] };
  // One that is not there yet is claimed when something lies in it; who only looks writes nothing at all.
  await (purpose === 'work' && existsSync(directory) ? claimLayout : checkLayout)(directory, layout);
  return await openDirectoryStore({
    directory,
    allowedFormats: allowFormats,
    ...(signature === null ? {} : { signature: { policy: signature.policy, keys: signingKeys(configuration) } }),
  });
}

export function signingKeys(configuration: Configuration): SigningKey[] {
  return (configuration.artifacts.signature?.keyFiles ?? []).map((file, at) => {
    try {
      return readSigningKey(basename(file), readFileSync(file, 'utf8'));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new ConfigurationError([`${configuration.file}: artifacts.signature.keys[${at}]: ${file}: ${why}`]);
    }
  });
}
