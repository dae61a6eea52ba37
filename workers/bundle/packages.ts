import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { z } from 'zod';

/** Where a bundle can be installed, as Node says it: `<process.platform>-<process.arch>`. */
export const bundlePlatforms = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64'] as const;
export type BundlePlatform = (typeof bundlePlatforms)[number];

export interface BundledPackage {
  readonly name: string;
  readonly version: string;
  /** Where it is here, and below the product. */
  readonly directory: string;
  readonly path: string;
}

/** Packages that a running product never loads, and why. */
export const leftOut: readonly (readonly [RegExp, string])[] = [
  [/^@types\//, 'types for the compiler'],
  [/^(@swc\/|swc-loader$|source-map-loader$)/, 'compile workflows, which are in the product compiled'],
  [/-musl(eabihf)?$/, 'for Alpine and its like, which the SDK of Temporal does not run on'],
  [/^(cpu-features|buildcheck|nan)$/, 'optional for ssh2, needs a C compiler'],
];

const manifestSchema = z.object({
  name: z.string(),
  version: z.string(),
  dependencies: z.record(z.string(), z.string()).default({}),
  optionalDependencies: z.record(z.string(), z.string()).default({}),
  peerDependencies: z.record(z.string(), z.string()).default({}),
  peerDependenciesMeta: z.record(z.string(), z.object({ optional: z.boolean().default(false) })).default({}),
  os: z.array(z.string()).exactOptional(),
  cpu: z.array(z.string()).exactOptional(),
});
type Manifest = z.infer<typeof manifestSchema>;

/** A package that the product needs is not installed here. The message is for the user. */
export class PackageMissing extends Error {
  override readonly name = 'PackageMissing';
}

/**
 * What `root` needs to run, found as Node finds it: each package that a dependency leads to, in the place where it is
 * installed. Of those for one platform only the ones for `platforms`.
 * @throws PackageMissing
 */
export function productionPackages(root: string, platforms: readonly BundlePlatform[]): BundledPackage[] {
  const found = new Map<string, BundledPackage>();
  const visit = (directory: string, manifest: Manifest, chain: string): void => {
    const { dependencies, optionalDependencies, peerDependencies, peerDependenciesMeta } = manifest;
    const optional = new Set(Object.keys(optionalDependencies));
    for (const name of Object.keys(peerDependencies)) if (peerDependenciesMeta[name]?.optional) optional.add(name);
    for (const name of new Set(Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies }))) {
      if (leftOut.some(([pattern]) => pattern.test(name))) continue;
      const at = installedAt(name, directory, root);
      if (at === null) {
        if (optional.has(name)) continue;
        throw new PackageMissing(
          `${name}, which ${chain} needs, is not installed in ${root}: run \`npm ci --omit=dev\``,
        );
      }
      const path = relative(root, at);
      if (found.has(path)) continue;
      const next = readManifest(at);
      if (!runsOn(next, platforms)) continue;
      found.set(path, { name, version: next.version, directory: at, path });
      visit(at, next, name);
    }
  };
  visit(root, readManifest(root), 'lastgood');
  const packages = [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  for (const platform of platforms) requireNative(packages, platform);
  return packages;
}

/** The database's library comes as a package for each platform; npm installs only that of the machine. */
function requireNative(packages: readonly BundledPackage[], platform: BundlePlatform): void {
  const name = `@libsql/${platform}${platform.startsWith('linux') ? '-gnu' : ''}`;
  if (packages.some((one) => one.name === name)) return;
  const version = packages.find((one) => one.name === 'libsql')?.version ?? 'VERSION';
  throw new PackageMissing(
    `--platforms ${platform}: ${name} is not installed here: run \`npm install --no-save --force ${name}@${version}\` first`,
  );
}

function installedAt(name: string, from: string, root: string): string | null {
  for (let directory = from; ; directory = dirname(directory)) {
    const at = join(directory, 'node_modules', name);
    if (existsSync(join(at, 'package.json'))) return at;
    if (directory === root) return null;
  }
}

function readManifest(directory: string): Manifest {
  return manifestSchema.parse(JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')));
}

function runsOn({ os, cpu }: Manifest, platforms: readonly BundlePlatform[]): boolean {
  const allows = (list: readonly string[] | undefined, value: string): boolean =>
    list === undefined ||
    (list.some((one) => !one.startsWith('!')) ? list.includes(value) : !list.includes(`!${value}`));
  return platforms.some((platform) => {
    const [system = '', machine = ''] = platform.split('-');
    return allows(os, system) && allows(cpu, machine);
  });
}
