import { request } from 'undici';
import type { RouteRecord, Share } from '../../../domain/route';
import type { CountsRow } from '../../../gateway/protocol';
import { route, startGateway, type GatewayProcess } from '../../support/gateway-process';
import { until } from '../../support/load';
import { Upstream } from '../../support/upstreams';

jest.setTimeout(60_000);

let good: Upstream;
let worse: Upstream;
let gateway: GatewayProcess;

beforeAll(async () => {
  [good, worse] = await Promise.all([Upstream.start('1.1'), Upstream.start('1.2')]);
});
afterAll(async () => {
  await Promise.all([good.kill(), worse.kill()]);
});
beforeEach(async () => {
  gateway = await startGateway();
});
afterEach(async () => {
  await gateway.kill();
});

const HOUR = 3_600_000;

function drilled(epoch: number, share: Partial<Share>): RouteRecord {
  return {
    ...route(epoch, '1.1', { '1.1': [good.backend()], '1.2': [worse.backend()] }),
    share: { version: '1.2', weight: 1, until: Date.now() + HOUR, drill: 'd1', ...share },
  };
}

async function ask(id: string, label = 'spam'): Promise<{ version: string; body: Record<string, unknown> }> {
  const { headers, body } = await request(`${gateway.address()}/infer?label=${label}`, {
    method: 'POST',
    body: '{"text":"hello"}',
    headers: { 'x-request-id': id, 'content-type': 'application/json' },
  });
  return { version: String(headers['x-lastgood-version']), body: (await body.json()) as Record<string, unknown> };
}

async function rows(): Promise<CountsRow[]> {
  const { body } = await gateway.control('GET', `/services/mail/window?from=0&to=${Date.now() + HOUR}`);
  return (body as { rows: CountsRow[] }).rows.filter(({ kind }) => kind === 'counts');
}

const sum = (counted: readonly CountsRow[], of: (row: CountsRow) => number): number =>
  counted.reduce((total, row) => total + of(row), 0);
const cohort = async (name: 'live' | 'drill'): Promise<CountsRow[]> =>
  (await rows()).filter((row) => row.cohort === name);

test('a mirrored drill is seen by no user and counts in no live metric, whatever its version does', async () => {
  expect(await gateway.apply(drilled(1, { mirror: true }))).toMatchObject({ applied: true });
  await worse.behave('error');
  try {
    for (let n = 0; n < 20; n += 1) expect((await ask(`m-${n}`)).version).toBe('1.1');
    await until('the copies are counted', async () => sum(await cohort('drill'), ({ requests }) => requests) === 20);
  } finally {
    await worse.behave('ok');
  }
  const [live, drill] = [await cohort('live'), await cohort('drill')];
  expect(new Set(live.map(({ version }) => version))).toEqual(new Set(['1.1']));
  expect(sum(live, ({ requests }) => requests)).toBe(20);
  expect(sum(live, ({ failures }) => failures)).toBe(0);
  expect(new Set(drill.map(({ version }) => version))).toEqual(new Set(['1.2']));
  expect(sum(drill, ({ failures }) => failures)).toBe(20);
  const { body } = await request(`${gateway.metricsAddress}/metrics`);
  const text = await body.text();
  expect(text).toContain('version="1.2 (drill)"');
  expect(text).not.toMatch(/requests_total\{[^}]*version="1\.2"/);
  // The record of answers tells users who answered them; a copy answered nobody.
  const { body: answer } = await gateway.control('GET', '/answers/m-3');
  expect(answer).toMatchObject({ known: true, answer: { version: '1.1', reason: 'primary' } });
});

test('a label of a request is counted for its copy too, each against what that one answered', async () => {
  await gateway.apply(drilled(1, { mirror: true, degrade: { wrongShare: 1 } }));
  await ask('l-0', 'bulk');
  await until('the first copy is counted', async () => sum(await cohort('drill'), ({ requests }) => requests) === 1);
  for (let n = 1; n <= 10; n += 1) await ask(`l-${n}`, 'spam');
  await until('the copies are counted', async () => sum(await cohort('drill'), ({ requests }) => requests) === 11);
  const items = Array.from({ length: 10 }, (_, n) => ({
    requestId: `l-${n + 1}`,
    label: 'spam',
    observedAt: new Date().toISOString(),
    source: 'test',
  }));
  await gateway.control('POST', '/services/mail/feedback', { items });
  const labels = (counted: readonly CountsRow[]): [number, number] => [
    sum(counted, (row) => row.labels['spam']?.n ?? 0),
    sum(counted, (row) => row.labels['spam']?.correct ?? 0),
  ];
  expect(labels(await cohort('live'))).toEqual([10, 10]);
  expect(labels(await cohort('drill'))).toEqual([10, 0]);
});

