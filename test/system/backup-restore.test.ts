import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { LedgerPage, LedgerVerification } from '../../api/types';
import { answers, endUsers, expectNothingLost, users } from '../support/counted-users';
import { compiledProduct, type UpProcess } from '../support/embedded';
import { deployMail, embeddedMail, importMail, mailView } from '../support/embedded-mail';
import { lastgood } from '../support/lastgood-cli';
import { until } from '../support/poll';
import { removeTemporary } from '../support/temporary';

let dist: string;
let up: UpProcess;

beforeAll(async () => {
  dist = await compiledProduct();
  up = embeddedMail(dist, 'backup');
}, 120_000);

afterEach(endUsers);

afterAll(async () => {
  await up.cleanUp();
  removeTemporary();
});

const act = async (name: string, body: object): Promise<void> => {
  const answer = await up.api('POST', `/v1/services/mail/acts/${name}`, { reason: 'a test', ...body });
  expect(answer).toMatchObject({ status: 200, json: { decision: 'accepted' } });
};

const ledger = async (query: string): Promise<LedgerPage> =>
  (await up.api('GET', `/v1/services/mail/ledger?${query}`)).json as LedgerPage;

const settled = (): Promise<true> =>
  until('the deploy to settle', async () => (await mailView(up)).status?.state.operation === null, 60_000);

test('a backup under traffic brings back what was decided into an empty place, in observe, and a person lets it act again', async () => {
  const config = join(up.dir, 'lastgood.yaml');
  const data = join(up.dir, '.lastgood');
  const archive = join(up.dir, 'backup.tar.gz');
  await up.start();
  // Somebody asks, so that a deploy is verified at once.
  await importMail(up, '1.0');
  const load = users(await deployMail(up, '1.1'));
  await settled();
  await act('revoke', { version: '1.0' });
  await act('vouch', { version: '1.1' });
  const before = (await mailView(up)).status?.state;

  await answers(load);
  const made = await lastgood(dist, 'backup', '--out', archive, '--with-artifacts', '--config', config);
  expect(made).toMatchObject({ code: 0, err: '' });
  expect(made.out).toMatch(
    /backup\.tar\.gz: whole; .* by lastgood \d+\.\d+\.\d+, running\nmail: \d+ decisions, head [0-9a-f]{16}; 1\.1 serves/,
  );
  await expectNothingLost(load);

  // No secret of the installation is in it.
  const bytes = gunzipSync(readFileSync(archive));
  for (const secret of ['api.token', 'acts.key']) {
    const lines = readFileSync(join(data, secret), 'utf8')
      .split('\n')
      .filter((line) => line.length > 16 && !line.startsWith('-----'));
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) expect(bytes.includes(line)).toBe(false);
  }

  const refused = await lastgood(dist, 'restore', archive, '--data', data, '--config', config, '--reason', 'too early');
  expect(refused).toMatchObject({ code: 1, out: '' });
  expect(refused.err).toMatch(/\.lastgood is in use by a running `lastgood up`: stop it/);

  expect(await up.end('SIGTERM')).toBe('0');
  rmSync(data, { recursive: true });
  const restored = await lastgood(
    dist,
    'restore',
    archive,
    '--data',
    data,
    '--config',
    config,
    '--reason',
    'the disk died',
  );
  expect(restored).toMatchObject({ code: 0, err: '' });
  expect(existsSync(join(data, 'ledger', 'ledger.db'))).toBe(true);

  await up.start();
  const view = await until(
    'what was decided',
    async () => {
      const { status, entrance: door } = await mailView(up);
      return status !== null && status.state.live?.condition === 'answers' ? { state: status.state, door } : null;
    },
    60_000,
  );
  await expectNothingLost(users(view.door ?? ''));
  const standings = (state: typeof before): unknown =>
    state?.versions.map(({ version, standing, human }) => ({ version, standing, human }));
  expect(standings(view.state)).toEqual(standings(before));
  expect(view.state).toMatchObject({
    mode: 'observe',
    pausedWhy: null,
    consecutive: before?.consecutive,
    breaker: before?.breaker,
  });
  expect(view.state.declared?.primary).toBe('1.1');
  expect(view.state.nextEpoch).toBeGreaterThan(before?.nextEpoch ?? 0);
  const { json: whole } = await up.api('GET', '/v1/services/mail/ledger/verification');
  expect(whole as LedgerVerification).toMatchObject({ ok: true, breaks: [] });
  const [entry] = (await ledger('kinds=restored')).entries;
  expect(entry?.summary).toMatch(/^restored by \S+ from a backup of 20.* old\), made by lastgood .*: the disk died$/);

  const found = await lastgood(dist, 'restore', 'differences', '--config', config);
  expect(found).toMatchObject({ code: 2, err: '' });
  expect(found.out).toMatch(/nothing differs\n {2}not accepted yet/);
  const accepted = await lastgood(dist, 'restore', 'accept', 'mail', '--reason', 'looked at', '--config', config);
  expect(accepted).toMatchObject({ code: 0, err: '' });
  expect((await mailView(up)).status?.state.mode).toBe(before?.mode);
  expect((await ledger('kinds=restore-accepted')).entries).toHaveLength(1);
  expect(await lastgood(dist, 'restore', 'differences', '--config', config)).toMatchObject({ code: 0 });

  expect(await up.end('SIGTERM')).toBe('0');
  // With nobody running, the files are read directly.
  const down = join(up.dir, 'down.tar.gz');
  const second = await lastgood(dist, 'backup', '--out', down, '--config', config);
  expect(second).toMatchObject({ code: 0, err: '' });
  expect(second.out).toMatch(/, down\nmail: .* 1\.1 serves/);
  expect(await lastgood(dist, 'backup', 'verify', down)).toMatchObject({ code: 0, err: '' });
}, 300_000);
