import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { claimLayout } from '../../adapters/disk/layout-file';
import { openProcessRuntime } from '../../adapters/serving/process-runtime';
import { withReleases } from '../../adapters/serving/released';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

afterAll(removeTemporary);

const fakeModel = join(__dirname, '..', 'support', 'fake-model.js');
const request = { service: 'mail', version: '1', digest: 'sha256:1', artifact: '/' };

test('a copy that was let go of serves on, is nobody’s to list or stop, and the others are still ours', async () => {
  const directory = temporaryDirectory('released');
  const template = { command: [process.execPath, fakeModel, '--digest', '{digest}', '--report', '{report}'] };
  const runtime = withReleases(await openProcessRuntime({ directory, template }), join(directory, 'released.json'));
  const signal = AbortSignal.timeout(10_000);
  const [kept, other] = await Promise.all(
    ['mail@1#a', 'mail@1#b'].map((instance) => runtime.start({ ...request, instance }, signal)),
  );
  const pid = Number(
    JSON.parse(readFileSync(join(directory, encodeURIComponent('mail@1#a'), 'record.json'), 'utf8')).pid,
  );
  try {
    expect(await runtime.release?.('mail@1#a')).toEqual({ outcome: 'released', why: '' });
    expect(await runtime.release?.('mail@1#a')).toMatchObject({ outcome: 'absent' });
    expect((await runtime.inspect('mail')).instances.map(({ instance }) => instance)).toEqual(['mail@1#b']);
    expect(await runtime.stop('mail@1#a', { graceMs: 0 })).toEqual({
      outcome: 'refused',
      why: 'lastgood was detached from mail@1#a while it ran; stop it where it runs',
    });
    expect((await fetch(`${kept?.address}/v2/health/ready`)).status).toBe(200);
    expect(readdirSync(join(directory, encodeURIComponent('mail@1#a')))).toContain('released.json');
    expect(await runtime.stop('mail@1#b', { graceMs: 1_000 })).toMatchObject({ outcome: 'stopped' });
    await expect(fetch(`${other?.address}/v2/health/ready`)).rejects.toThrow();
  } finally {
    process.kill(-pid, 'SIGKILL');
  }
});

describe('a directory that says which form its files have', () => {
  const what = { what: 'the data directory', release: '0.2.0' };

  it('is brought forward step by step, and never back', async () => {
    const directory = temporaryDirectory('layout');
    const ran: string[] = [];
    const step = (name: string) => () => Promise.resolve(void ran.push(name));
    await claimLayout(directory, { ...what, migrations: [] });
    await claimLayout(directory, { ...what, migrations: [step('two')] });
    await claimLayout(directory, { ...what, release: '0.3.0', migrations: [step('two'), step('three')] });
    await claimLayout(directory, { ...what, release: '0.3.0', migrations: [step('two'), step('three')] });
    expect(ran).toEqual(['two', 'three']);
    const older = claimLayout(directory, { ...what, migrations: [step('two')] });
    await expect(older).rejects.toThrow(
      `the data directory ${directory} has schema version 3, written by lastgood 0.3.0; this is lastgood 0.2.0, which knows up to 2: ` +
        'use lastgood 0.3.0 or newer, or restore a backup that this release made. Nothing was changed',
    );
    expect(ran).toEqual(['two', 'three']);
  });
});
