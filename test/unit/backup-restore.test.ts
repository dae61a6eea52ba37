import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { recoverState } from '../../activities/recover-state';
import { openSqliteLedger } from '../../adapters/ledger/sqlite-ledger';
import type { Actor } from '../../domain/ledger';
import { makeBackup } from '../../workers/backup/backup';
import { readArchive } from '../../workers/backup/archive';
import { restoreBackup, type RestoreOptions } from '../../workers/backup/restore';
import { redactedConfiguration } from '../../workers/backup/redaction';
import { loadConfiguration } from '../../workers/configuration/load';
import { runPaths } from '../../workers/embedded/paths';
import { readEnvironment } from '../../workers/environment';
import { packageVersion } from '../../workers/program';
import { hour } from '../support/service-policy';
import { serviceWithStandby, type ServiceSimulator } from '../support/service-simulator';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

afterAll(removeTemporary);

const canary = 'canary-4f0e9d7e0123456789ab';
const actor: Actor = { name: 'ada', proof: 'unix-user', from: 'here' };
const madeAt = Date.UTC(2026, 10, 20);

/** HAProxy routes: what is in force there belongs to it, and no gateway is needed to restore. */
function site(name: string, more = ''): { dir: string; config: string; data: string } {
  const dir = temporaryDirectory(name);
  const config = join(dir, 'lastgood.yaml');
  mkdirSync(join(dir, 'haproxy'));
  writeFileSync(
    config,
    `router: { kind: haproxy, directory: haproxy, masterSocket: haproxy/master.sock }
services:
  mail-triage:
    listen: 127.0.0.1:18080
    model: mail
    serving: { runtime: process, command: [node, model.js, '{port}', '{report}'] }
${more}`,
  );
  return { dir, config, data: join(dir, '.lastgood') };
}

async function backedUp(simulator: ServiceSimulator, { dir, config, data }: ReturnType<typeof site>): Promise<string> {
  const configuration = loadConfiguration(config);
  mkdirSync(data, { recursive: true });
  for (const secret of ['api.token', 'acts.key', join('gateway', 'control.token')]) {
    mkdirSync(join(data, 'gateway'), { recursive: true });
    writeFileSync(join(data, secret), `${canary}\n`);
  }
  mkdirSync(join(data, 'evidence', 'mail-triage', 'i1'), { recursive: true });
  writeFileSync(join(data, 'evidence', 'mail-triage', 'i1', 'ab.svg'), '<svg/>');
  const book = await openSqliteLedger({ file: configuration.ledger.file, anchorFile: configuration.ledger.anchorFile });
  for (const entry of simulator.ledger) await book.append(entry);
  const out = join(dir, 'backup.tar.gz');
  await makeBackup({
    configuration,
    paths: runPaths(data),
    sources: { while: 'down', chains: book, drillSchedule: () => Promise.resolve(null) },
    out,
    withArtifacts: false,
    now: madeAt,
  });
  await book.close();
  return out;
}

/** Lastgood's own server, whatever this machine has. */
const { temporalAddress: _given, ...environment } = readEnvironment();

const options = (file: string, { config, data }: ReturnType<typeof site>): RestoreOptions => ({
  file,
  dataDir: data,
  configFile: config,
  actor,
  reason: 'the disk died',
  environment,
  now: madeAt + 3 * hour,
});

/** The breaker is open, versions are quarantined, and one rollback counts. */
function troubled(): ServiceSimulator {
  const simulator = serviceWithStandby();
  simulator.say('revoke', { version: '1.2' });
  simulator.verdict('v1');
  return simulator;
}

