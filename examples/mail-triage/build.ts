/**
 * Builds the versions of mail-triage:
 *
 *     node dist/examples/mail-triage/build.js --out DIR [--data DIR]
 *
 * Idempotent: a directory that holds what this build would make, byte for byte, is left alone.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { digestOf } from './canonical';
import { withLock, writeAtomically } from './files';
import { actualManifest, manifestDigest, readVersionFiles } from './manifest';
import { DEFAULT_DATA_DIRECTORY, preparedMails, type Prepared } from './prepared';
import { RECIPES, TRAINING } from './recipes';
import { writeVersions, type TrainedVersion, type WrittenVersion } from './versions';

/** Raise it when the code makes other bytes from the same recipes and mails. */
const BUILDER = 3;

export interface BuildOptions {
  /** Receives one directory for each version, and `index.json`. */
  out: string;
  /** Holds the prepared mails; default `.cache/mail-triage`. */
  data?: string;
  /** Called once for each version that was trained. */
  onTrained?: (trained: TrainedVersion) => void;
  /** Called before the slow parts, with a sentence. */
  onProgress?: (message: string) => void;
}

export interface BuildResult {
  versions: WrittenVersion[];
  /** False when everything was there already. */
  built: boolean;
}

interface BuildIndex {
  schema: 1;
  /** Digest of the recipes and the mails. */
  recipe: string;
  /** Manifest digest by version. */
  versions: Record<string, string>;
}

/** Makes all versions below `out`, or proves that they are there. Two builds at once run one after the other. */
export async function buildVersions(options: BuildOptions): Promise<BuildResult> {
  const out = resolve(options.out);
  options.onProgress?.('preparing the mails (once; about 5 s)');
  const prepared = await preparedMails(resolve(options.data ?? DEFAULT_DATA_DIRECTORY));
  const recipe = digestOf([BUILDER, RECIPES, TRAINING, prepared.trainingDigest, prepared.testDigest]);
  return withLock(join(out, '.build.lock'), async () => {
    const present = await verified(out, recipe);
    if (present) return { versions: present, built: false };
    return { versions: await build(prepared, out, recipe, options), built: true };
  });
}

async function build(
  prepared: Prepared,
  out: string,
  recipe: string,
  options: BuildOptions,
): Promise<WrittenVersion[]> {
  options.onProgress?.(`training ${RECIPES.length} versions`);
  const versions = await writeVersions(prepared, out, options.onTrained);
  const index: BuildIndex = {
    schema: 1,
    recipe,
    versions: Object.fromEntries(versions.map(({ version, digest }) => [version, digest])),
  };
  // Last, since it says that everything before it is complete.
  await writeAtomically(join(out, 'index.json'), `${JSON.stringify(index, null, 2)}\n`);
  return versions;
}

/** The versions below `out` when each of them has exactly the bytes that the index promises for this recipe. */
async function verified(out: string, recipe: string): Promise<WrittenVersion[] | undefined> {
  try {
    const index = JSON.parse(await readFile(join(out, 'index.json'), 'utf8')) as Partial<BuildIndex>;
    if (index.recipe !== recipe) return undefined;
    const versions: WrittenVersion[] = [];
    for (const { version } of RECIPES) {
      const directory = join(out, version);
      const { manifest, bytes } = await readVersionFiles(directory);
      const digest = manifestDigest(actualManifest(manifest, bytes));
      const extra = (await readdir(directory)).length - bytes.size - 1;
      if (digest !== manifestDigest(manifest) || digest !== index.versions?.[version] || extra !== 0) return undefined;
      versions.push({ version, directory, digest });
    }
    return versions;
  } catch {
    // Missing or damaged in any way: built again.
    return undefined;
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { out: { type: 'string' }, data: { type: 'string' } } });
  if (values.out === undefined) throw new Error('use: build.js --out DIR [--data DIR]');
  const result = await buildVersions({
    out: values.out,
    ...(values.data === undefined ? {} : { data: values.data }),
    onProgress: (message) => console.log(message),
    onTrained: ({ recipe, report, trainingMs }) => {
      const recalls = Object.entries(report.byClass).map(([label, { recall }]) => `${label} ${percent(recall)}`);
      console.log(
        `${recipe.version}: trained in ${(trainingMs / 1000).toFixed(1)} s, ` +
          `accuracy ${percent(report.accuracy)}, recall ${recalls.join(', ')}`,
      );
    },
  });
  for (const { version, digest } of result.versions) console.log(`mail-triage@${version} ${digest}`);
  if (!result.built) console.log('nothing to do: all versions are there and intact');
}

function percent(rate: number): string {
  return `${(rate * 100).toFixed(1)} %`;
}

if (require.main === module) {
  main().catch((error: unknown) => {
    console.error(`mail-triage build: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  });
}
