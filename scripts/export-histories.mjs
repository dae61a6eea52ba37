// Keeps the histories that test/replay replays: runs the stories of test/replay on a dev server.
// `node scripts/export-histories.mjs`, after a new story was written; commit what it kept. What is kept already stays as it is.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';

const jest = createRequire(import.meta.url).resolve('jest/bin/jest');
const { status } = spawnSync(process.execPath, [jest, 'test/replay/export', '--runInBand'], {
  stdio: 'inherit',
  env: { ...process.env, LASTGOOD_EXPORT_HISTORIES: '1' },
});
process.exit(status ?? 1);