test('breaker, counts, standings, operation and epochs are those of the backup; the mode is observe, and the chain is whole', async () => {
  const from = site('backup');
  const simulator = troubled();
  const file = await backedUp(simulator, from);
  expect(gunzipSync(readFileSync(file)).includes(canary)).toBe(false);
  const to = site('restore');
  const { notes } = await restoreBackup(options(file, to));
  expect(notes.join('\n')).toMatch(/HAProxy's own and stays as it is/);
  expect(readFileSync(join(to.data, 'evidence', 'mail-triage', 'i1', 'ab.svg'), 'utf8')).toBe('<svg/>');
  const book = await openSqliteLedger({ file: join(to.data, 'ledger', 'ledger.db') });
  expect(await book.verify('mail-triage')).toMatchObject({ ok: true, entries: simulator.ledger.length + 1 });
  const found = await recoverState({ ledger: book })('mail-triage');
  const { breaker, consecutive, operation, declared, nextEpoch, versions } = simulator.state;
  expect(found).toMatchObject({
    mode: 'observe',
    breaker,
    consecutive,
    route: declared,
    operation: { id: operation?.id },
  });
  expect(found?.highestEpoch).toBeGreaterThanOrEqual(nextEpoch - 1);
  expect(found?.versions.find(({ version }) => version === '1.2')?.standing).toBe('revoked');
  expect(versions.find(({ version }) => version === '1.2')?.standing).toBe('revoked');
  const [entry] = await book.read('mail-triage', { kinds: ['restored'] });
  expect(entry).toMatchObject({
    actor,
    summary: expect.stringContaining('restored by ada from a backup of 2026-11-20T00:00:00.000Z (3 h old)') as string,
    facts: { ageMs: 3 * hour, operation: operation?.id, declared: { primary: declared?.primary } },
  });
  await book.close();
});

test('a target that is not empty, another data directory and a changed file are refused in one sentence, and nothing is changed', async () => {
  const from = site('backup');
  const file = await backedUp(serviceWithStandby(), from);
  const to = site('restore');
  mkdirSync(to.data);
  writeFileSync(join(to.data, 'precious'), 'x');
  await expect(restoreBackup(options(file, to))).rejects.toThrow(
    /\.lastgood is not empty \(it has precious\): a restore replaces nothing/,
  );
  expect(readdirSync(to.data)).toEqual(['precious']);
  const elsewhere = site('restore');
  await expect(restoreBackup({ ...options(file, elsewhere), dataDir: join(elsewhere.dir, 'other') })).rejects.toThrow(
    /--data: found .*other, but .*lastgood\.yaml says dataDir .*\.lastgood/,
  );
  const cut = join(elsewhere.dir, 'cut.tar.gz');
  writeFileSync(cut, readFileSync(file).subarray(0, 900));
  await expect(restoreBackup(options(cut, elsewhere))).rejects.toThrow(
    /cut\.tar\.gz: it is cut short, damaged, or no backup/,
  );
  expect(readdirSync(elsewhere.dir).sort()).toEqual(['cut.tar.gz', 'haproxy', 'lastgood.yaml']);
});

test('where there is no configuration that of the backup is written, unless an address in it had a secret', async () => {
  const from = site('backup');
  const file = await backedUp(serviceWithStandby(), from);
  const dir = temporaryDirectory('bare');
  const to = { dir, config: join(dir, 'lastgood.yaml'), data: join(dir, '.lastgood') };
  mkdirSync(join(dir, 'haproxy'));
  await restoreBackup(options(file, to));
  expect(loadConfiguration(to.config).services.map(({ name }) => name)).toEqual(['mail-triage']);
  expect(existsSync(`${to.config}.restoring`)).toBe(false);
  const secret = site(
    'backup',
    `alerts: { webhooks: [{ url: 'https://hook:${canary}@ops.example.org/x', secretEnv: HOOK }] }\n`,
  );
  const redacted = await backedUp(serviceWithStandby(), secret);
  expect(gunzipSync(readFileSync(redacted)).includes(canary)).toBe(false);
  expect((await readArchive(redacted, packageVersion())).configuration.redacted).toBe(true);
  const bare = temporaryDirectory('bare');
  const target = { dir: bare, config: join(bare, 'lastgood.yaml'), data: join(bare, '.lastgood') };
  await expect(restoreBackup(options(redacted, target))).rejects.toThrow(/lacks addresses with a secret in them/);
  expect(readdirSync(bare)).toEqual([]);
});

test.each([
  ['https://user:pw@host/x', 'https://[redacted]@host/x'],
  ['https://host/x?token=abc&n=1', 'https://host/x?token=[redacted]&n=1'],
  ['https://hooks.slack.com/services/T/B/x', 'https://hooks.slack.com/[redacted]'],
  ['http://127.0.0.1:9090', 'http://127.0.0.1:9090'],
])('%s in a configuration is kept as %s', (text, kept) => {
  expect(redactedConfiguration(text)).toEqual({ text: kept, redacted: text !== kept });
});
