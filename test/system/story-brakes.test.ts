import Database from 'libsql';
import { join } from 'node:path';
import { readAlertJournal } from '../../adapters/alerts/journal';
import { retirementWorkflowId, serviceWorkflowId } from '../../workflows/contract/ids';
import { SERVICE, type Installation } from '../support/installation';
import { attemptsOf, degrade, deploy, forgive, moves, ofKind, startLight } from '../support/installation-story';
import { usersLoseNothing } from '../support/installation-users';
import { until } from '../support/poll';
import { removeTemporary } from '../support/temporary';

let installation: Installation;

beforeAll(async () => {
  const policy = { breaker: { consecutiveRollbacks: 2 }, standby: { keepWarm: false } };
  const versions = [{ version: '1.0', loadMs: 3_000 }, { version: '1.1' }, { version: '1.2' }, { version: '1.3' }];
  // Sessions that end soon: the copy of a version that was left is stopped soon.
  const service = { session: { maxLifetime: '1s' } };
  installation = await startLight({ name: 'brakes', policy, service }, versions);
  for (const version of ['1.1', '1.2', '1.3']) await deploy(installation, version);
}, 120_000);

afterAll(async () => {
  await installation?.stop();
  removeTemporary();
}, 60_000);

const users = usersLoseNothing(() => installation);

/** A rollback that settled, and its cooldown over. */
async function rollback(): Promise<void> {
  const { api } = installation;
  const { after } = await degrade(installation, { tier: 'short-window' });
  await api.entry('settled', after, ({ kind }) => kind === 'settled');
  await api.whenState('no cooldown', (state) => state.operation === null && (state.cooldownUntil ?? 0) < Date.now());
}

function ledgerFile(): string {
  return join(installation.directory, 'data', 'ledger', 'ledger.db');
}

/** The controller may be writing to it: its transaction is waited for. */
function openLedger(): Database.Database {
  const raw = new Database(ledgerFile());
  raw.pragma('busy_timeout = 10000');
  return raw;
}

/** Appends fail as with a full disk until the answer is called. */
function breakLedger(): () => void {
  const raw = openLedger();
  raw.exec(`CREATE TRIGGER test_full BEFORE INSERT ON ledger_entry BEGIN SELECT RAISE(ABORT, 'disk full'); END`);
  return () => {
    raw.exec('DROP TRIGGER test_full');
    raw.close();
  };
}

test('the second rollback opens the breaker; without a version that a person vouched for nothing moves and a person is paged', async () => {
  const { api } = installation;
  await rollback();
  const before = await api.whenState('the first is counted', (state) => (state.consecutive === 1 ? state : null));
  expect(before.breaker.open).toBe(false);
  const after = await api.ledgerHead();
  await rollback();
  const state = await api.whenState('the breaker', (found) => (found.breaker.open ? found : null));
  const entries = await api.ledger(after);
  expect(moves(entries)).toHaveLength(1);
  expect(ofKind(entries, 'breaker-opened')).toHaveLength(1);
  expect(ofKind(entries, 'waiting-for-human')[0]?.summary).toContain('no version that a person vouched for');
  expect(state.operation).toBeNull();
  const alerts = await until('a page', async () => {
    const found = (await readAlertJournal(installation.paths.alertJournal)).alerts.map(({ alert }) => alert);
    const pages = found.filter(({ title, severity }) => severity === 'page' && title.includes('breaker is open'));
    return pages.length > 0 ? pages : null;
  });
  expect(alerts[0]?.command).toContain('lastgood breaker clear');
}, 60_000);

