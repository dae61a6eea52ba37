import { contractProblem } from '../domain/rollback/contract';
import type { VersionInfo } from '../domain/version';
import type { ControlActivities, KnownVersion } from '../workflows/contract/activities';
import { quietly } from './detection/surroundings';
import type { ArtifactStore, InputFits, TrafficRouter } from './ports';

/** I15: results are at most 16 KiB; the rest is left for the envelope. */
const resultLimitChars = 15_000;
/** The route says only with whom the others are compared; a service that starts does not wait for it. */
const routeMs = 1_000;

interface Ports {
  readonly artifacts: ArtifactStore;
  readonly router: TrafficRouter;
  readonly fits?: InputFits;
}

/**
 * Versions oldest first; where they are too many for one answer the newest, which are the ones to choose from. What is
 * measured of them takes the room that is left: it never costs a version its place. Read-only.
 */
export function listVersions({ artifacts, router, fits }: Ports): ControlActivities['listVersions'] {
  return async (service) => {
    const [infos, problemOf] = await Promise.all([
      artifacts.list(service),
      quietly(routeMs, 'the route', () => problemsBesideLive(artifacts, router, service)),
    ]);
    const latest = fits?.latest(service);
    const known: KnownVersion[] = [];
    let chars = 2;
    for (const info of infos.reverse()) {
      const version = knownOf(info);
      chars += JSON.stringify(version).length + 1;
      if (chars > resultLimitChars) break;
      known.push(version);
    }
    chars = JSON.stringify(known).length;
    const measured = known.map((version) => {
      const info = infos.find((one) => one.version === version.version);
      const incompatible = info === undefined ? null : (problemOf?.(info) ?? null);
      const fit = latest?.get(version.version);
      const more = { ...version, ...(fit !== undefined && { fit }), ...(incompatible && { incompatible }) };
      chars += JSON.stringify(more).length - JSON.stringify(version).length;
      return chars > resultLimitChars ? version : more;
    });
    return measured.reverse();
  };
}

function knownOf({ version, digest, importedAt, evaluation, probes, model, observed }: VersionInfo): KnownVersion {
  const known = { version, digest, importedAt, evaluation, probes, model };
  return observed === undefined ? known : { ...known, observed };
}

type ProblemOf = (info: VersionInfo) => NonNullable<KnownVersion['incompatible']> | null;

/** Each version beside the one that clients speak to now; null where none is live or nothing is known of it. */
async function problemsBesideLive(
  artifacts: ArtifactStore,
  router: TrafficRouter,
  service: string,
): Promise<ProblemOf | null> {
  const { record } = await router.read(service);
  const live = record ? await artifacts.get(service, record.primary) : null;
  // What only an address tells of declares nothing to compare with.
  if (!record || !live || live.observed) return null;
  // The router writes the name of the version into each request, so that clients do not name it.
  const named = record.backends[record.primary]?.some(({ selector }) => selector !== undefined) ?? false;
  return (info) => {
    const why = info.version === live.version || info.observed ? null : contractProblem(live, info, named);
    return why === null ? null : { live: live.version, why };
  };
}
