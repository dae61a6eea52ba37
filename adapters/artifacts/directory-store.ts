import { randomBytes } from 'node:crypto';
import { mkdir, readdir, realpath, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { z } from 'zod';
import type { ArtifactStore, GoldenProbe } from '../../activities/ports';
import type { InputProfile } from '../../domain/environment/input-profile';
import type { ArtifactProblem, VersionInfo } from '../../domain/version';
import { withFileLock } from '../disk/file-lock';
import { defaultLimits, readManifest, readSmall, type AllowedFormats, type ArtifactLimits } from './content';
import { ArtifactCorrupt, ArtifactMissing, ArtifactRefused } from './errors';
import { manifestDigest, parseFile, probesSchema, profileSchema, type Manifest, type ManifestFile } from './manifest';
import { discard, exists, publish, stage, type Staged } from './objects';
import { planPrune, type PruneOptions, type PruneResult } from './prune';
import { coverageRemarks, formatRemarks } from './remarks';
import type { SignaturePolicy } from './signature/outcome';
import { StoreObjects } from './store-objects';
import { StoreRecords, type VersionRecord } from './store-records';
import { StoreSignatures } from './store-signatures';
import { versionInfo } from './version-info';

export interface DirectoryStoreOptions {
  readonly directory: string;
  readonly limits?: Partial<ArtifactLimits>;
  /** Default: nobody looks at signatures. */
  readonly signature?: SignaturePolicy;
  /** Default: no format that runs code when it is loaded. */
  readonly allowedFormats?: AllowedFormats;
  /** Milliseconds since the epoch; default the system clock. */
  readonly now?: () => number;
}

export interface ImportResult {
  readonly outcome: 'imported' | 'already-there' | 'repaired';
  readonly info: VersionInfo;
  /** As {@link DirectoryStore.remarks}. */
  readonly remarks: readonly string[];
}

export interface DirectoryStore extends ArtifactStore {
  /**
   * Takes a copy of an artifact directory. The same content again is `already-there` (or `repaired`, when the stored copy
   * was damaged). Rejects with {@link ArtifactRefused}; then the store is as before. A dry run checks every byte as an
   * import does, answers what it would have answered, and copies nothing. `madeAt` is for a version of a registry: it
   * takes its place among the others by that time (in the future: now) and not by the moment at which it was fetched.
   */
  import(path: string, options?: { readonly dryRun?: boolean; readonly madeAt?: number }): Promise<ImportResult>;
  /** What the inputs looked like when the version was validated; null where its data profile does not say. */
  inputProfile(service: string, version: string): Promise<InputProfile | null>;
  services(): Promise<string[]>;
  /** Every version name of the service with what is wrong with it; intact ones have no problems. Reads all bytes. */
  audit(service: string): Promise<{ version: string; problems: ArtifactProblem[]; remarks: readonly string[] }[]>;
  remarks(service: string, version: string): Promise<readonly string[]>;
  recheck(service: string, version: string): Promise<ArtifactProblem[]>;
  notes(service: string, version: string): Promise<{ at: number; text: string }[]>;
  /** Removes old versions, see {@link planPrune}. */
  prune(service: string, options: PruneOptions): Promise<PruneResult>;
}

interface Compared {
  readonly record: VersionRecord;
  readonly isNew: boolean;
  readonly content: 'missing' | 'broken' | 'intact';
  readonly outcome: ImportResult['outcome'];
}

// Only the last steps of an import and of a prune stand under the lock; copying, the long part, does not.
const LOCK_WAIT_MS = 60_000;

/**
 * Artifact store on a directory: `objects/<hex digest>/` (read-only content), `services/` (names), `notes/`, `staging/`.
 * Several processes may use one store; nothing outside of it is ever written.
 */
export async function openDirectoryStore(options: DirectoryStoreOptions): Promise<DirectoryStore> {
  const root = resolve(options.directory);
  const limits = { ...defaultLimits, ...options.limits };
  const now = options.now ?? Date.now;
  const allowed = options.allowedFormats ?? [];
  const policy = options.signature ?? { policy: 'off', keys: [] };
  const staging = join(root, 'staging');
  /** Not before something is written: who only looks changes nothing. */
  const made = async (): Promise<void> => {
    for (const folder of ['objects', 'services', 'notes', 'staging'])
      await mkdir(join(root, folder), { recursive: true, mode: 0o700 });
  };
  const records = new StoreRecords(root);
  const signatures = new StoreSignatures(root, policy);
  const objects = new StoreObjects(root, { allowed, policy, signatures });
  const objectPath = (digest: string): string => objects.path(digest);
  const locked = async <T>(work: () => Promise<T>): Promise<T> => {
    await made();
    return await withFileLock(join(root, 'lock'), LOCK_WAIT_MS, work);
  };

  async function recordOf(service: string, version: string): Promise<VersionRecord> {
    const record = await records.read(service, version);
    if (record === null) throw new ArtifactMissing(`${service}@${version} is not in the artifact store`);
    return record;
  }

  const problemsOf = (record: VersionRecord): Promise<ArtifactProblem[]> => objects.problems(record.digest);

  /** The manifest of an imported version; null when it is no longer what was imported. */
  async function manifestOf(record: VersionRecord): Promise<Manifest | null> {
    const read = await readManifest(objectPath(record.digest));
    return 'value' in read && manifestDigest(read.value) === record.digest ? read.value : null;
  }

  async function infoOf(record: VersionRecord): Promise<VersionInfo | null> {
    const manifest = await manifestOf(record);
    return manifest === null ? null : versionInfo(objectPath(record.digest), record, manifest);
  }

  /** A report of an imported version; null where it has none. Rejects when the version is not what was imported. */
  async function reportOf<T>(
    service: string,
    version: string,
    role: ManifestFile['role'],
    schema: z.ZodType<T>,
  ): Promise<T | null> {
    const record = await recordOf(service, version);
    const manifest = await manifestOf(record);
    if (manifest === null) throw new ArtifactCorrupt(`${service}@${version}`, await problemsOf(record));
    const file = manifest.files.find((listed) => listed.role === role);
    if (file === undefined) return null;
    const read = await readSmall(objectPath(record.digest), file.path);
    const parsed = 'problems' in read ? read : parseFile(file.path, read.bytes, schema);
    if ('problems' in parsed) throw new ArtifactCorrupt(`${service}@${version}`, parsed.problems);
    return parsed.value;
  }

  async function allRecords(service: string): Promise<VersionRecord[]> {
    const all = await Promise.all(
      (await records.versions(service)).map((version) => records.read(service, version).catch(() => null)),
    );
    return all.filter((record) => record !== null).sort((left, right) => left.order - right.order);
  }

  async function list(service: string): Promise<VersionInfo[]> {
    const all = await Promise.all((await allRecords(service)).map(infoOf));
    return all.filter((info) => info !== null);
  }

  /** What the store has of a version that is offered. Rejects when its name stands for other content. */
  async function compare({ manifest, digest }: Staged, madeAt = Infinity): Promise<Compared> {
    const { service, version } = manifest;
    const known = await records.read(service, version);
    if (known !== null && known.digest !== digest) {
      const found = `${digest}; a version name never changes its content`;
      const problem = { path: 'manifest.json', problem: 'changed' as const, expected: known.digest, found };
      throw new ArtifactRefused(`${service}@${version}`, [problem]);
    }
    const object = objectPath(digest);
    const content = !(await exists(object))
      ? 'missing'
      : (await objects.contentProblems(digest)).length > 0
        ? 'broken'
        : 'intact';
    const importedAt = Math.min(now(), madeAt);
    const order = placeFor(importedAt, await allRecords(service), madeAt !== Infinity);
    const record = known ?? { schema: 1 as const, service, version, digest, importedAt, order };
    return {
      record,
      isNew: known === null,
      content,
      outcome: known === null ? 'imported' : content === 'intact' ? 'already-there' : 'repaired',
    };
  }

  /** The signature that the version will have; rejects where the policy does not let it in. */
  async function signatureFor(
    { manifest, digest, manifestBytes }: Staged,
    content: Compared['content'],
    offered: Buffer | null,
  ): Promise<Buffer | null> {
    const stored = content === 'intact' ? (await readManifest(objectPath(digest))).bytes : undefined;
    const { write, problems } = await signatures.choose(digest, offered, { manifest, bytes: stored ?? manifestBytes });
    if (problems.length > 0) throw new ArtifactRefused(`${manifest.service}@${manifest.version}`, problems);
    return write;
  }

  async function admit(staged: Staged, offered: Buffer | null, madeAt: number | undefined): Promise<ImportResult> {
    const { record, isNew, content, outcome } = await compare(staged, madeAt);
    const object = objectPath(record.digest);
    const signature = await signatureFor(staged, content, offered);
    // Before the content gets its name: a version never stands there without the signature that let it in.
    if (signature !== null) await signatures.write(record.digest, signature);
    if (content === 'broken') await discard(object, staging);
    if (content !== 'intact') await publish(staged.directory, object);
    if (isNew) await records.write(record);
    const info = await infoOf(record);
    if (info === null) throw new ArtifactCorrupt(`${record.service}@${record.version}`, await problemsOf(record));
    return { outcome, info, remarks: await objects.remarks(record.digest) };
  }

  async function foresee(path: string, source: string): Promise<ImportResult> {
    const checked = await stage(source, null, limits, allowed);
    if ('problems' in checked) throw new ArtifactRefused(path, checked.problems);
    const { record, content, outcome } = await compare(checked);
    await signatureFor(checked, content, await signatures.offered(source));
    const info = await versionInfo(source, record, checked.manifest);
    if (info === null)
      throw new ArtifactRefused(path, [
        { path, problem: 'changed', expected: 'files that stay as they are', found: 'others than a moment ago' },
      ]);
    return {
      outcome,
      info,
      remarks: [...coverageRemarks(checked.manifest), ...(await formatRemarks(source, checked.manifest))],
    };
  }

  /** Content that a crash left without a name. Under the lock: an import names its content before it lets go of it. */
  async function discardNameless(): Promise<void> {
    const named = new Set<string>();
    for (const service of await records.services()) {
      const versions = await records.versions(service);
      const known = await allRecords(service);
      // What an unreadable record names is not known, so nothing may be called nameless.
      if (known.length < versions.length) return;
      for (const { digest } of known) named.add(digest.slice('sha256:'.length));
    }
    for (const object of await readdir(join(root, 'objects'))) {
      if (!named.has(object)) await discard(join(root, 'objects', object), staging);
    }
  }

  return {
    async import(path, { dryRun = false, madeAt } = {}) {
      const source = await realpath(path).catch((fault: unknown) => {
        const found = fault instanceof Error ? fault.message : String(fault);
        throw new ArtifactRefused(path, [{ path, problem: 'unreadable', expected: 'a directory', found }]);
      });
      if (dryRun) return await foresee(path, source);
      await made();
      const work = join(staging, randomBytes(8).toString('hex'));
      try {
        const staged = await stage(source, work, limits, allowed);
        if ('problems' in staged) throw new ArtifactRefused(path, staged.problems);
        const offered = await signatures.offered(source);
        return await locked(() => admit(staged, offered, madeAt));
      } finally {
        if (await exists(work)) await rm(work, { recursive: true, force: true });
      }
    },
    list,
    services: () => records.services(),
    async get(service, version) {
      const record = await records.read(service, version);
      return record === null ? null : infoOf(record);
    },
    async verify(service, version) {
      return problemsOf(await recordOf(service, version));
    },
    async audit(service) {
      const found: { version: string; problems: ArtifactProblem[]; remarks: readonly string[] }[] = [];
      for (const version of (await records.versions(service)).sort()) {
        const problems = await recordOf(service, version).then(problemsOf, (fault: unknown) => [
          {
            path: `${version}.json`,
            problem: 'unreadable' as const,
            expected: 'a version record',
            found: String(fault),
          },
        ]);
        const remarks = problems.length > 0 ? [] : await objects.remarks((await recordOf(service, version)).digest);
        found.push({ version, problems, remarks });
      }
      return found;
    },
    async materialise(service, version) {
      const record = await recordOf(service, version);
      const problems = await objects.sealed(record.digest);
      if (problems.length > 0) throw new ArtifactCorrupt(`${service}@${version}`, problems);
      return { directory: objectPath(record.digest), digest: record.digest };
    },
    recheck: async (service, version) => objects.recheck((await recordOf(service, version)).digest),
    remarks: async (service, version) => objects.remarks((await recordOf(service, version)).digest),
    async probes(service, version): Promise<GoldenProbe[]> {
      return (await reportOf(service, version, 'probes', probesSchema))?.probes ?? [];
    },
    async inputProfile(service, version) {
      if ((await records.read(service, version)) === null) return null;
      return (await reportOf(service, version, 'profile', profileSchema))?.inputProfile ?? null;
    },
    async annotate(service, version, note) {
      await recordOf(service, version);
      await records.annotate(service, version, note);
    },
    async notes(service, version) {
      await recordOf(service, version);
      return records.notes(service, version);
    },
    async prune(service, pruneOptions) {
      const result = await planPrune(await list(service), pruneOptions);
      if (pruneOptions.dryRun) return result;
      await locked(async () => {
        for (const { version } of result.removed) {
          const record = await recordOf(service, version);
          // The name first: a crash in between leaves content without a name, never a name without content.
          await records.remove(record);
          await signatures.remove(record.digest);
          await discard(objectPath(record.digest), staging);
        }
        await discardNameless();
      });
      return result;
    },
  };
}

/** After every other one; of a version that is older than some of them, before those. */
function placeFor(at: number, sorted: readonly VersionRecord[], isDated: boolean): number {
  const newer = isDated ? sorted.findIndex(({ importedAt }) => importedAt > at) : -1;
  if (newer === -1) return 1 + Math.max(0, ...sorted.map(({ order }) => order));
  return ((sorted[newer - 1]?.order ?? 0) + (sorted[newer]?.order ?? 0)) / 2;
}

/** Removes what a crashed import left behind; for a store that no import runs on. */
export async function sweepStaging(directory: string): Promise<number> {
  const staging = join(resolve(directory), 'staging');
  const left = await readdir(staging).catch((fault: NodeJS.ErrnoException) => {
    if (fault.code === 'ENOENT') return [];
    throw fault;
  });
  for (const name of left) await discard(join(staging, name), staging);
  return left.length;
}
