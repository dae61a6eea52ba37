import type { Installation } from '../support/installation';
import { deploy, ofKind, startLight } from '../support/installation-story';
import type { Traffic } from '../support/installation-traffic';
import { until } from '../support/poll';
import { removeTemporary } from '../support/temporary';

let installation: Installation;
let traffic: Traffic | null = null;
let watch: Copies | null = null;

/** Looks all the time how many copies run at once. */
class Copies {
  most = 0;
  looks = 0;
  private readonly timer = setInterval(() => {
    this.looks += 1;
    this.most = Math.max(this.most, installation.copies().length);
  }, 20);

  stop(): void {
    clearInterval(this.timer);
  }
}

beforeAll(async () => {
  const policy = { swap: 'stop-first', gapMax: '10m' };
  installation = await startLight({ name: 'stop-first', policy }, [
    { version: '1.0', loadMs: 300 },
    { version: '1.1', loadMs: 300 },
    { version: 'wrong', label: 'ham', loadMs: 300 },
  ]);
  await deploy(installation, '1.0');
}, 120_000);

beforeEach(async () => {
  traffic = await installation.load({ perSecond: 40 });
  watch = new Copies();
});

afterEach(() => {
  watch?.stop();
  traffic?.kill();
});

afterAll(async () => {
  await installation?.stop();
  removeTemporary();
}, 60_000);

/** Every request has an answer: of a version, or of the router that says when to come again. */
async function expectAllTold(): Promise<void> {
  const { tally } = await traffic!.stop(100);
  const { dropped, failed, reasons, byVersion } = tally;
  // 503 in the name of no version: the router's own word.
  expect({ dropped, failed, reasons }).toEqual({ dropped: 0, failed, reasons: { 'status 503': byVersion['none'] } });
  expect(failed).toBeGreaterThan(0);
  expect(watch?.most).toBe(1);
  expect(watch?.looks).toBeGreaterThan(10);
}

async function answered(by: string): Promise<void> {
  const since = Date.now();
  await until(`answers of ${by}`, async () => ((await traffic!.tally(since)).byVersion[by] ?? 0) > 10);
}

test('I5, I6: a deploy and a rollback where memory holds one copy lose no request and never have two copies', async () => {
  const { api } = installation;
  await answered('1.0');
  const after = await api.ledgerHead();
  await deploy(installation, '1.1');
  await answered('1.1');
  await api.accepted('rollback', { to: '1.0' });
  await api.whenState('back', ({ declared, operation }) => declared?.primary === '1.0' && operation === null, 40_000);
  await answered('1.0');
  await expectAllTold();
  const [decided] = ofKind(await api.ledger(after), 'deploy-decided');
  expect(decided?.summary).toContain('memory for one copy: nobody serves for about');
  expect(ofKind(await api.ledger(after), 'rollback-decided')[0]?.facts['gap']).toMatchObject({ from: 'the last gap' });
}, 120_000);

test('a target that fails in the gap gives way to the version that served, and a person is asked', async () => {
  const { api } = installation;
  await answered('1.0');
  await api.accepted('deploy', { version: 'wrong' });
  const { operation } = await api.whenState(
    'a person is asked',
    (state) => (state.operation?.waiting ? state : null),
    40_000,
  );
  expect(operation?.waiting).toContain('1.0 serves again by a new copy');
  await answered('1.0');
  await api.accepted('intervene', { incident: operation?.id ?? '', action: 'abort' });
  await api.whenState('the end', (state) => state.operation === null, 40_000);
  await expectAllTold();
  expect(installation.copies().map(({ version }) => version)).toEqual(['1.0']);
}, 120_000);

test('a worker that is killed in the gap costs time, and neither a request nor a second copy', async () => {
  const { api } = installation;
  await answered('1.0');
  await api.accepted('deploy', { version: '1.1' });
  await api.whenState('the gap', ({ declared }) => declared?.gap !== undefined, 40_000);
  installation.kill('host');
  await api.whenState('live', ({ declared, operation }) => declared?.primary === '1.1' && operation === null, 90_000);
  await answered('1.1');
  await expectAllTold();
}, 150_000);
