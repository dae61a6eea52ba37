import type { Installation } from '../support/installation';
import { deploy, forgive, moves, ofKind, startLight } from '../support/installation-story';
import { until } from '../support/poll';
import { processFacts } from '../../adapters/disk/proc';
import { removeTemporary } from '../support/temporary';

let installation: Installation;

beforeAll(async () => {
  const versions = [
    { version: '0.9', loadMs: 3_000 },
    { version: '1.0' },
    { version: '1.1' },
    { version: '1.2' },
    { version: '1.3', loadMs: 3_000 },
  ];
  installation = await startLight({ name: 'kill-parts' }, versions);
  await deploy(installation, '1.1');
  await deploy(installation, '1.2');
}, 120_000);

afterAll(async () => {
  await installation?.stop();
  removeTemporary();
}, 60_000);

/** The route names a proven standby as its fallback. */
function fallbackDeclared(version: string): Promise<unknown> {
  return installation.api.whenState(
    `the fallback ${version}`,
    ({ declared, operation }) => operation === null && declared?.fallback === version,
    40_000,
  );
}

test('a supervisor that is killed stops nothing, and the next one takes over what runs', async () => {
  const parts = ['gateway', 'controller', 'host', 'temporal'] as const;
  const before = parts.map((part) => installation.pid(part));
  const traffic = await installation.load({ perSecond: 20 });
  await until('some traffic', async () => (await traffic.tally()).answered >= 20);
  const supervisor = installation.kill('up');
  await until('the end of the supervisor', () => processFacts(supervisor) === null);
  await installation.startUp();
  const { tally } = await traffic.stop(40);
  expect({ failed: tally.failed, dropped: tally.dropped }).toEqual({ failed: 0, dropped: 0 });
  expect(parts.map((part) => installation.pid(part))).toEqual(before);
}, 60_000);

test('a gateway that is killed costs refused connections until it is back, with the route and fallback that it had', async () => {
  await fallbackDeclared('1.1');
  const route = async (): Promise<unknown> => {
    const answer = await installation.api.get('/v1/services/mail-triage');
    return (answer.body as { gateway: { record: unknown } | null }).gateway?.record;
  };
  const before = await route();
  const traffic = await installation.load({ perSecond: 20 });
  await until('some traffic', async () => (await traffic.tally()).answered >= 20);
  const former = installation.kill('gateway');
  await installation.restarted('gateway', former);
  const since = Date.now();
  await until('answers again', async () => (await traffic.tally(since)).answered >= 40, 20_000);
  const { tally, records } = await traffic.stop(80);
  const lost = records.filter((record) => record.lost !== null);
  expect(tally.failed).toBe(0);
  // What was in flight is reset; everything else was refused before it was sent, and none waited in vain.
  for (const { lost: why } of lost) expect(['ECONNREFUSED', 'ECONNRESET', 'cut', 'socket hang up']).toContain(why);
  expect(lost.filter(({ lost: why }) => why !== 'ECONNREFUSED').length).toBeLessThanOrEqual(20);
  expect(lost.length).toBeGreaterThan(0);
  expect(await until('the route', route)).toEqual(before);
  expect((await installation.api.state())?.pausedWhy).toBeNull();
}, 60_000);

test('the death of the live process costs no request, and a durable rollback follows the fallback', async () => {
  const { api } = installation;
  await fallbackDeclared('1.1');
  const traffic = await installation.load({ perSecond: 20 });
  await until('some traffic', async () => (await traffic.tally()).answered >= 40);
  const after = await api.ledgerHead();
  process.kill(installation.copyOf('1.2').pid, 'SIGKILL');
  await api.entry('settled', after, ({ kind }) => kind === 'settled');
  const { tally } = await traffic.stop(60);
  const entries = await api.ledger(after);
  expect({ failed: tally.failed, dropped: tally.dropped }).toEqual({ failed: 0, dropped: 0 });
  expect(ofKind(entries, 'fallback-began')).toHaveLength(1);
  expect(ofKind(entries, 'rollback-decided')).toHaveLength(1);
  expect(moves(entries)).toEqual(['1.2→1.1']);
}, 60_000);

test('the death of the live process in the middle of a deploy costs no request, and the traffic ends on a version that serves', async () => {
  const { api } = installation;
  await forgive(installation);
  const { declared } = await api.whenState('a fallback', (state) => (state.declared?.fallback ? state : null), 60_000);
  const live = declared?.primary ?? '';
  const traffic = await installation.load({ perSecond: 20 });
  await until('some traffic', async () => (await traffic.tally()).answered >= 20);
  await api.accepted('deploy', { version: '1.3' });
  await api.whenState('the load', ({ operation }) => operation?.step === 'load');
  process.kill(installation.copyOf(live).pid, 'SIGKILL');
  const state = await api.whenState(
    'a version that serves',
    (found) => (found.operation === null && found.declared?.primary !== live ? found : null),
    45_000,
  );
  const since = Date.now();
  await until('answers', async () => (await traffic.tally(since)).answered >= 20);
  const { tally } = await traffic.stop(60);
  expect({ failed: tally.failed, dropped: tally.dropped }).toEqual({ failed: 0, dropped: 0 });
  const last = (await api.state())?.declared?.primary ?? state.declared?.primary ?? '';
  expect(processFacts(installation.copyOf(last).pid)).not.toBeNull();
}, 60_000);

test('a Temporal server that is killed in the middle of a rollback changes nothing for the users, and the rollback goes on', async () => {
  const { api } = installation;
  const before = await forgive(installation);
  const from = before.declared?.primary ?? '';
  const traffic = await installation.load({ perSecond: 20 });
  await until('some traffic', async () => (await traffic.tally()).answered >= 20);
  const after = await api.ledgerHead();
  // Cold and slow to load: there is time to kill in the middle.
  await api.accepted('rollback', { to: '0.9' });
  await api.whenState('the load', ({ operation }) => operation?.step === 'load');
  const former = installation.kill('temporal');
  await installation.restarted('temporal', former);
  await api.entry('settled', after, ({ kind }) => kind === 'settled', 45_000);
  const { tally } = await traffic.stop(60);
  expect({ failed: tally.failed, dropped: tally.dropped }).toEqual({ failed: 0, dropped: 0 });
  expect(moves(await api.ledger(after))).toEqual([`${from}→0.9`]);
  expect(Object.keys(tally.byVersion).sort()).toEqual(['0.9', from].sort());
}, 75_000);
