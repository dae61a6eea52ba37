import type { ArtifactProblem } from '../domain/version';
import type { ControlActivities } from '../workflows/contract/activities';
import { withHeartbeat } from './heartbeat';
import type { ArtifactStore } from './ports';

const problemsShown = 5;

/** Every file against the manifest, and the manifest against the decision. Read-only, so twice is once. */
export function validateArtifact({ artifacts }: { artifacts: ArtifactStore }): ControlActivities['validateArtifact'] {
  return async ({ service, version, digest }) =>
    await withHeartbeat(1_000, async () => {
      const info = await artifacts.get(service, version);
      if (info === null) return { ok: false, why: `${service}@${version} is not in the artifact store` };
      if (info.digest !== digest)
        return { ok: false, why: `the store holds ${info.digest}, the decision names ${digest}` };
      const problems = await artifacts.verify(service, version);
      return problems.length === 0 ? { ok: true } : { ok: false, why: problemsText(problems) };
    });
}

/** Each problem with its place, what was expected and what was found. */
export function problemsText(problems: readonly ArtifactProblem[]): string {
  const shown = problems
    .slice(0, problemsShown)
    .map(({ path, problem, expected, found }) => `${path}: ${problem} (expected ${expected}, found ${found})`);
  const more = problems.length - shown.length;
  return shown.join('; ') + (more > 0 ? `; and ${more} more` : '');
}
