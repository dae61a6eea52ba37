import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, readFileSync, statSync } from 'node:fs';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Release } from '../../api/types';
import type { Environment } from '../environment';
import { packageDirectory } from '../program';
import { releaseFacts } from '../release';
import type { ProgressOutput } from '../temporal/progress';
import { PackageMissing, productionPackages, type BundlePlatform } from './packages';
import { ownProductFiles, packageFiles, type ProductFile } from './product-files';
import { tarOf, type ArchiveEntry } from './tar';
import { temporalFor } from './temporal-program';

export { PackageMissing };

export interface BundleOptions {
  /** The archive; written whole or not at all. `<out>.sha256` stands beside it. */
  readonly out: string;
  readonly platforms: readonly BundlePlatform[];
  readonly environment: Environment;
  readonly output?: ProgressOutput;
}

export interface BundlePart {
  readonly name: string;
  readonly files: number;
  /** Installed. */
  readonly bytes: number;
  /** In the archive. */
  readonly packedBytes: number;
}

export interface Bundle {
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly id: string;
  readonly release: Release;
  readonly parts: readonly BundlePart[];
  /** The largest packages, installed. */
  readonly largest: readonly { readonly name: string; readonly bytes: number }[];
}

/**
 * Writes one archive that installs and runs without a network: an outer tar with the installer and the checksums of its
 * parts, so that a changed byte is told by the name of its part before anything is unpacked from it.
 * @throws PackageMissing, TemporalUnavailableError: each message is for the user
 */
export async function writeBundle(options: BundleOptions): Promise<Bundle> {
  const { platforms, environment } = options;
  const out = resolve(options.out);
  const root = packageDirectory();
  if (!hasBuild(root)) throw new PackageMissing(`${root} is not built: run \`npm run build\``);
  const release = releaseFacts();
  const id = releaseId(release);
  const work = await mkdtemp(join(dirname(out), '.bundle-'));
  try {
    const packages = productionPackages(root, platforms).map((one) => ({
      ...one,
      files: packageFiles(root, one, platforms),
    }));
    const temporal: ProductFile[] = [];
    for (const platform of platforms) temporal.push(await temporalFor(platform, environment, work, options.output));
    const groups = [
      { name: 'product', files: ownProductFiles(root) },
      { name: 'packages', files: packages.flatMap(({ files }) => files) },
      { name: 'temporal', files: temporal },
    ];
    const sums: string[] = [];
    const outer: ArchiveEntry[] = [];
    const parts: BundlePart[] = [];
    for (const { name, files } of groups) {
      for (const { path, file } of files) sums.push(`${await sha256(file)}  ${path}`);
      const part = `parts/${name}.tar.gz`;
      const packed = join(work, `${name}.tar.gz`);
      await pack(files, packed);
      outer.push(fileEntry(part, packed));
      parts.push({ name, files: files.length, bytes: total(files), packedBytes: statSync(packed).size });
    }
    const about = { id, ...release, platforms, parts };
    const texts: Record<string, string> = {
      'FILES.sha256': `${sums.join('\n')}\n`,
      'release.json': `${JSON.stringify(about, null, 2)}\n`,
      README: installerFile(root, 'README').replaceAll('@ID@', id).replaceAll('@PLATFORMS@', platforms.join(', ')),
      'install.sh': installerFile(root, 'install.sh'),
    };
    for (const [path, text] of Object.entries(texts)) outer.push(textEntry(path, text, path === 'install.sh'));
    const lines = await Promise.all(outer.map(async (entry) => `${await sha256Of(entry)}  ${entry.path}`));
    outer.push(textEntry('SHA256SUMS', `${lines.join('\n')}\n`, false));
    const inside = outer.map((entry) => ({ ...entry, path: `lastgood-${id}/${entry.path}` }));
    const whole = join(work, 'bundle.tar');
    await pipeline(Readable.from(tarOf(inside)), createWriteStream(whole));
    const digest = await sha256(whole);
    await writeFile(`${out}.sha256`, `${digest}  ${basename(out)}\n`);
    await rename(whole, out);
    const largest = packages
      .map(({ name, version, files }) => ({ name: `${name}@${version}`, bytes: total(files) }))
      .sort((a, b) => b.bytes - a.bytes);
    return { file: out, bytes: statSync(out).size, sha256: digest, id, release, parts, largest: largest.slice(0, 5) };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The directory that a release is installed in: two builds of a version stand beside each other. */
export function releaseId({ version, commit }: Pick<Release, 'version' | 'commit'>): string {
  return commit === null ? version : `${version}-${commit.replace(/[^A-Za-z0-9._-]/g, '-')}`;
}

function hasBuild(root: string): boolean {
  try {
    return ['dist/cli/lastgood.js', 'dist/workflow-bundle.js'].every((file) => statSync(join(root, file)).isFile());
  } catch {
    return false;
  }
}

async function pack(files: readonly ProductFile[], target: string): Promise<void> {
  const entries = files.map(({ path, file, bytes }): ArchiveEntry => {
    return { path, executable: (statSync(file).mode & 0o100) !== 0, content: { file, bytes } };
  });
  await pipeline(Readable.from(tarOf(entries)), createGzip({ level: 6 }), createWriteStream(target));
}

/** From `deploy/bundle`, which is in the product too: a bundle can be made from an installed one. */
function installerFile(root: string, name: string): string {
  return readFileSync(join(root, 'deploy', 'bundle', name), 'utf8');
}

function textEntry(path: string, text: string, executable: boolean): ArchiveEntry {
  return { path, executable, content: Buffer.from(text) };
}

function fileEntry(path: string, file: string): ArchiveEntry {
  return { path, executable: false, content: { file, bytes: statSync(file).size } };
}

async function sha256Of({ content }: ArchiveEntry): Promise<string> {
  if (Buffer.isBuffer(content)) return createHash('sha256').update(content).digest('hex');
  return await sha256(content.file);
}

async function sha256(file: string): Promise<string> {
  const { size } = statSync(file);
  const hash = createHash('sha256');
  // A stream costs more than a small file does.
  if (size <= 1 << 20) return hash.update(await readFile(file)).digest('hex');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

function total(files: readonly ProductFile[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}
