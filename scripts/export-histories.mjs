// Writes the histories that test/replay replays: runs the stories of test/replay/stories.ts on a dev server.
// `node scripts/export-histories.mjs`, after a change that is meant to change histories; commit what it wrote.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';

const jest = createRequire(import.meta.url).resolve('jest/bin/jest');
const { status } = spawnSync(process.execPath, [jest, 'test/replay/export', '--runInBand'], {
  stdio: 'inherit',
  env: { ...process.env, LASTGOOD_EXPORT_HISTORIES: '1' },
});
process.exit(status ?? 1);
