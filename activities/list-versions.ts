import { contractProblem } from '../domain/rollback/contract';
import type { VersionInfo } from '../domain/version';
import type { ControlActivities, KnownVersion } from '../workflows/contract/activities';
import { quietly } from './detection/surroundings';
import type { ArtifactStore, InputFits, TrafficRouter } from './ports';

/** I15: results are at most 16 KiB; the rest is left for the envelope. */
const resultLimitBytes = 15_000;
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
    const room = new Room(resultLimitBytes);
    const listed: Listed[] = [];
    let told = false;
    for (const info of infos.reverse()) {
      const problem = problemOf?.(info) ?? null;
      // A bar that was cut off would let it in: it takes its place with the version, the words where there is room.
      const bar = problem === null ? false : told || problem;
      told ||= problem !== null;
      const said = problemOf !== null && (bar !== false || listed.length === 0);
      const known: KnownVersion = { ...knownOf(info), ...(said && { incompatible: bar }) };
      if (!room.take(known)) break;
      listed.push({ known, problem });
    }
    return listed
      .map(({ known, problem }) => {
        const fit = latest?.get(known.version);
        const measured = fit === undefined ? known : room.exchange(known, { ...known, fit });
        return problem === null ? measured : room.exchange(measured, { ...measured, incompatible: problem });
      })
      .reverse();
  };
}

interface Listed {
  readonly known: KnownVersion;
  readonly problem: { readonly live: string; readonly why: string } | null;
}

/** What is left of the answer, in bytes of its JSON. */
class Room {
  constructor(private left: number) {}

  take(version: KnownVersion): boolean {
    this.left -= bytesOf(version);
    return this.left >= 0;
  }

  /** The longer one where there is room for it. */
  exchange(version: KnownVersion, longer: KnownVersion): KnownVersion {
    const more = bytesOf(longer) - bytesOf(version);
    if (more > this.left) return version;
    this.left -= more;
    return longer;
  }
}

/** With the comma behind it. */
function bytesOf(version: KnownVersion): number {
  return Buffer.byteLength(JSON.stringify(version)) + 1;
}

function knownOf({ version, digest, importedAt, evaluation, probes, model, observed }: VersionInfo): KnownVersion {
  const known = { version, digest, importedAt, evaluation, probes, model };
  return observed === undefined ? known : { ...known, observed };
}

type ProblemOf = (info: VersionInfo) => Listed['problem'];

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