test('a service workflow that is lost with its breaker open starts again above both epochs with the brakes in force', async () => {
  const { api } = installation;
  const before = await api.whenState('the breaker', (state) => (state.breaker.open ? state : null));
  const epoch = before.declared?.epoch ?? 0;
  expect(epoch).toBeGreaterThan(57);
  const client = await installation.temporal();
  await client.workflow.getHandle(serviceWorkflowId(SERVICE)).terminate('a test');
  // The controller looks every minute and at its start.
  const former = installation.kill('controller');
  await installation.restarted('controller', former);
  const state = await api.whenState(
    'a new service workflow',
    (found) => (found.declared && found.nextEpoch > before.nextEpoch - 1 ? found : null),
    45_000,
  );
  expect(state.declared).toEqual(before.declared);
  expect(state.nextEpoch).toBeGreaterThan(epoch);
  expect(state.breaker).toEqual(before.breaker);
  expect(state.consecutive).toBe(before.consecutive);
  expect(state.pausedWhy).toBeNull();
  const standings = (versions: typeof state.versions): unknown =>
    versions.map(({ version, standing }) => [version, standing]).sort();
  expect(standings(state.versions)).toEqual(standings(before.versions));

  const { after } = await degrade(installation, { tier: 'short-window' });
  const held = await api.entry('held', after, ({ kind }) => kind === 'rollback-held');
  expect(held.summary).toContain('the breaker is open');
  expect(moves(await api.ledger(after))).toEqual([]);
  expect(await api.verification()).toMatchObject({ ok: true });
}, 75_000);

test('an operator cannot clear the breaker while a rollback is under way', async () => {
  const { api } = installation;
  await forgive(installation);
  const { breaker, declared } = await api.whenState('the breaker', (state) => (state.breaker.open ? state : null));
  const after = await api.ledgerHead();
  // Takes three seconds to load.
  await api.accepted('rollback', { to: '1.0' });
  const refused = await api.act('clearBreaker', { breakerEpoch: breaker.epoch });
  expect(refused).toMatchObject({ decision: 'refused', why: expect.stringContaining('in flight') as string });
  await api.entry('settled', after, ({ kind }) => kind === 'settled');
  expect(moves(await api.ledger(after))).toEqual([`${declared?.primary ?? ''}→1.0`]);
  const stale = await api.act('clearBreaker', { breakerEpoch: breaker.epoch - 1 });
  expect(stale).toMatchObject({ decision: 'refused', why: expect.stringContaining('look again') as string });
  const beforeClear = await api.ledgerHead();
  await api.accepted('clearBreaker', { breakerEpoch: breaker.epoch });
  const state = await api.whenState('it closed', (found) => (found.breaker.open ? null : found));
  expect(state).toMatchObject({ consecutive: 0 });
  // It may be over before the state is read: the ledger keeps that it began.
  await api.entry('its cooldown', beforeClear, ({ kind }) => kind === 'cooldown-started');
}, 60_000);

test('with the ledger down an immediate rollback goes ahead and is written later, in order', async () => {
  const { api } = installation;
  await forgive(installation);
  const repair = breakLedger();
  let from = '';
  let after = 0;
  try {
    ({ from, after } = await degrade(installation, { tier: 'immediate' }));
    const state = await api.whenState('the traffic moved', (found) =>
      found.declared?.primary !== from ? found : null,
    );
    expect((await api.status())?.ledgerLag.entries).toBeGreaterThan(0);
    expect(state.declared?.primary).not.toBe(from);
    expect(await api.ledger(after)).toEqual([]);
  } finally {
    repair();
  }
  await api.entry('settled', after, ({ kind }) => kind === 'settled');
  const entries = await api.ledger(after);
  const kinds = entries.map(({ kind }) => kind);
  expect(kinds.indexOf('rollback-decided')).toBeLessThan(kinds.indexOf('settled'));
  expect(ofKind(entries, 'rollback-decided')).toHaveLength(1);
  expect(await api.verification()).toMatchObject({ ok: true });
}, 60_000);

test('with the ledger down a short-window rollback holds, and goes on when its decision is written', async () => {
  const { api } = installation;
  await forgive(installation);
  const repair = breakLedger();
  let from = '';
  let after = 0;
  try {
    ({ from, after } = await degrade(installation, { tier: 'short-window' }));
    await api.whenState('the decision', ({ operation }) => operation !== null);
    // Longer than an immediate one would wait for the ledger.
    await new Promise((resume) => setTimeout(resume, 2_500));
    const state = await api.whenState('a state', (found) => found);
    expect(state.declared?.primary).toBe(from);
    expect(state.operation?.step).toBe('start');
  } finally {
    repair();
  }
  await api.entry('settled', after, ({ kind }) => kind === 'settled');
  expect(moves(await api.ledger(after))).toHaveLength(1);
}, 60_000);

