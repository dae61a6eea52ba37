import type { ChainedEntry } from '../../domain/ledger';
import { SERVICE, type Installation } from '../support/installation';
import {
  degrade,
  deploy,
  forgive,
  moves,
  ofKind,
  standbyReady,
  startLight,
  stepsOf,
} from '../support/installation-story';
import { usersLoseNothing } from '../support/installation-users';
import { until } from '../support/poll';
import { removeTemporary } from '../support/temporary';

/** What `kill-worker` does to the standard path, for the paths that need a warm standby or more than one shift. */
let installation: Installation;

beforeAll(async () => {
  const versions = [{ version: '1.0' }, { version: '1.1' }, { version: '1.2' }];
  // Time for two deaths at a shift.
  const policy = { gradual: { stages: [0.5], stage: '1s' }, steps: { shift: '30s' } };
  installation = await startLight({ name: 'kill-warm', policy }, versions);
  await deploy(installation, '1.1');
  await deploy(installation, '1.2');
}, 120_000);

afterAll(async () => {
  await installation?.stop();
  removeTemporary();
}, 60_000);

beforeEach(async () => {
  await forgive(installation);
  // A supervisor that is new has no back-off from the deaths before; its own death stops nothing.
  installation.kill('up');
  await installation.startUp();
}, 60_000);

const users = usersLoseNothing(() => installation);

afterEach(async () => {
  expect(await installation.api.verification()).toMatchObject({ ok: true });
});

/** The next process that gets there dies before the effect, the one that takes over right after it. */
function armBoth(activity: string): void {
  installation.armFailpoint(activity, 'before');
  installation.armFailpoint(activity, 'after');
}

async function diedTwice(...activities: string[]): Promise<void> {
  for (const activity of activities)
    for (const when of ['before', 'after'] as const)
      await until(`the death ${when} ${activity}`, () => installation.failpointWasHit(activity, when), 20_000);
}

async function routeInForce(): Promise<{ epoch: number } | undefined> {
  const answer = await installation.api.get(`/v1/services/${SERVICE}`).catch(() => null);
  return (answer?.body as { gateway: { record: { epoch: number } } | null } | undefined)?.gateway?.record;
}

test('deaths before and after the shift, verify and the naming of the next fallback of an emergency cost time only', async () => {
  const { api } = installation;
  const { live, standby } = await standbyReady(installation);
  armBoth('shiftTraffic');
  armBoth('verifyShift');
  const { after } = await degrade(installation, { tier: 'immediate' });
  await api.entry('settled', after, ({ kind }) => kind === 'settled', 60_000);
  await diedTwice('shiftTraffic', 'verifyShift');
  armBoth('applyRoute');
  const ready = await standbyReady(installation);
  await diedTwice('applyRoute');

  const entries = await api.ledger(after);
  expect(stepsOf(entries)).toEqual(['shift', 'verify', 'settle']);
  expect(moves(entries)).toEqual([`${live}→${standby}`]);
  expect(ofKind(entries, 'rollback-decided')).toHaveLength(1);
  expect(ofKind(entries, 'settled')).toHaveLength(1);
  expect(ready.live).toBe(standby);
  const { declared } = await api.whenState('a state', (state) => state);
  const inForce = await until('the declared route', async () => {
    const found = await routeInForce();
    return found?.epoch === declared?.epoch ? found : null;
  });
  expect(inForce).toEqual(declared);
  expect(new Set(Object.keys((await users().tally()).byVersion))).toEqual(new Set([live, standby]));
}, 120_000);

test('deaths before and after the share of a gradual move leave one share and one shift', async () => {
  const { api } = installation;
  const { live, standby } = await standbyReady(installation);
  armBoth('shiftTraffic');
  const { after } = await degrade(installation, { tier: 'trend' });
  const isShare = ({ kind, summary }: ChainedEntry): boolean =>
    kind === 'traffic-shifted' && summary.startsWith('50 % of new requests go to');
  const shared = await api.entry('the share', after, isShare, 60_000);
  await diedTwice('shiftTraffic');
  await api.entry('settled', after, ({ kind }) => kind === 'settled', 30_000);
  const entries = await api.ledger(after);
  expect(stepsOf(entries)).toEqual(['validate', 'load', 'probe', 'stages', 'shift', 'verify', 'settle']);
  expect(entries.filter(isShare)).toHaveLength(1);
  expect(moves(entries)).toEqual([`${live}→${standby}`]);
  const during = await users().records(shared.at);
  expect(new Set(during.map(({ version }) => version))).toEqual(new Set([live, standby]));
}, 90_000);

test('deaths before and after the return from a version that fails verify bring the traffic back once', async () => {
  const { api } = installation;
  const { live } = await standbyReady(installation);
  await installation.importLight({ version: 'wrong' });
  const after = await api.ledgerHead();
  installation.armFailpoint('verifyShift', 'before');
  await api.accepted('deploy', { version: 'wrong' });
  await until('nobody verifies', () => installation.failpointWasHit('verifyShift', 'before'), 20_000);
  // Meanwhile the version turns bad; the next attempt finds it.
  await installation.fault('wrong', { label: 'ham' });
  armBoth('shiftTraffic');
  const { operation } = await api.whenState(
    'a person is asked',
    (state) => (state.operation?.waiting ? state : null),
    60_000,
  );
  await diedTwice('shiftTraffic');
  expect(operation?.waiting).toContain(`the traffic is back on ${live}`);
  const since = Date.now();
  await until('answers', async () => (await users().tally(since)).answered >= 20);
  expect(Object.keys((await users().tally(since)).byVersion)).toEqual([live]);
  const entries = await api.ledger(after);
  expect(moves(entries)).toEqual([`${live}→wrong`]);
  const back = entries.filter(({ summary }) => summary.startsWith(`the traffic is back on ${live}`));
  expect(back).toHaveLength(1);
  await api.accepted('intervene', { incident: operation?.id ?? '', action: 'abort' });
  const { declared } = await api.whenState('the end', (state) => (state.operation === null ? state : null));
  expect(declared?.primary).toBe(live);
}, 120_000);

test('deaths before and after the fence of a cancelled rollback leave the traffic where it is', async () => {
  const { api } = installation;
  const { live } = await standbyReady(installation);
  // Only now: it must be cold, and a version that is there before may have become the standby.
  await installation.importLight({ version: 'slow', loadMs: 5_000 });
  const after = await api.ledgerHead();
  await api.accepted('rollback', { to: 'slow' });
  await api.whenState('the load', ({ operation }) => operation?.step === 'load');
  armBoth('fenceRouter');
  await api.accepted('cancel');
  await diedTwice('fenceRouter');
  const { declared } = await api.whenState('the end', (state) => (state.operation === null ? state : null), 60_000);
  expect(declared?.primary).toBe(live);
  expect(moves(await api.ledger(after))).toEqual([]);
  // Copies of other versions may stay until the pins of the tests before end.
  const gone = ({ retiring }: { retiring: readonly { version: string }[] }): boolean =>
    retiring.every(({ version }) => version !== 'slow');
  await api.whenState('its copy is gone', gone, 40_000);
  expect(installation.copies().map(({ version }) => version)).not.toContain('slow');
}, 120_000);
