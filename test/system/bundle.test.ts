import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
  closeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Bundle } from '../../workers/bundle/bundle';
import type { Release } from '../../api/types';
import { distDirectory, packageDirectory } from '../../workers/program';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

// A whole installation on a machine that is busy with other tests.
jest.setTimeout(150_000);

let directory: string;
let made: Bundle;
let unpacked: string;
beforeAll(() => {
  directory = temporaryDirectory('bundle');
  const out = join(directory, 'lastgood.tar');
  const main = join(distDirectory(), 'cli', 'lastgood.js');
  made = JSON.parse(
    execFileSync(process.execPath, [main, 'bundle', '--out', out, '--json'], { encoding: 'utf8' }),
  ) as Bundle;
  unpacked = unpack(out, 'unpacked');
});
afterAll(removeTemporary);

function unpack(archive: string, name: string): string {
  const into = join(directory, name);
  mkdirSync(into);
  execFileSync('tar', ['-xf', archive, '-C', into]);
  return join(into, readdirSync(into)[0] ?? '');
}

function install(from: string, site: string): { status: number | null; err: string } {
  const { status, stderr } = spawnSync(join(from, 'install.sh'), [site], { encoding: 'utf8' });
  return { status, err: stderr };
}

/** Turns one byte in the middle of a file over. */
function change(file: string, at = Math.floor(readFileSync(file).length / 2)): void {
  const handle = openSync(file, 'r+');
  const byte = Buffer.alloc(1);
  readSync(handle, byte, 0, 1, at);
  writeSync(handle, Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, at);
  closeSync(handle);
}

test('the archive has what the site needs and no more than 100 MiB, and its digest stands beside it', () => {
  expect(made.bytes).toBeLessThan(100 * 1024 * 1024);
  execFileSync('sha256sum', ['-c', 'lastgood.tar.sha256'], { cwd: directory, stdio: 'ignore' });
  const files = readFileSync(join(unpacked, 'FILES.sha256'), 'utf8')
    .split('\n')
    .map((line) => line.slice(66));
  const bridges = files.filter((path) => path.includes('@temporalio/core-bridge/releases/'));
  expect(bridges).toHaveLength(1);
  const useless =
    /(^|\/)node_modules\/(jest|typescript|eslint|webpack-cli)\/|\.d\.ts$|^node_modules\/.*\.map$|linux-x64-musl|spam-assassin/;
  expect(files.filter((path) => useless.test(path))).toEqual([]);
  expect(readFileSync(join(unpacked, 'README'), 'utf8').trim().split('\n')).toHaveLength(5);
});

const why = blocked();
if (why !== null) process.stdout.write(`skipped: a bundle is installed and runs with the network cut (${why})\n`);
(why === null ? test : test.skip)('it is installed and runs with the network cut, from an empty home', () => {
  const home = join(directory, 'home');
  mkdirSync(home);
  const site = join(directory, 'site');
  const driver = join(packageDirectory(), 'test', 'support', 'bundle-site.cjs');
  const { status, stdout, stderr } = spawnSync('unshare', ['-n', '--', process.execPath, driver, unpacked, site], {
    cwd: home,
    encoding: 'utf8',
    env: { HOME: home, PATH: `${join(process.execPath, '..')}:/usr/sbin:/usr/bin:/sbin:/bin` },
  });
  if (status !== 0) throw new Error(`the site ended with ${String(status)}: ${stderr}`);
  const found = JSON.parse(stdout) as {
    interfaces: string[];
    outside: string;
    version: string;
    answer: { status: number; text: string };
    doctor: { findings: { what: string; level: string }[] };
    health: { ok: boolean; release: Release };
    ended: number;
  };
  expect([found.interfaces, found.outside]).toEqual([['lo'], 'ENETUNREACH']);
  expect(found.version).toContain(`lastgood ${made.release.version} (${made.release.commit ?? ''})`);
  expect(found.health).toMatchObject({ ok: true, release: made.release });
  expect(found.answer.status).toBe(200);
  expect(found.answer.text).toContain('spam');
  expect(found.doctor.findings.find(({ what }) => what === 'Temporal')).toMatchObject({ level: 'ok' });
  expect(found.ended).toBe(0);
  // Nothing was fetched: what the home has is what the site's own lastgood wrote there.
  expect(readdirSync(home).sort()).toEqual(['.lastgood', 'lastgood.yaml']);
});

test('a changed byte in the archive is refused with the name of the file, and nothing is installed', () => {
  const archive = join(directory, 'changed.tar');
  writeFileSync(archive, readFileSync(join(directory, 'lastgood.tar')));
  change(archive);
  const site = join(directory, 'never');
  const { status, err } = install(unpack(archive, 'changed'), site);
  expect(status).toBe(1);
  expect(err).toMatch(
    /changed or missing: parts\/(packages|temporal)\.tar\.gz - copy the archive again; nothing was installed/,
  );
  expect(existsSync(site)).toBe(false);
  rmSync(archive);
});

test('an older release stays beside the new one, and an installed one that was changed is refused with the name of the file', () => {
  const site = join(directory, 'again');
  mkdirSync(join(site, 'releases', '0.0.9'), { recursive: true });
  expect(install(unpacked, site)).toEqual({ status: 0, err: '' });
  expect(install(unpacked, site).status).toBe(0);
  expect(readdirSync(join(site, 'releases')).sort()).toEqual(['0.0.9', made.id]);
  change(join(site, 'releases', made.id, 'dist', 'cli', 'main.js'));
  const { status, err } = install(unpacked, site);
  expect(status).toBe(1);
  expect(err).toContain('changed in: dist/cli/main.js - move it away and install again');
});

/** Why there can be no namespace without a network here. */
function blocked(): string | null {
  if (process.getuid?.() !== 0) return 'needs root';
  const { status, error } = spawnSync('unshare', ['-n', 'true']);
  return error !== undefined || status !== 0 ? '`unshare -n` does not work here' : null;
}
