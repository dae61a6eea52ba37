import type { ArtifactStore, Engine, GoldenProbe } from '../../activities/ports';
import { identityKey, NO_IDENTITY } from '../../domain/observed-serving';
import type { VersionInfo } from '../../domain/version';

/** Versions of one service that something else runs, and for which there may be no artifact. */
export interface ExternalVersions {
  readonly model: string;
  readonly engine: Engine;
  /** Version → its address; empty where one address tells its version. */
  readonly versions: Readonly<Record<string, string>>;
  /** Golden probes that hold for every version without an artifact. */
  readonly probes: readonly GoldenProbe[];
}

const IDENTITY_MS = 5_000;

/**
 * The artifact store, and beside it the versions that only their addresses tell of: no files, no evaluation report, the
 * digest is what answers at the address now. One that does not answer is not listed. Where an artifact of the name
 * exists, the artifact alone counts.
 */
export function withExternalVersions(
  store: ArtifactStore,
  externalOf: (service: string) => ExternalVersions | null,
): ArtifactStore {
  async function observed(service: string, version: string): Promise<VersionInfo | null> {
    const external = externalOf(service);
    const address = external && Object.hasOwn(external.versions, version) ? external.versions[version] : undefined;
    if (external === null || address === undefined) return null;
    const { engine, model, probes } = external;
    const identity = await engine.identity(address, model, { timeoutMs: IDENTITY_MS }).catch(() => null);
    if (identity === null) return null;
    const digest = identityKey(identity);
    // In the order of the configuration, and older than every artifact: it was there before lastgood came.
    const place = 1 + Object.keys(external.versions).indexOf(version);
    return {
      version,
      digest,
      createdAt: place,
      importedAt: place,
      engine: engine.name,
      model,
      evaluation: null,
      probes: probes.length,
      external: [],
      bytes: 0,
      observed: { means: digest === NO_IDENTITY ? 'none' : identity.means, ownAddress: true },
    };
  }

  const isImported = async (service: string, version: string): Promise<boolean> =>
    (await store.get(service, version)) !== null;

  return {
    async list(service) {
      const imported = await store.list(service);
      const names = new Set(imported.map(({ version }) => version));
      const others = Object.keys(externalOf(service)?.versions ?? {}).filter((version) => !names.has(version));
      const found = await Promise.all(others.map((version) => observed(service, version)));
      return [...found.filter((info) => info !== null), ...imported];
    },
    async get(service, version) {
      return (await store.get(service, version)) ?? (await observed(service, version));
    },
    async verify(service, version) {
      if (!(await isImported(service, version)) && (await observed(service, version)) !== null) return [];
      return await store.verify(service, version);
    },
    recheck: async (service, version) => (await store.recheck?.(service, version)) ?? [],
    async remarks(service, version) {
      return (await isImported(service, version)) ? ((await store.remarks?.(service, version)) ?? []) : [];
    },
    // Nothing could be started from an address; the runtime of such a service never asks.
    materialise: (service, version) => store.materialise(service, version),
    async probes(service, version) {
      const external = externalOf(service);
      if (external === null || (await isImported(service, version))) return await store.probes(service, version);
      return [...external.probes];
    },
    async annotate(service, version, note) {
      // A note stands beside an artifact; what is known of a version without one is in the ledger.
      if (externalOf(service) !== null && !(await isImported(service, version))) return;
      await store.annotate(service, version, note);
    },
  };
}
