import { processFacts } from '../../adapters/disk/proc';
import type { Installation } from '../support/installation';
import { degrade, deploy, forgive, moves, ofKind, startLight } from '../support/installation-story';
import { rowsAfter } from '../support/installation-watch';
import { tallyOf, type Traffic } from '../support/installation-traffic';
import { expectNothingLost } from '../support/installation-users';
import { until } from '../support/poll';
import { removeTemporary } from '../support/temporary';

/** Cold candidates, the newest first; verify waits for 100 good answers, so that there is time to die in it. */
let installation: Installation;

beforeAll(async () => {
  const versions = [{ version: '1.0' }, { version: '1.1' }, { version: 'dies', dieAfterLooks: 3 }, { version: '1.2' }];
  // A copy that dies is what these tests do; the verdict on it is told by the steps, not by detection.
  const metrics = { 'error-rate': 'off', 'timeout-rate': 'off' };
  const policy = { standby: { keepWarm: false }, verify: { goodAnswers: 100, max: '8s' }, detection: { metrics } };
  installation = await startLight({ name: 'kill-swap', policy }, versions);
  await deploy(installation, '1.1');
  await deploy(installation, '1.2');
}, 120_000);

afterAll(async () => {
  await installation?.stop();
  removeTemporary();
}, 60_000);

let traffic: Traffic;
let cursor = 0;

beforeEach(async () => {
  await forgive(installation);
  cursor = (await rowsAfter(installation, 0)).at(-1)?.seq ?? 0;
  traffic = await installation.load({ perSecond: 20 });
  await until('some traffic', async () => (await traffic.tally()).answered >= 20);
}, 60_000);

/**
 * Nothing was dropped in silence: every lost request had the answer that its version is dead, was sent to no other version,
 * between the two moments, and is counted by the gateway (I6).
 */
async function expectDeclaredLoss(version: string, fromMs: number, toMs: number): Promise<void> {
  const { records } = await traffic.stop(60);
  const lost = records.filter(({ lost: why, status }) => why !== null || status !== 200);
  expect(tallyOf(records).dropped).toBe(0);
  for (const { status, version: by, sentAt } of lost) {
    expect({ status, by }).toEqual({ status: 502, by: version });
    expect(sentAt).toBeGreaterThan(fromMs - 1_000);
    expect(sentAt).toBeLessThan(toMs + 1_000);
  }
  await until('the count of the gateway', async () => {
    const rows = (await rowsAfter(installation, cursor)).filter((row) => row.kind === 'counts');
    return rows.reduce((sum, row) => sum + row.failures, 0) === lost.length;
  });
}

async function answersSince(since: number): Promise<string[]> {
  await until('answers', async () => (await traffic.tally(since)).answered >= 20);
  return Object.keys((await traffic.tally(since)).byVersion);
}

test('a target that dies right after the look of its shift leaves the traffic where it was, and a person is asked', async () => {
  const { api } = installation;
  const after = await api.ledgerHead();
  const from = Date.now();
  await api.accepted('deploy', { version: 'dies' });
  const { operation, declared } = await api.whenState('a person is asked', (state) =>
    state.operation?.waiting ? state : null,
  );
  const to = Date.now();
  expect(declared?.primary).toBe('1.2');
  expect(await answersSince(to)).toEqual(['1.2']);
  const entries = await api.ledger(after);
  // Dead before the router had the record, it never got the traffic; dead a moment later, the traffic came back.
  const returned = entries.filter(({ summary }) => summary.startsWith('the traffic is back on 1.2'));
  expect([
    [[], 0],
    [['1.2→dies'], 1],
  ]).toContainEqual([moves(entries), returned.length]);
  await api.accepted('intervene', { incident: operation?.id ?? '', action: 'abort' });
  await api.whenState('the end', (state) => state.operation === null && state.declared?.primary === '1.2');
  await expectDeclaredLoss('dies', from, to);
}, 60_000);

test('a target that dies while it is verified gives the traffic back, and the next choice of a person settles', async () => {
  const { api } = installation;
  // Undetermined, so that the version that is left stays a refuge: it is suspect, not quarantined.
  const { from, after } = await degrade(installation, { tier: 'short-window', attribution: 'undetermined' });
  const target = await api.whenState('verify', ({ operation, declared }) =>
    operation?.step === 'verify' && declared?.primary !== from ? declared?.primary : null,
  );
  const killedAt = Date.now();
  process.kill(installation.copyOf(target).pid, 'SIGKILL');
  const { incident, operation, declared } = await api.whenState('a person is asked', (state) =>
    state.operation?.waiting ? state : null,
  );
  expect(operation?.waiting).toContain(`the traffic is back on ${from}`);
  const backAt = Date.now();
  expect(declared?.primary).toBe(from);
  expect(await answersSince(backAt)).toEqual([from]);
  await api.accepted('intervene', { incident: incident?.id ?? '', action: 'choose', target: '1.0' });
  await api.entry('settled', after, ({ kind }) => kind === 'settled');
  expect(await answersSince(Date.now())).toEqual(['1.0']);
  const entries = await api.ledger(after);
  expect(entries.filter(({ summary }) => summary.startsWith(`the traffic is back on ${from}`))).toHaveLength(1);
  expect(ofKind(entries, 'rollback-decided')).toHaveLength(1);
  expect(moves(entries)[0]).toBe(`${from}→${target}`);
  expect(moves(entries).at(-1)).toBe(`${from}→1.0`);
  await expectDeclaredLoss(target, killedAt, backAt);
}, 90_000);

test('the death of the version that is left, while its successor is verified, costs nothing', async () => {
  const { api } = installation;
  const before = await api.whenState('a route', ({ declared }) => declared);
  const after = await api.ledgerHead();
  const left = installation.copyOf(before.primary);
  await api.accepted('deploy', { version: '1.2' });
  await api.whenState(
    'verify',
    ({ operation, declared }) => operation?.step === 'verify' && declared?.primary === '1.2',
  );
  process.kill(left.pid, 'SIGKILL');
  await until('its end', () => processFacts(left.pid) === null);
  await api.entry('settled', after, ({ kind }) => kind === 'deploy-settled');
  expect(await answersSince(Date.now())).toEqual(['1.2']);
  expect(moves(await api.ledger(after))).toEqual([`${before.primary}→1.2`]);
  expect(processFacts(installation.copyOf('1.2').pid)).not.toBeNull();
  const { tally } = await traffic.stop(60);
  expectNothingLost(tally);
}, 60_000);
