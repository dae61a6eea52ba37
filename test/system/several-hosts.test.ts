import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JournalledAlert } from '../../adapters/alerts/journal';
import { freePort } from '../../adapters/serving/process-launch';
import { hostOfInstance } from '../../domain/hosts';
import type { ServingCopy } from '../support/installation-copies';
import { OtherHost, SHARED } from '../support/installation-host';
import type { Installation } from '../support/installation';
import { deploy, ofKind, startLight } from '../support/installation-story';
import { expectNothingLost } from '../support/installation-users';
import { until } from '../support/poll';
import { removeTemporary } from '../support/temporary';

/** One configuration, two host workers: `a` beside controller and gateway, `b` with nothing but its own copies. */
let installation: Installation;
let b: OtherHost;

beforeAll(async () => {
  const port = await freePort();
  const tokenFile = `${SHARED}/gateway.token`;
  installation = await startLight(
    {
      name: 'several-hosts',
      // Nothing warm, so that the rollback takes all steps on all hosts; half a load is how long it waits for a host.
      policy: { standby: { keepWarm: false }, steps: { load: '6s' } },
      service: { hosts: { a: { reachedAt: '127.0.0.1' }, b: { reachedAt: '127.0.0.2' } } },
      top: {
        host: 'a',
        artifacts: { directory: `${SHARED}/artifacts` },
        gateway: { metrics: '127.0.0.1:0', control: { listen: `127.0.0.1:${port}`, tokenFile } },
        router: { kind: 'gateway', reachedAt: { control: `http://127.0.0.1:${port}`, tokenFile } },
      },
      prepare: (directory) => {
        mkdirSync(join(directory, SHARED));
        writeFileSync(join(directory, tokenFile), 'a-token-of-two-hosts', { mode: 0o600 });
      },
    },
    [{ version: '1.0' }, { version: '1.1' }],
  );
  b = new OtherHost(installation, 'b');
  await b.start();
}, 120_000);

afterAll(async () => {
  await installation?.stop();
  removeTemporary();
}, 60_000);

/** Copies that the declared route names, as `version on host`. */
async function routed(): Promise<string[]> {
  const state = await installation.api.state();
  const { primary = '', backends = {} } = state?.declared ?? {};
  return (backends[primary] ?? []).map(({ instance }) => `${primary} on ${hostOfInstance(instance) ?? '?'}`).sort();
}

/** Requests of users that a copy has answered; probes carry no id. */
function answersOf(copy: ServingCopy | undefined): number {
  if (copy === undefined) throw new Error('no such copy');
  const lines = readFileSync(copy.answersLog, 'utf8').split('\n');
  return lines.filter((line) => line.includes('"requestId":"')).length;
}

function alerts(): JournalledAlert['alert'][] {
  const { alertJournal } = installation.paths;
  if (!existsSync(alertJournal)) return [];
  const lines = readFileSync(alertJournal, 'utf8').trim().split('\n');
  return lines.map((line) => (JSON.parse(line) as JournalledAlert).alert);
}

test('a version has a copy on each host, and loses no request while one is gone, is rolled back without it, and joined again', async () => {
  const { api } = installation;
  await deploy(installation, '1.0');
  await deploy(installation, '1.1');
  expect(await routed()).toEqual(['1.1 on a', '1.1 on b']);
  const users = await installation.load({ perSecond: 20 });
  const [onB] = b.copies().filter(({ version }) => version === '1.1');
  await until('answers of both', () => answersOf(installation.copyOf('1.1')) >= 5 && answersOf(onB) >= 5);

  let after = await api.ledgerHead();
  b.losePower();
  await until('b is left out', async () => (await routed()).join() === '1.1 on a', 20_000);
  expect(await until('an alert', () => alerts().find(({ title }) => title.includes(': b has no copy')))).toMatchObject({
    severity: 'ticket',
    wrong: expect.stringContaining('b: '),
  });

  await api.accepted('rollback', { to: '1.0' });
  await api.entry('the rollback', after, ({ kind }) => kind === 'settled', 40_000);
  const loaded = ofKind(await api.ledger(after), 'step-succeeded').find(({ facts }) => facts['step'] === 'load');
  expect(loaded?.summary).toContain('left out: b: HostUnreachable');
  expect(await routed()).toEqual(['1.0 on a']);

  after = await api.ledgerHead();
  await b.start();
  await until('b takes part', async () => (await routed()).join() === '1.0 on a,1.0 on b', 60_000);
  const [joined] = b.copies().filter(({ version }) => version === '1.0');
  await until('answers of both', () => answersOf(joined) >= 5);
  const entries = await api.ledger(after);
  const asked = entries.find(({ summary }) => summary.startsWith('makes 1.0 ready on b'));
  const joins = ofKind(entries, 'reconciled').filter(({ summary }) => summary.startsWith('b takes part again'));
  expect(joins).toHaveLength(1);
  expect(joins[0]?.seq).toBeGreaterThan(asked?.seq ?? Infinity);
  expect(joins[0]?.facts['epoch']).toBeGreaterThan(Number(loaded?.facts['epoch'] ?? 0));
  // What it had served before is gone; nothing of it is left to answer.
  await until('the old copy has ended', () => b.copies().every(({ version }) => version === '1.0'), 20_000);

  const { tally } = await users.stop(100);
  expectNothingLost(tally);
}, 180_000);

test('I5: all copies die, each on its host: their hosts say so, and the version is started again on both', async () => {
  const { api } = installation;
  const before = await api.whenState('nothing in flight', (state) => (state.operation === null ? state : null));
  for (const { pid } of [...installation.copies(), ...b.copies()]) process.kill(pid, 'SIGKILL');
  await api.whenState(
    'a new epoch',
    ({ declared, operation }) => operation === null && (declared?.epoch ?? 0) > (before.declared?.epoch ?? 0),
    60_000,
  );
  await until('both take part', async () => (await routed()).join() === '1.0 on a,1.0 on b', 30_000);
  const decided = ofKind(await api.ledger(), 'deploy-decided').at(-1);
  expect(decided).toMatchObject({ actor: { proof: 'lastgood' } });
}, 120_000);
