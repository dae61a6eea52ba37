import type { VersionInfo } from '../domain/version';
import type { ControlActivities, KnownVersion } from '../workflows/contract/activities';
import type { ArtifactStore } from './ports';

/** I15: results are at most 16 KiB; the rest is left for the envelope. */
const resultLimitChars = 15_000;

/** Versions oldest first; where they are too many for one answer the newest, which are the ones to choose from. Read-only. */
export function listVersions({ artifacts }: { artifacts: ArtifactStore }): ControlActivities['listVersions'] {
  return async (service) => {
    const known: KnownVersion[] = [];
    let chars = 2;
    for (const info of (await artifacts.list(service)).reverse()) {
      const version = knownOf(info);
      chars += JSON.stringify(version).length + 1;
      if (chars > resultLimitChars) break;
      known.unshift(version);
    }
    return known;
  };
}

function knownOf({ version, digest, importedAt, evaluation, probes, model, observed }: VersionInfo): KnownVersion {
  const known = { version, digest, importedAt, evaluation, probes, model };
  return observed === undefined ? known : { ...known, observed };
}
