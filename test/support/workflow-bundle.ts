import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { preloadedModules } from './preloaded';

export interface WorkflowBundle {
  readonly code: string;
}

const ROOT = join(__dirname, '..', '..');
const KEPT = join(ROOT, '.cache', 'workflow-bundles');
/** What runs side by side is of a few checkouts at most; older bundles nobody reads again. */
const KEEP_MS = 24 * 3_600_000;
const made = new Map<string, Promise<WorkflowBundle>>();

/**
 * The workflows that a file exports, bundled. Bundling takes seconds, so what the same sources made is kept between the
 * test files and between runs: by the digest of all that can go into a bundle.
 * @param entry absolute path of the file
 */
export async function workflowBundle(entry: string): Promise<WorkflowBundle> {
  const bundle = made.get(entry) ?? kept(entry);
  made.set(entry, bundle);
  return await bundle;
}

async function kept(entry: string): Promise<WorkflowBundle> {
  const file = join(KEPT, `${digest(entry)}.js`);
  try {
    return { code: readFileSync(file, 'utf8') };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const { code } = await bundleWorkflowCode({
    workflowsPath: entry,
    preloadModules: preloadedModules(),
    logger: new DefaultLogger('ERROR'),
  });
  mkdirSync(KEPT, { recursive: true });
  removeOld();
  // The name appears when the bundle is whole: another test process may read it at once, or may have made the same.
  const making = `${file}.${randomUUID()}`;
  writeFileSync(making, code);
  renameSync(making, file);
  return { code };
}

/** The lock file stands for the libraries; this file for the way it is made; the path, as source maps hold it. */
function digest(entry: string): string {
  const hash = createHash('sha256').update(`${ROOT}\0`);
  const sources = ['workflows', 'domain'].flatMap((folder) => filesUnder(join(ROOT, folder)));
  for (const file of [...sources.sort(), join(ROOT, 'package-lock.json'), __filename, entry])
    hash
      .update(`${relative(ROOT, file)}\0`)
      .update(readFileSync(file))
      .update('\0');
  return hash.digest('hex').slice(0, 24);
}

function filesUnder(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((found) => found.isFile())
    .map((found) => join(found.parentPath, found.name));
}

function removeOld(): void {
  for (const name of readdirSync(KEPT)) {
    const file = join(KEPT, name);
    // Another test process may remove it at the same time.
    const age = Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > KEEP_MS) rmSync(file, { force: true });
  }
}
