import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LockTimedOut, withFileLock } from '../../adapters/disk/file-lock';
import { until } from '../support/poll';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

const ROOT = join(__dirname, '../..');
const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  removeTemporary();
});

/** A process that takes the lock again and again and reports when it finds another living holder inside. */
function contender(folder: string): { output: () => string; kill: () => void } {
  const script = `
    const fs = require('node:fs');
    const { withFileLock } = require('${ROOT}/adapters/disk/file-lock.ts');
    const inside = '${folder}/inside';
    const { processFacts } = require('${ROOT}/adapters/disk/proc.ts');
    // Not by signal 0: that also finds a killed process which its parent has not reaped yet.
    const alive = (pid) => processFacts(pid) !== null;
    (async () => {
      for (;;) await withFileLock('${folder}/lock', 20000, async () => {
        const other = fs.existsSync(inside) ? Number(fs.readFileSync(inside, 'utf8')) : 0;
        if (other && alive(other)) console.log('VIOLATION ' + other);
        fs.writeFileSync(inside, String(process.pid));
        await new Promise((done) => setTimeout(done, 3));
        fs.rmSync(inside, { force: true });
        console.log('turn');
      });
    })();`;
  const child = spawn(process.execPath, ['-r', join(ROOT, 'test/support/typescript-register.cjs'), '-e', script]);
  children.push(child);
  let output = '';
  child.stdout.on('data', (part: Buffer) => (output += part.toString()));
  child.stderr.on('data', (part: Buffer) => (output += part.toString()));
  return { output: () => output, kill: () => void child.kill('SIGKILL') };
}

describe('a file lock', () => {
  it('lets one in at a time while its holders are killed at any moment, and never stays with a dead one', async () => {
    const folder = temporaryDirectory('lock');
    const all = [contender(folder), contender(folder), contender(folder)];
    for (let round = 0; round < 4; round++) {
      const victim = all[round];
      await until('turns of the victim', () => (victim?.output().match(/turn/g) ?? []).length > 3, 20_000);
      victim?.kill();
      all.push(contender(folder));
      const before = all.slice(round + 1).map((each) => each.output().length);
      await until(
        'turns after the kill',
        () => all.slice(round + 1).some((each, at) => each.output().length > (before[at] ?? 0)),
        20_000,
      );
    }
    for (const each of all) expect(each.output()).toMatch(/^(turn\n)*$/);
  }, 60_000);

  it('waits for a living holder only so long, and says who holds it', async () => {
    const lock = join(temporaryDirectory('lock'), 'lock');
    await withFileLock(lock, 1_000, async () => {
      const second = withFileLock(lock, 60, () => Promise.resolve());
      await expect(second).rejects.toThrow(LockTimedOut);
      await expect(withFileLock(lock, 0, () => Promise.resolve())).rejects.toThrow(`process ${process.pid}`);
    });
  });

  it('is taken over from a holder of another boot, and leaves nothing behind', async () => {
    const folder = temporaryDirectory('lock');
    const dead = { pid: process.pid, startTicks: '1', bootId: 'another', nonce: 'abc' };
    writeFileSync(join(folder, 'lock'), JSON.stringify(dead));
    expect(await withFileLock(join(folder, 'lock'), 1_000, () => Promise.resolve('mine'))).toBe('mine');
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is free again when the work under it fails', async () => {
    const folder = temporaryDirectory('lock');
    await expect(withFileLock(join(folder, 'lock'), 100, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(readdirSync(folder)).toEqual([]);
  });
});
