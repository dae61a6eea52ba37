// `npm test` runs all but the suites that start whole installations; `npm run test:system` (`--system`) runs those.
// Builds, makes sure that Temporal's two servers can be had, runs the tests, counts. Other arguments go to jest; the last
// line is `N passed, N failed`; the exit status is jest's.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);
const system = process.argv.includes('--system');
const args = process.argv.slice(2).filter((arg) => arg !== '--system');
// They start whole systems. Three at a time (jest.config.js), for most of their time is waiting.
const systemFolders = ['test/system', 'test/faults'];
// What holds a whole story to a time of its own has the machine to itself.
const aloneFiles = ['test/system/demo.test.ts'];

const started = performance.now();
const results = mkdtempSync(join(tmpdir(), 'lastgood-test-'));
let totals;
try {
  const build = spawnSync(process.execPath, [join(root, 'scripts/build.mjs')], { stdio: 'inherit', cwd: root });
  if (build.status !== 0) {
    totals = { passed: 0, failed: 1, skipped: [], status: build.status ?? 1 };
    console.log('tests: not run, because the build failed');
  } else {
    await reportServers();
    totals = runAll();
  }
} finally {
  rmSync(results, { recursive: true, force: true });
}
for (const name of totals.skipped) console.log(`skipped: ${name}`);
console.log(`tests: ${((performance.now() - started) / 1000).toFixed(0)} s`);
console.log(`${totals.passed} passed, ${totals.failed} failed`);
process.exitCode = totals.status;

/** One line for each server: how it was had, or what to do. The tests that need a missing one fail and say the same. */
async function reportServers() {
  const { readEnvironment } = require(join(root, 'dist/workers/environment.js'));
  const { findBinary } = require(join(root, 'dist/workers/temporal/binary.js'));
  const environment = readEnvironment();
  for (const kind of ['dev-server', 'test-server']) {
    const search = await findBinary(kind, { environment });
    console.log(search.outcome === 'found' ? search.how : `NOT AVAILABLE: ${search.sentence}`);
  }
}

function runAll() {
  // Chosen by name, the tests run together; serially when one that starts a whole system is among them.
  if (args.some((arg) => !arg.startsWith('-'))) {
    const whole = args.some((arg) => systemFolders.some((folder) => arg.includes(folder)));
    return runJest('chosen', whole ? ['--runInBand'] : []);
  }
  const ignore = (paths) => paths.map((path) => `--testPathIgnorePatterns=/${path}`);
  const only = (paths) => `--testPathPatterns=/(${paths.join('|')})`;
  const runs = system
    ? [runJest('system', [only(systemFolders), ...ignore(aloneFiles)]), runJest('alone', [only(aloneFiles)])]
    : [runJest('core', ignore(systemFolders))];
  return {
    passed: runs.reduce((sum, { passed }) => sum + passed, 0),
    failed: runs.reduce((sum, { failed }) => sum + failed, 0),
    skipped: runs.flatMap(({ skipped }) => skipped),
    status: runs.find(({ status }) => status !== 0)?.status ?? 0,
  };
}

function runJest(name, extra) {
  const outputFile = join(results, `${name}.json`);
  const ci = process.env.CI ? ['--ci'] : [];
  const jest = require.resolve('jest/bin/jest');
  const { status } = spawnSync(
    process.execPath,
    [jest, '--passWithNoTests', ...ci, ...extra, '--json', `--outputFile=${outputFile}`, ...args],
    // With --json jest prints the whole result on standard output too; people read its reports on standard error.
    { stdio: ['ignore', 'ignore', 'inherit'], cwd: root },
  );
  return { ...count(outputFile), status: status ?? 1 };
}

function count(outputFile) {
  let result;
  try {
    result = JSON.parse(readFileSync(outputFile, 'utf8'));
  } catch {
    // jest died before it could count.
    return { passed: 0, failed: 1, skipped: [] };
  }
  const skipped = result.testResults.flatMap((file) =>
    file.assertionResults.filter((test) => ['pending', 'todo'].includes(test.status)).map((test) => test.fullName),
  );
  // A file that could not even be loaded has no tests to count, and is a failure all the same.
  return { passed: result.numPassedTests, failed: result.numFailedTests + result.numRuntimeErrorTestSuites, skipped };
}
