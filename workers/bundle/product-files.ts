import { readdirSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import type { BundledPackage, BundlePlatform } from './packages';

export interface ProductFile {
  /** Below the release's directory, with slashes. */
  readonly path: string;
  readonly file: string;
  readonly bytes: number;
}

/** What of the product's own directory a site gets: it is all there but what makes and tests it. */
const ownFolders = ['dist', 'docs', 'deploy'];
const ownFiles = ['package.json', 'README.md', 'CHANGELOG.md', 'LICENSE'];
/** Parts of `dist/` that need packages which the product does not have. */
const ownLeftOut = ['dist/bench', 'dist/examples', 'dist/.tsbuildinfo'];

/** Sources, maps and words of packages. Licences stay. */
const notLoaded = /\.(map|ts|mts|cts|tsx|md|markdown|flow|rs|toml|tsbuildinfo)$/i;
const licence = /^(licen[cs]e|notice|copying)/i;
const foldersNotLoaded = new Set(['node_modules', '__tests__', '.github']);
/** Of the SDK's native library the sources stand beside the compiled ones of every platform. */
const bridge = { name: '@temporalio/core-bridge', keep: ['index.js', 'common.js', 'package.json', 'lib', 'releases'] };

const bridgeTargets: Readonly<Record<BundlePlatform, string>> = {
  'linux-x64': 'x86_64-unknown-linux-gnu',
  'linux-arm64': 'aarch64-unknown-linux-gnu',
  'darwin-x64': 'x86_64-apple-darwin',
  'darwin-arm64': 'aarch64-apple-darwin',
};

export function ownProductFiles(root: string): ProductFile[] {
  const below = ownFolders.flatMap((folder) => filesBelow(join(root, folder), () => true));
  const files = [...below, ...ownFiles.map((name) => join(root, name))].map((file) => productFile(root, file));
  return files.filter(({ path }) => !ownLeftOut.some((out) => path === out || path.startsWith(`${out}/`)));
}

export function packageFiles(
  root: string,
  { name, directory }: BundledPackage,
  platforms: readonly BundlePlatform[],
): ProductFile[] {
  const targets = platforms.map((platform) => bridgeTargets[platform]);
  const isLoaded = (path: string, folder: boolean): boolean => {
    const [top = '', second] = relative(directory, path).split(sep);
    if (name === bridge.name) {
      if (!bridge.keep.includes(top)) return false;
      if (top === 'releases' && second !== undefined && !targets.includes(second)) return false;
    }
    const base = path.slice(path.lastIndexOf(sep) + 1);
    return folder ? !foldersNotLoaded.has(base) : licence.test(base) || !notLoaded.test(base);
  };
  return filesBelow(directory, isLoaded).map((file) => productFile(root, file));
}

function filesBelow(directory: string, keep: (path: string, folder: boolean) => boolean): string[] {
  const entries = readdirSync(directory, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  return entries.flatMap((entry) => {
    const path = join(directory, entry.name);
    if (!keep(path, entry.isDirectory())) return [];
    if (entry.isDirectory()) return filesBelow(path, keep);
    return entry.isFile() ? [path] : [];
  });
}

function productFile(root: string, file: string): ProductFile {
  return { path: relative(root, file).split(sep).join('/'), file, bytes: statSync(file).size };
}
