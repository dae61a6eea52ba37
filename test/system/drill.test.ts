import { request } from 'undici';
import type { LedgerPage } from '../../api/types';
import { compiledProduct, type UpProcess } from '../support/embedded';
import { deployMail, embeddedMail, mailView } from '../support/embedded-mail';
import { until } from '../support/poll';
import { removeTemporary } from '../support/temporary';

jest.setTimeout(300_000);

const POLICY = `{ bake: 1s, detection: { shortWindow: { every: 5s, window: 60s } }, drills: { live: true, maxShare: 0.05, maxLive: 5m }, verify: { goodAnswers: 20, max: 20s } }`;
let up: UpProcess;
let users: Users;

beforeAll(async () => {
  const dist = await compiledProduct();
  up = embeddedMail(dist, 'drill', POLICY);
  await up.start();
  await deployMail(up, '1.0');
  await atRest();
  const entrance = await deployMail(up, '1.1');
  await atRest();
  users = new Users(entrance);
  await until('a proven standby, and good answers', async () => {
    const state = (await mailView(up)).status?.state;
    return state?.standby?.proof === 'ok' && state.bake === null && state.tiers.some(({ kind }) => kind === 'ok');
  }, 90_000); // prettier-ignore
}, 240_000);

afterAll(async () => {
  await users?.stop();
  await up?.cleanUp();
  removeTemporary();
});

async function atRest(): Promise<void> {
  await until('the end of the deploy', async () => (await mailView(up)).status?.state.operation === null, 60_000);
}

async function entries(kind: string): Promise<LedgerPage['entries']> {
  return ((await up.api('GET', `/v1/services/mail/ledger?kinds=${kind}`)).json as LedgerPage).entries;
}

async function drill(fields: object): Promise<string> {
  const { json } = await up.api('POST', '/v1/services/mail/acts/drill', { reason: 'a rehearsal', ...fields });
  expect(json).toMatchObject({ decision: 'accepted', why: expect.stringMatching(/begins/) });
  return /drill (\S+) begins/.exec((json as { why: string }).why)?.[1] ?? '?';
}

async function endOf(id: string): Promise<Record<string, unknown>> {
  return await until(
    `the end of ${id}`,
    // A controller that is being started again answers a moment later.
    async () => (await entries('drill-ended').catch(() => [])).find(({ facts }) => facts['drill'] === id)?.facts,
    120_000,
  );
}

/** Some users at a time, every answer kept: who answered it, and what. */
class Users {
  readonly answers: {
    readonly at: number;
    readonly status: number;
    readonly version: string;
    readonly label: unknown;
  }[] = [];
  private going = true;
  private readonly done: Promise<unknown>;

  constructor(private readonly entrance: string) {
    this.done = Promise.all([this.run(), this.run(), this.run()]);
  }

  async stop(): Promise<void> {
    this.going = false;
    await this.done;
  }

  private async run(): Promise<void> {
    while (this.going) {
      const at = Date.now();
      const { statusCode, headers, body } = await request(`${this.entrance}/v2/models/mail/infer`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"text":"win money"}',
      });
      const answer = (await body.json()) as { outputs?: { data: unknown[] }[] };
      const version = String(headers['x-lastgood-version']);
      this.answers.push({ at, status: statusCode, version, label: answer.outputs?.[0]?.data[0] });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

test('a mirrored drill runs from end to end: found in its tier, led back, verified, and no user saw any of it', async () => {
  const before = (await mailView(up)).status?.state;
  const from = users.answers.length;
  const id = await drill({ way: 'mirror', degrade: { truncateTo: 12 }, share: 1, forMs: 90_000, expect: 'immediate' });
  const ended = await endOf(id);
  expect(ended).toMatchObject({ way: 'mirror', outcome: 'passed', degrade: { truncateTo: 12 } });
  const moments = ['sharedAt', 'onsetAt', 'detectedAt', 'decidedAt', 'shiftedAt', 'restoredAt'].map(
    (name) => ended[name],
  );
  expect(moments.every((at) => typeof at === 'number')).toBe(true);
  expect(ended['detectedAt']).toBeGreaterThanOrEqual(ended['onsetAt'] as number);
  expect(ended['restoredAt']).toBeGreaterThanOrEqual(ended['shiftedAt'] as number);
  expect(ended['evidence']).toMatch(/^sha256:/);
  const seen = users.answers.slice(from);
  expect(seen.length).toBeGreaterThan(20);
  expect(seen.filter(({ status, version, label }) => status !== 200 || version !== '1.1' || label !== 'spam')).toEqual(
    [],
  );
  const after = (await mailView(up)).status?.state;
  for (const part of ['breaker', 'cooldownUntil', 'consecutive', 'incident', 'bake', 'degradations'] as const)
    expect(after?.[part]).toEqual(before?.[part]);
  await until('no share is left', async () => (await mailView(up)).gateway?.record?.share === undefined, 30_000);
  expect(await entries('degradation-began')).toEqual([]);
});

test('with the controller dead in the middle of a live drill, users are back on the good version when its share ends', async () => {
  const id = await drill({ way: 'live', degrade: { addedMs: 5 }, share: 0.05, forMs: 12_000 });
  const share = await until('the share', async () => (await mailView(up)).gateway?.record?.share, 60_000);
  expect(share).toMatchObject({ drill: id, weight: 0.05 });
  // Frozen, not ended: the supervisor would put another one in its place before the share is over.
  const controller = up.childPid('controller');
  process.kill(controller, 'SIGSTOP');
  try {
    await until('the end of the share', () => Date.now() > share.until + 200, 30_000);
    const lastly = users.answers.length;
    await until('users after it', () => users.answers.length > lastly + 60, 30_000);
  } finally {
    process.kill(controller, 'SIGKILL');
  }
  const drilled = await drilledSince(share.until);
  expect(drilled).toBe(0);
  const ended = await endOf(id);
  expect(ended).toMatchObject({ way: 'live' });
  await until('no share is left', async () => {
    const { status = null, gateway = null } = (await mailView(up).catch(() => null)) ?? {};
    return status?.state.drill === null && gateway?.record?.share === undefined;
  }, 60_000); // prettier-ignore
  expect(users.answers.filter(({ status }) => status !== 200)).toEqual([]);
});

/** Answers of a drill's cohort that began after a moment, as the gateway recorded them, a second of delay allowed. */
async function drilledSince(at: number): Promise<number> {
  const view = await until('the record of answers', async () => {
    const asked = up.api('GET', `/v1/services/mail/answers?at=${Math.round(at + 31_500)}`);
    const { status, json } = await asked.catch(() => ({ status: 0, json: null }));
    return status === 200 ? (json as { versions: { reason: string; answers: number }[] }) : null;
  }, 60_000); // prettier-ignore
  return view.versions.filter(({ reason }) => reason === 'drill').reduce((sum, { answers }) => sum + answers, 0);
}