test('the share of a drill ends in the gateway by itself, with nobody there to end it', async () => {
  await gateway.apply(drilled(1, { until: Date.now() + 5_000 }));
  expect((await ask('s-0')).version).toBe('1.2');
  await gateway.kill();
  await gateway.start();
  await until('users are back on the good version', async () => (await ask('s-1')).version === '1.1');
  for (let n = 0; n < 20; n += 1) expect((await ask(`s-${n + 2}`)).version).toBe('1.1');
});

test('answers are made worse for the cohort of a drill only', async () => {
  await gateway.apply(drilled(1, { version: '1.1', mirror: true, degrade: { wrongShare: 1, truncateTo: 40 } }));
  for (let n = 0; n < 10; n += 1) {
    const { body } = await ask(`d-${n}`);
    expect(body).toMatchObject({ outputs: [{ data: ['spam'] }, { data: [0.75] }] });
  }
  await until('the copies are counted', async () => sum(await cohort('drill'), ({ requests }) => requests) === 10);
  expect(sum(await cohort('drill'), ({ malformed }) => malformed)).toBe(10);
  expect(sum(await cohort('live'), ({ malformed }) => malformed)).toBe(0);
});

test('a live drill on the live version itself: its answers are late and wrong, and of a cohort of their own', async () => {
  await gateway.apply(drilled(1, { version: '1.1', weight: 0.05, degrade: { wrongShare: 1, addedMs: 60 } }));
  let drill: { body: Record<string, unknown>; ms: number }[] = [];
  for (let n = 0; n < 600 && drill.length < 6; n += 1) {
    const beganAt = performance.now();
    const { body } = await ask(`w-${n}`, drill.length === 0 ? 'bulk' : 'spam');
    const { body: looked } = await gateway.control('GET', `/answers/w-${n}`);
    const { answer } = looked as { answer?: { reason: string } };
    if (answer?.reason === 'drill') drill = [...drill, { body, ms: performance.now() - beganAt }];
  }
  expect(drill).toHaveLength(6);
  for (const { ms } of drill) expect(ms).toBeGreaterThanOrEqual(59);
  for (const { body } of drill.slice(1)) expect(body).toMatchObject({ outputs: [{ data: ['bulk'] }, {}] });
  expect(sum(await cohort('live'), (row) => row.predicted['bulk'] ?? 0)).toBeLessThan(300);
});

test.each<[string, Partial<Share>, RegExp]>([
  ['degrade outside of a drill', { degrade: { addedMs: 5 }, drill: undefined as never }, /with drill only/],
  ['a mirror outside of a drill', { mirror: true, drill: undefined as never }, /with drill only/],
  ['more than 5 % of users with degrade', { weight: 0.06, degrade: { addedMs: 5 } }, /at most 0\.05/],
])('%s is refused', async (_, share, why) => {
  const record = JSON.parse(JSON.stringify(drilled(1, share))) as RouteRecord;
  const refused = await gateway.apply(record);
  expect(refused).toMatchObject({ applied: false, why: 'invalid' });
  expect(!refused.applied && refused.detail).toMatch(why);
});

test('requests that are not repeatable are not copied', async () => {
  const other = await startGateway({ services: [{ name: 'mail', repeatable: false }] });
  try {
    const refused = await other.apply(drilled(1, { mirror: true }));
    expect(!refused.applied && refused.detail).toMatch(/not repeatable/);
  } finally {
    await other.kill();
  }
});

test('recorded inputs are asked of the drill alone, and judged by their labels at once', async () => {
  await gateway.apply(drilled(1, { mirror: true, weight: 0 }));
  const items = Array.from({ length: 30 }, (_, n) => ({
    path: '/infer?label=spam',
    contentType: 'application/json',
    body: '{"text":"hello"}',
    label: n < 10 ? 'bulk' : 'spam',
  }));
  const { status, body } = await gateway.control('POST', '/services/mail/mirror', { drill: 'd1', items });
  expect([status, body]).toEqual([200, { running: true, asked: 30, skipped: 0 }]);
  await until('the answers are counted', async () => sum(await cohort('drill'), ({ requests }) => requests) === 30);
  const drill = await cohort('drill');
  expect(sum(drill, (row) => row.labels['spam']?.correct ?? 0)).toBe(20);
  expect(sum(drill, (row) => row.labels['bulk']?.correct ?? 0)).toBe(0);
  expect(await cohort('live')).toEqual([]);
  const over = await gateway.control('POST', '/services/mail/mirror', { drill: 'd2', items });
  expect([over.status, over.body]).toEqual([409, { running: false, asked: 0, skipped: 0 }]);
});
