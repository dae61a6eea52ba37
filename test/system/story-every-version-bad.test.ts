import { readAlertJournal } from '../../adapters/alerts/journal';
import type { Installation } from '../support/installation';
import { deploy, moves, ofKind, standbyReady, startLight } from '../support/installation-story';
import type { RequestRecord } from '../support/installation-traffic';
import { until } from '../support/poll';
import { removeTemporary } from '../support/temporary';

let installation: Installation;

beforeAll(async () => {
  const policy = {
    breaker: { consecutiveRollbacks: 2 },
    cooldown: '3s',
    // It ends what it says within the test.
    detection: { calm: '2s' },
  };
  const versions = [{ version: '1.0' }, { version: '1.1' }, { version: '1.2' }, { version: '1.3' }];
  installation = await startLight({ name: 'every-bad', policy }, versions);
  for (const version of ['1.1', '1.2', '1.3']) await deploy(installation, version);
  await installation.api.accepted('vouch', { version: '1.0' });
}, 240_000);

afterAll(async () => {
  await installation?.stop();
  removeTemporary();
}, 60_000);

/** Its users get errors from now on; nobody is told, detection has to find it in the traffic. */
async function spoil(version: string): Promise<void> {
  await installation.fault(version, { status: 500 });
}

async function settledAfter(after: number): Promise<{ seq: number; from: string; to: string }> {
  const { seq, facts } = await installation.api.entry('settled', after, ({ kind }) => kind === 'settled', 60_000);
  return { seq, from: String(facts['from']), to: String(facts['to']) };
}

/** Runs of failed answers in a row, as users saw them; each is the exposure to one version. */
function badTimes(records: readonly RequestRecord[]): Set<string | null> {
  return new Set(records.filter(({ status }) => status !== 200).map(({ version }) => version));
}

test('a service whose every version is bad is moved twice and to the hold version, and every request is answered by somebody', async () => {
  const { api } = installation;
  const traffic = await installation.load({ perSecond: 40 });
  const { live } = await standbyReady(installation);
  expect(live).toBe('1.3');
  const after = await api.ledgerHead();

  await spoil('1.3');
  const first = await settledAfter(after);
  await api.whenState('no cooldown', ({ cooldownUntil, operation }) => operation === null && cooldownUntil === null);
  await spoil(first.to);
  const second = await settledAfter(first.seq);
  const opened = await api.entry('the breaker', first.seq, ({ kind }) => kind === 'breaker-opened');
  const hold = await settledAfter(second.seq);
  expect(hold.to).toBe('1.0');
  await spoil('1.0');
  const held = await api.entry('held', hold.seq, ({ kind }) => kind === 'rollback-held', 60_000);
  expect(held.summary).toContain('the breaker is open');

  // It swings: over, and there again, until detection has said so three times. Nothing moves, and nobody is told twice.
  await until(
    'three episodes',
    async () => {
      await installation.fault('1.0', {});
      await api.whenState('over', ({ degradations }) => degradations.length === 0, 40_000);
      await spoil('1.0');
      await api.whenState('there again', ({ degradations }) => degradations.length > 0, 40_000);
      return ofKind(await api.ledger(held.seq), 'degradation-began').length >= 2;
    },
    120_000,
  );
  await installation.fault('1.0', {});
  await api.whenState('over', ({ degradations }) => degradations.length === 0, 40_000);
  const entries = await api.ledger(after);
  expect(moves(entries)).toEqual([`1.3→${first.to}`, `${first.to}→${second.to}`, `${second.to}→1.0`]);
  expect(opened.incident).not.toBeNull();
  expect(ofKind(entries, 'rollback-decided')).toHaveLength(3);
  const state = await api.whenState('a state', (found) => found);
  expect(state).toMatchObject({ breaker: { open: true }, operation: null, declared: { primary: '1.0' } });

  const { alerts } = await readAlertJournal(installation.paths.alertJournal);
  const pages = alerts.filter(({ alert }) => alert.severity === 'page').map(({ alert }) => alert.title);
  const nothingMoved = pages.filter((title) => title.includes('is degraded and nothing was moved'));
  expect(nothingMoved).toHaveLength(new Set(nothingMoved).size);
  expect(pages).toContainEqual(expect.stringContaining('the breaker is open after 2 rollbacks'));

  const sinceGood = Date.now();
  await until('good answers', async () => (await traffic.tally(sinceGood)).answered >= 40, 30_000);
  const { tally, records } = await traffic.stop(400);
  // Every request got a whole answer; only those that were bad answered badly, and the last ones are good.
  expect({ dropped: tally.dropped, lost: records.filter(({ lost }) => lost !== null) }).toEqual({
    dropped: 0,
    lost: [],
  });
  expect(badTimes(records)).toEqual(new Set(['1.3', first.to, '1.0']));
  expect(records.filter(({ sentAt, status }) => sentAt >= sinceGood && status !== 200)).toEqual([]);
  expect(await api.verification()).toMatchObject({ ok: true });
}, 300_000);
