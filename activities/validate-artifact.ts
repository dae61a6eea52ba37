import { identityWords } from '../domain/observed-serving';
import type { ArtifactProblem, ObservedVersion, VersionInfo } from '../domain/version';
import type { ControlActivities } from '../workflows/contract/activities';
import { externalRefusal } from './external-parts';
import { withHeartbeat } from './heartbeat';
import type { ArtifactStore, ExternalParts } from './ports';

const problemsShown = 5;
const noteLimit = 500;
const WHOLE = 'every file is what its manifest says';

/**
 * Every file against the manifest, and the manifest against the decision. A version without an artifact is what its
 * address says of itself, and the outcome says so. Read-only, so twice is once.
 */
export function validateArtifact({
  artifacts,
  external,
}: {
  artifacts: ArtifactStore;
  external?: ExternalParts;
}): ControlActivities['validateArtifact'] {
  return async ({ service, version, digest }) =>
    await withHeartbeat(1_000, async (signal) => {
      const info = await artifacts.get(service, version);
      if (info === null) return { ok: false, why: `${service}@${version} is not in the artifact store` };
      if (info.digest !== digest)
        return { ok: false, why: `${holder(info)} ${info.digest}, the decision names ${digest}` };
      if (info.observed !== undefined) return { ok: true, note: nothingToVerify(info, info.observed) };
      const problems = await artifacts.verify(service, version);
      if (problems.length > 0) return { ok: false, why: problemsText(problems) };
      const outside = await externalRefusal(external, service, info, { signal });
      if (outside.why !== null) return { ok: false, why: outside.why };
      return { ok: true, ...noteOn([...((await artifacts.remarks?.(service, version)) ?? []), ...outside.notes]) };
    });
}

/** Nothing where nobody has a remark. */
export function noteOn(remarks: readonly string[]): { readonly note?: string } {
  return remarks.length === 0 ? {} : { note: `${WHOLE}; ${remarks.join('; ')}`.slice(0, noteLimit) };
}

export function holder({ observed }: VersionInfo): string {
  return observed === undefined ? 'the store holds' : 'its address serves';
}

function nothingToVerify({ digest }: VersionInfo, { means }: ObservedVersion): string {
  return `nothing to verify: this version has no artifact; its identity is ${digest}, known by ${identityWords(means)}`;
}

/** Each problem with its place, what was expected and what was found. */
export function problemsText(problems: readonly ArtifactProblem[]): string {
  const shown = problems
    .slice(0, problemsShown)
    .map(({ path, problem, expected, found }) => `${path}: ${problem} (expected ${expected}, found ${found})`);
  const more = problems.length - shown.length;
  return shown.join('; ') + (more > 0 ? `; and ${more} more` : '');
}
