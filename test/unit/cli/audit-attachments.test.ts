import { spawnSync } from 'node:child_process';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LedgerEntry } from '../../../domain/ledger';
import { removeTemporary } from '../../support/temporary';
import { ApiRig } from './api-rig';
import { rolledBack, service } from './rollback-story';

let rig: ApiRig;
let key: string;
let exports = 0;
beforeAll(async () => {
  rig = await new ApiRig(await rolledBack()).listen();
  key = join(rig.directory, 'key.pem');
  const { privateKey } = generateKeyPairSync('ed25519');
  writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }));
});
afterAll(async () => {
  await rig.close();
  removeTemporary();
});

const sha256 = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;
const incident = '20261123-1';
const picture = '<svg>the chart</svg>';
const head = { kind: 'treated', service, incident, pipeline: 'mails' };
const firstPart = `${JSON.stringify({ ...head, part: 1, previous: null })}\n{"item":"a"}\n`;
const lastPart = `${JSON.stringify({ ...head, part: 2, previous: sha256(firstPart) })}\n{"item":"b"}\n`;
const report = '{"accuracy":0.96}';
const manifest = JSON.stringify({ version: '2.0', files: [{ role: 'evaluation', sha256: sha256(report).slice(7) }] });

let appended = 0;
async function append(kind: LedgerEntry['kind'], facts: LedgerEntry['facts']): Promise<void> {
  appended += 1;
  const actor = { name: 'lastgood', proof: 'lastgood', from: 'controller' } as const;
  const at = rig.played.now;
  await rig.played.ledger.append({ service, key: `a/${appended}`, at, kind, incident, actor, summary: kind, facts });
}

/** The entries name a picture, a list of two parts and a version; the evidence store and the artifact store have them. */
async function whole(): Promise<string> {
  if (appended === 0) {
    await append('evidence-kept', { chart: { digest: sha256(picture) } });
    await append('items-treated', { pipeline: 'mails', list: sha256(lastPart) });
    await append('deploy-settled', { changes: { versions: [{ version: '2.0', digest: sha256(manifest) }] } });
  }
  for (const text of [picture, firstPart, lastPart]) rig.pictures.set(sha256(text), text);
  const evaluation = { path: 'evaluation.json', digest: sha256(report), text: report };
  rig.proofs.set('2.0', { version: '2.0', digest: sha256(manifest), manifest, evaluation });
  return await exported();
}

async function exported(): Promise<string> {
  const out = join(rig.directory, `bundle-${(exports += 1)}`);
  const run = await rig.run('audit', 'export', '--from', '2026-11-23', '--key', key, '--out', out);
  expect([run.code, run.err]).toEqual([0, '']);
  return out;
}

function verified(directory: string): { status: number | null; said: string } {
  const { status, stdout } = spawnSync(process.execPath, [join(directory, 'verify.mjs'), directory], { cwd: '/' });
  return { status, said: stdout.toString() };
}

test('a bundle has what its entries name: the picture, every part of the list, manifest and evaluation report', async () => {
  const { status, said } = verified(await whole());
  expect(said).not.toContain('BROKEN');
  for (const [kind, of, text] of [
    ['picture', incident, picture],
    ['list', incident, firstPart],
    ['list', incident, lastPart],
    ['manifest', '2.0', manifest],
    ['evaluation', '2.0', report],
  ])
    expect(said).toContain(`ok      ${kind} of ${of} ${sha256(text ?? '')}`);
  // The versions of the story are in no store.
  expect(said).toContain('absent  manifest of 1.3 sha256:13a0');
  expect(status).toBe(0);
});

test('what was changed after it was kept, or is gone, is told and not taken over', async () => {
  await whole();
  rig.pictures.set(sha256(picture), '<svg>another chart</svg>');
  rig.pictures.delete(sha256(firstPart));
  const { status, said } = verified(await exported());
  expect(said).toContain(`absent  picture of ${incident} ${sha256(picture)}: what is kept under that name has another`);
  expect(said).toContain(`absent  list of ${incident} ${sha256(firstPart)}: the list`);
  expect(status).toBe(0);
});

test.each<[string, (directory: string, file: (prefix: string) => string) => void, string]>([
  ['a picture that was changed', (_dir, file) => writeFileSync(file('picture-'), '<svg/>'), 'picture-'],
  ['a report that was changed', (_dir, file) => writeFileSync(file('evaluation-'), '{"accuracy":0.99}'), 'evaluation'],
  ['a list that was taken away', (_dir, file) => rmSync(file('list-')), 'list-'],
])('%s is found', async (_what, change, word) => {
  const directory = await whole();
  const file = (prefix: string): string =>
    join(directory, readdirSync(directory).find((name) => name.startsWith(prefix)) ?? '');
  change(directory, file);
  const { status, said } = verified(directory);
  expect(status).toBe(2);
  expect(said.split('\n').some((line) => line.startsWith('BROKEN') && line.includes(word))).toBe(true);
});

test('something that no entry names is no part of a bundle, also where whoever signs it says so', async () => {
  const { writeBundle, readSigningKey } = await import('../../../workers/audit/bundle');
  const out = join(rig.directory, 'foreign');
  const entries = rig.played.ledger.entries(service).slice(0, 3);
  const foreign = { kind: 'picture', of: incident, digest: sha256('<svg>x</svg>'), text: '<svg>x</svg>' } as const;
  const source = { service, entries, anchors: [], fromMs: 0, toMs: 1, at: 2, attachments: [foreign] };
  await writeBundle(out, source, await readSigningKey(key));
  const { status, said } = verified(out);
  expect(status).toBe(2);
  expect(said).toContain(`BROKEN  picture of ${incident} ${foreign.digest}: nothing in the bundle names it`);
  expect(readFileSync(join(out, 'manifest.json'), 'utf8')).toContain('lastgood-audit-2');
});
