import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { removeTemporary } from '../../support/temporary';
import { ApiRig } from './api-rig';
import { rolledBack } from './rollback-story';

afterAll(removeTemporary);

test('what audit export writes through the interface of the controller holds without it, until somebody touches it', async () => {
  const rig = await new ApiRig(await rolledBack()).listen();
  const { privateKey } = generateKeyPairSync('ed25519');
  const [key, out] = [join(rig.directory, 'key.pem'), join(rig.directory, 'bundle')];
  writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const day = new Date(rig.played.now).toISOString().slice(0, 10);
  const written = await rig.run('audit', 'export', '--from', day, '--key', key, '--out', out);
  expect(written.err).toBe('');
  expect(written).toMatchObject({ code: 0 });
  expect(written.out).toContain('signature of manifest.json');
  expect((await rig.run('audit', 'export', '--from', day, '--key', key, '--out', out)).code).toBe(64);
  const before = await rig.run(
    'audit',
    'export',
    '--from',
    '1999-01-01',
    '--to',
    '1999-01-02',
    '--key',
    key,
    '--out',
    `${out}-2`,
  );
  expect([before.code, before.err]).toEqual([64, expect.stringContaining('no decision is on record in that time')]);
  await rig.close();

  expect((await rig.run('audit', 'verify', '--bundle', out)).code).toBe(0);
  const file = join(out, 'entries.jsonl');
  writeFileSync(join(out, 'verify.mjs'), 'process.exit(0)');
  writeFileSync(file, readFileSync(file, 'utf8').replace('"seq":2,', '"seq":3,'));
  const broken = await rig.run('audit', 'verify', '--bundle', out, '--json');
  expect(broken.code).toBe(2);
  expect(JSON.parse(broken.out)).toMatchObject({ ok: false });
  expect(broken.out).toContain('broken at entry 3');
});
