// Compiles the product to dist/, bundles the workflows and copies what is no TypeScript. Run by `npm ci`.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleConsole } from './bundle-console.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
const require = createRequire(import.meta.url);
// The same folders as in tsconfig.json, without the tests.
const folders = 'domain workflows activities adapters gateway api workers cli examples bench experiments'.split(' ');
const assetTypes = new Set(['.json', '.yaml', '.yml', '.html', '.css', '.svg', '.sql']);

removeStaleOutput();
compile();
copyAssets();
await bundleWorkflows();
writeFileSync(join(dist, 'build.json'), `${JSON.stringify({ commit: describeCommit() })}\n`);
await bundleConsole(join(dist, 'console')).catch((error) => fail(`the console could not be bundled: ${error.message}`));
markExecutable(join(dist, 'cli/lastgood.js'));

/** Compiled files whose source is gone would still be run and required. */
function removeStaleOutput() {
  for (const folder of folders) {
    for (const file of filesUnder(join(dist, folder))) {
      const source = relative(dist, file).replace(/\.js(\.map)?$/, '.ts');
      if (/\.js(\.map)?$/.test(file) && !existsSync(join(root, source))) rmSync(file);
    }
  }
}

function compile() {
  const tsc = resolveOrFail('typescript/bin/tsc');
  const buildInfo = join(dist, '.tsbuildinfo');
  // An incremental build believes its record: without the output that it describes the record must go.
  if (existsSync(buildInfo) && !outputIsComplete()) rmSync(buildInfo);
  const { status } = spawnSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json')], { stdio: 'inherit' });
  if (status !== 0) fail('the TypeScript compiler reported errors (above)');
}

function outputIsComplete() {
  return folders.every((folder) =>
    filesUnder(join(root, folder))
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts') && !file.endsWith('.test.ts'))
      .every((file) => existsSync(join(dist, relative(root, file).replace(/\.ts$/, '.js')))),
  );
}

function copyAssets() {
  for (const folder of folders) {
    for (const file of filesUnder(join(root, folder))) {
      if (!assetTypes.has(extname(file)) || file.endsWith('/package.json')) continue;
      const target = join(dist, relative(root, file));
      mkdirSync(dirname(target), { recursive: true });
      copyFileSync(file, target);
    }
  }
}

/** Takes seconds, so it is left out when nothing that goes into the bundle changed. */
async function bundleWorkflows() {
  const entry = join(root, 'workflows/index.ts');
  if (!existsSync(entry)) return;
  const bundle = join(dist, 'workflow-bundle.js');
  const hashFile = join(dist, 'workflow-bundle.hash');
  const hash = hashOfInputs();
  if (existsSync(bundle) && existsSync(hashFile) && readFileSync(hashFile, 'utf8') === hash) return;
  const { bundleWorkflowCode } = require('@temporalio/worker');
  const errors = [];
  const log = (level) => (message) => {
    if (level === 'error') errors.push(message);
    if (level === 'warn' || level === 'error') console.error(String(message));
  };
  const logger = Object.fromEntries(['trace', 'debug', 'info', 'warn', 'error'].map((level) => [level, log(level)]));
  try {
    // Once for all workflows of a worker instead of once for each: libraries, schemas and rules have no state of their own.
    // Only what workflows use anyway: each of them becomes a part of the bundle as a whole.
    const rules = ['domain/service', 'domain/rollback'].flatMap((folder) => filesUnder(join(root, folder)));
    const preloadModules = [join(root, 'workflows/preloaded.ts'), ...rules.sort()];
    const quiet = { ...logger, log: () => undefined };
    const { code } = await bundleWorkflowCode({ workflowsPath: entry, preloadModules, logger: quiet });
    // The name appears when the bundle is whole: a controller that starts meanwhile reads the old one.
    writeFileSync(`${bundle}.new`, code);
    renameSync(`${bundle}.new`, bundle);
    writeFileSync(hashFile, hash);
    console.log(`workflow bundle: ${(code.length / 1024).toFixed(0)} KiB`);
  } catch (error) {
    fail(`the workflows could not be bundled: ${error instanceof Error ? error.message : error}`);
  }
}

function hashOfInputs() {
  const hash = createHash('sha256');
  const files = ['workflows', 'domain'].flatMap((folder) => filesUnder(join(root, folder)));
  // The lock file stands for the libraries in the bundle; this file for the way it is made.
  for (const file of [...files.sort(), join(root, 'package-lock.json'), fileURLToPath(import.meta.url)]) {
    hash
      .update(`${relative(root, file)}\0`)
      .update(readFileSync(file))
      .update('\0');
  }
  return hash.digest('hex');
}

/** Which sources these are, as `lastgood --version` says it; null outside of a repository. */
function describeCommit() {
  const given = process.env.LASTGOOD_COMMIT;
  if (given) return given;
  const git = spawnSync('git', ['-C', root, 'describe', '--always', '--dirty', '--tags'], { encoding: 'utf8' });
  // A repository that holds this directory without being it says nothing about these sources.
  return git.status === 0 && existsSync(join(root, '.git')) ? git.stdout.trim() : null;
}

function markExecutable(file) {
  if (existsSync(file)) chmodSync(file, 0o755);
}

function filesUnder(dir) {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('node_modules'))
    .map((entry) => join(entry.parentPath, entry.name));
}

function resolveOrFail(module) {
  try {
    return require.resolve(module);
  } catch {
    return fail(`${module} is not installed: run \`npm ci\` with the development dependencies`);
  }
}

function fail(message) {
  console.error(`build: ${message}`);
  process.exit(1);
}