test('a late stop does not kill a version that was deployed again', async () => {
  const { api } = installation;
  const { breaker } = await api.whenState('a state', (state) => (state.operation === null ? state : null));
  if (breaker.open) await api.accepted('clearBreaker', { breakerEpoch: breaker.epoch });
  const before = await forgive(installation);
  const [first = '', second = ''] = ['1.2', '1.3'].sort((one) => (one === before.declared?.primary ? -1 : 1));
  if (before.declared?.primary !== first) await deploy(installation, first);
  await api.whenState('no other stop under way', ({ retiring }) => retiring.length === 0, 30_000);
  const { instance } = installation.copyOf(first);
  const after = await api.ledgerHead();
  // The stop of the first version's copy is given out, and the host dies before it does it; Temporal gives it out again.
  installation.armFailpoint('stopInstance', 'before');
  await deploy(installation, second);
  await until('the stop', () => installation.failpointWasHit('stopInstance', 'before'), 20_000);
  await deploy(installation, first);
  const since = Date.now();
  const retired = await api.entry('the stop came again', after, ({ kind, summary }) =>
    Boolean(kind === 'instance-retired' && summary.startsWith(`${instance}: stopped`)),
  );
  expect(await attemptsOf(installation, retirementWorkflowId(SERVICE, instance), 'stopInstance')).toEqual([2]);
  const ordered = ofKind(await api.ledger(after), 'deploy-decided').at(-1);
  expect(ordered?.summary).toContain(`deploys ${first} over ${second}`);
  expect(retired.seq).toBeGreaterThan(ordered?.seq ?? Infinity);
  await until('answers after it', async () => (await users().tally(since)).answered >= 40, 20_000);
  const { byVersion } = await users().tally(Math.max(since, retired.at));
  expect(Object.keys(byVersion)).toEqual([first]);
  expect(installation.copyOf(first).version).toBe(first);
  expect((await api.state())?.declared?.primary).toBe(first);
}, 75_000);

describe('the verification of the ledger', () => {
  /** Copies the entries aside, changes them as somebody with the file could, and puts them back afterwards. */
  async function tampered(statement: string): Promise<number[]> {
    const raw = openLedger();
    const triggers = raw
      .prepare(`SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'ledger_%'`)
      .all([]) as { name: string; sql: string }[];
    for (const { name } of triggers) raw.exec(`DROP TRIGGER ${name}`);
    raw.exec('CREATE TABLE test_entries AS SELECT * FROM ledger_entry');
    try {
      raw.exec(statement);
      const { ok, breaks } = (await installation.api.verification()) as { ok: boolean; breaks: { seq: number }[] };
      expect(ok).toBe(false);
      return breaks.map(({ seq }) => seq);
    } finally {
      raw.exec('DELETE FROM ledger_entry');
      raw.exec('INSERT INTO ledger_entry SELECT * FROM test_entries');
      raw.exec('DROP TABLE test_entries');
      for (const { sql } of triggers) raw.exec(sql);
      raw.close();
    }
  }

  test('locates an entry that was changed, one that was deleted, two that changed places, and a tail that was cut', async () => {
    // A ledger into which decisions are being written would have another head in the middle of this.
    await installation.api.accepted('pause', { forMs: 600_000 });
    const head = await installation.api.ledgerHead();
    expect(
      await tampered(`UPDATE ledger_entry SET entry = replace(entry, 'summary', 'Summary') WHERE seq = 10`),
    ).toContain(10);
    expect(await tampered('DELETE FROM ledger_entry WHERE seq = 11')).toContain(11);
    const swapped = await tampered(
      'UPDATE ledger_entry SET seq = 100000 WHERE seq = 12; UPDATE ledger_entry SET seq = 12 WHERE seq = 13; ' +
        'UPDATE ledger_entry SET seq = 13 WHERE seq = 100000',
    );
    expect(swapped).toEqual(expect.arrayContaining([12, 13]));
    expect(await tampered(`DELETE FROM ledger_entry WHERE seq > ${head - 2}`)).toEqual([head - 1]);
    expect(await installation.api.verification()).toMatchObject({ ok: true });
  }, 30_000);
});
