import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import type { AnswerLookup, AnswersAt, CountsRow, FeedbackResult, TelemetryRow } from '../../../gateway/protocol';
import { answerLookupSchema, telemetryRowSchema } from '../../../gateway/protocol';
import { route, startGateway, type GatewayOptions, type GatewayProcess } from '../../support/gateway-process';
import { httpReceiver } from '../../support/gateway-webhook';
import { Load, until } from '../../support/load';
import { Upstream } from '../../support/upstreams';

jest.setTimeout(90_000);

let started: { kill(): Promise<unknown> }[] = [];
afterEach(async () => {
  await Promise.all(started.map((each) => each.kill()));
  started = [];
});

async function upstream(version: string): Promise<Upstream> {
  const each = await Upstream.start(version);
  started.push(each);
  return each;
}

async function gatewayWith(options: GatewayOptions = {}): Promise<GatewayProcess> {
  const gateway = await startGateway(options);
  started.push(gateway);
  return gateway;
}

interface Asked {
  readonly id: string;
  readonly version: string;
}

async function ask(gateway: GatewayProcess, path = '/infer', headers: Record<string, string> = {}): Promise<Asked> {
  const response = await request(gateway.address() + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: '{"text":"hello","user":{"email":"a@b.example"}}',
  });
  await response.body.dump();
  return { id: String(response.headers['x-request-id']), version: String(response.headers['x-lastgood-version']) };
}

const countsOf = (rows: TelemetryRow[]): CountsRow[] => rows.filter((row): row is CountsRow => row.kind === 'counts');

test('a session stays on its version while the record lists it, and at most until the pin ends', async () => {
  const [v1, v2] = await Promise.all([upstream('1.1'), upstream('1.2')]);
  const gateway = await gatewayWith();
  const backends = { '1.1': [v1.backend()], '1.2': [v2.backend()] };
  const alice = { 'x-session-id': 'alice' };
  await gateway.apply(route(1, '1.1', backends));
  expect((await ask(gateway, '/', alice)).version).toBe('1.1');
  const until1 = Date.now() + 1_500;
  await gateway.apply(route(2, '1.2', backends, { pins: [{ version: '1.1', until: until1 }] }));
  expect((await gateway.state()).pinned).toEqual({ '1.1': { sessions: 1, lastEndsAt: until1 } });
  expect((await ask(gateway, '/', alice)).version).toBe('1.1');
  expect((await ask(gateway, '/', { 'x-session-id': 'bob' })).version).toBe('1.2');
  expect((await ask(gateway, '/', { 'x-session-id': 'c'.repeat(65) })).version).toBe('1.2');
  await until('the end of the pin', () => Date.now() > until1);
  expect((await ask(gateway, '/', alice)).version).toBe('1.2');
  await gateway.apply(route(3, '1.1', backends));
  expect((await ask(gateway, '/', alice)).version).toBe('1.1');
});

test('a share takes its part of the requests, is its own cohort in a drill, and ends by itself', async () => {
  const [v1, v2] = await Promise.all([upstream('1.1'), upstream('1.2')]);
  const gateway = await gatewayWith();
  const endsAt = Date.now() + 2_500;
  await gateway.apply(
    route(
      1,
      '1.1',
      { '1.1': [v1.backend()], '1.2': [v2.backend()] },
      {
        share: { version: '1.2', weight: 0.3, until: endsAt, drill: 'drill-7' },
      },
    ),
  );
  const load = new Load(gateway.address(), { clients: 8 });
  await until('the end of the share', () => Date.now() > endsAt + 50);
  const endedAt = performance.now();
  const before = load.sent;
  await until('200 requests after it', () => load.sent >= before + 200);
  const { answered, lost } = await load.stop();
  expect(lost).toEqual([]);
  const during = answered.filter((each) => each.sentAt < endedAt - 200);
  const part = during.filter((each) => each.version === '1.2').length / during.length;
  expect(during.length).toBeGreaterThan(500);
  // Five standard errors of a binomial share.
  expect(Math.abs(part - 0.3)).toBeLessThan(5 * Math.sqrt((0.3 * 0.7) / during.length));
  expect(answered.filter((each) => each.sentAt > endedAt && each.version !== '1.1')).toEqual([]);
  await until('all of it in the telemetry', async () => {
    const rows = countsOf(await gateway.telemetry());
    return rows.reduce((sum, row) => sum + row.requests, 0) === answered.length;
  });
  const rows = await gateway.telemetry();
  const drill = countsOf(rows).filter((row) => row.cohort === 'drill');
  expect(new Set(drill.map((row) => row.version))).toEqual(new Set(['1.2']));
  expect(countsOf(rows).filter((row) => row.cohort === 'live' && row.version === '1.2')).toEqual([]);
  expect(drill.reduce((sum, row) => sum + row.requests, 0)).toBe(
    answered.filter((each) => each.version === '1.2').length,
  );
  expect(rows.filter((row) => row.kind === 'event' && row.event === 'shareEnded')).toHaveLength(1);
});

test('feedback is joined to the version that answered: idempotent, corrected, in any order, late and unknown told apart', async () => {
  const [v1, v2] = await Promise.all([upstream('1.1'), upstream('1.2')]);
  const gateway = await gatewayWith();
  const backends = { '1.1': [v1.backend()], '1.2': [v2.backend()] };
  await gateway.apply(route(1, '1.1', backends));
  const first = await ask(gateway, '/infer?label=spam');
  await gateway.apply(route(2, '1.2', backends));
  const second = await ask(gateway, '/infer?label=bulk', { 'x-request-id': 'mine:1' });
  const at = (seconds: number): string => new Date(1_800_000_000_000 + seconds * 1_000).toISOString();
  const send = async (...items: [string, string, string][]): Promise<FeedbackResult> => {
    const batch = {
      items: items.map(([requestId, label, observedAt]) => ({ requestId, label, observedAt, source: 'test' })),
    };
    return (await gateway.control('POST', '/services/mail/feedback', batch)).body as FeedbackResult;
  };
  const labels = async (version: string): Promise<Record<string, { n: number; correct: number }>> => {
    const sum: Record<string, { n: number; correct: number }> = {};
    for (const row of countsOf(await gateway.telemetry()).filter((each) => each.version === version)) {
      for (const [label, { n, correct }] of Object.entries(row.labels)) {
        const entry = (sum[label] ??= { n: 0, correct: 0 });
        entry.n += n;
        entry.correct += correct;
      }
    }
    return sum;
  };
  const old = '018bcfe5-6800-7000-8000-000000000000';
  expect(await send([first.id, 'spam', at(5)], [second.id, 'spam', at(5)], ['nobody', 'spam', at(5)], [old, 'spam', at(5)])).toEqual({
    accepted: 2, repeated: 0, corrected: 0, late: 1, unknown: ['nobody'],
  }); // prettier-ignore
  expect(await labels('1.1')).toEqual({ spam: { n: 1, correct: 1 } });
  expect(await labels('1.2')).toEqual({ spam: { n: 1, correct: 0 } });
  expect(await send([first.id, 'spam', at(5)])).toMatchObject({ repeated: 1, accepted: 0 });
  // An older observation that arrives later changes nothing; a newer one replaces.
  expect(await send([second.id, 'discussion', at(1)])).toMatchObject({ repeated: 1 });
  expect(await send([second.id, 'bulk', at(9)], [second.id, 'bulk', at(9)])).toMatchObject({
    corrected: 1,
    repeated: 1,
  });
  expect(await labels('1.2')).toEqual({ spam: { n: 0, correct: 0 }, bulk: { n: 1, correct: 1 } });
  // Also after a restart, when the answer is only in the file.
  await gateway.kill();
  await gateway.start();
  expect(await send([second.id, 'bulk', at(9)])).toMatchObject({ repeated: 1 });
  expect(await send([second.id, 'spam', at(10)], [first.id, 'bulk', at(10)])).toMatchObject({ corrected: 2 });
  expect(await labels('1.1')).toEqual({ spam: { n: 0, correct: 0 }, bulk: { n: 1, correct: 0 } });
  // By the class and score of the answer: one label, first right, then wrong, taken for bulk.
  const judged = countsOf(await gateway.telemetry()).filter((row) => row.version === '1.1' && row.judged !== undefined);
  const cells = judged.flatMap(({ judged: of }) => Object.values(of?.['spam'] ?? {}));
  expect(cells.reduce(([n, right], [labelled, correct]) => [n + labelled, right + correct], [0, 0])).toEqual([1, 0]);
  expect(judged.reduce((n, { mistaken }) => n + (mistaken?.['spam']?.['bulk'] ?? 0), 0)).toBe(1);
  const bad = await gateway.control('POST', '/services/mail/feedback', {
    items: [{ requestId: 'x', label: 'y', observedAt: 'now', source: 's' }],
  });
  expect(bad.status).toBe(400);
  expect(JSON.stringify(bad.body)).toContain('items.0.observedAt');
});

test('a line of the answer record says who answered, when and how fast, and nothing of input or output', async () => {
  const v1 = await upstream('1.1');
  const gateway = await gatewayWith();
  await gateway.apply(route(7, '1.1', { '1.1': [v1.backend()] }));
  await v1.behave('ok', 80);
  const sentAt = Date.now();
  const { id } = await ask(gateway, '/infer?secret=q1&label=bulk', { authorization: 'Bearer s3', cookie: 'c=4' });
  await until('the file', () => recordOf(gateway).includes(id));
  const writtenAt = Date.now();
  const text = recordOf(gateway);
  const line = JSON.parse(text) as Record<string, unknown>;
  const { at, ms, ...rest } = line;
  expect(rest).toEqual({
    id, service: 'mail', version: '1.1', digest: 'sha256:1.1', instance: 'mail@1.1#1', epoch: 7, reason: 'primary',
    status: 200, class: 'bulk', score: 0.75,
  }); // prettier-ignore
  expect(at).toBeGreaterThanOrEqual(sentAt + 70);
  expect(at).toBeLessThanOrEqual(writtenAt);
  // Timers of the backend may fire a moment early.
  expect(ms).toBeGreaterThan(75);
  expect(ms).toBeLessThanOrEqual(writtenAt - sentAt);
  for (const secret of ['hello', 'a@b.example', 'secret', 'q1', 's3', 'c=4', 'model_version', 'bytes'])
    expect(text).not.toContain(secret);
});

test('I14: which: by id from memory and from the file, by time, and unknown with the gap', async () => {
  const v1 = await upstream('1.1');
  const gateway = await gatewayWith();
  await gateway.apply(route(7, '1.1', { '1.1': [v1.backend()] }));
  const own = await ask(gateway);
  const foreign = await ask(gateway, '/', { 'x-request-id': 'order-17' });
  const lookUp = async (id: string): Promise<AnswerLookup> =>
    answerLookupSchema.parse((await gateway.control('GET', `/answers/${encodeURIComponent(id)}`)).body);
  const expected = {
    service: 'mail',
    version: '1.1',
    digest: 'sha256:1.1',
    instance: 'mail@1.1#1',
    epoch: 7,
    reason: 'primary',
  };
  expect(await lookUp(own.id)).toMatchObject({
    known: true,
    answer: { ...expected, id: own.id, status: 200, class: 'spam', score: 0.75 },
  });
  await until('the file', () => recordOf(gateway).includes('order-17'));
  await gateway.kill();
  await gateway.start();
  expect(await lookUp(own.id)).toMatchObject({ known: true, answer: expected });
  expect(await lookUp(foreign.id)).toMatchObject({ known: true, answer: expected });
  const unknown = await lookUp('nobody');
  expect(unknown).toMatchObject({ known: false, gaps: [{ why: expect.stringContaining('last moments') as string }] });
  const at = (await gateway.control('GET', `/services/mail/answers?at=${Date.now()}`)).body as AnswersAt;
  expect(at.versions).toEqual([{ version: '1.1', digest: 'sha256:1.1', epoch: 7, reason: 'primary', answers: 2 }]);
  expect(at.gaps).toHaveLength(1);
});

test('following from a cursor gives exactly the rows after it, with signs of life, also after a restart', async () => {
  const v1 = await upstream('1.1');
  const gateway = await gatewayWith();
  await gateway.apply(route(1, '1.1', { '1.1': [v1.backend()] }));
  await ask(gateway);
  const read = async (after: number, count: number, lives = 0): Promise<TelemetryRow[]> => {
    const abort = new AbortController();
    const rows: TelemetryRow[] = [];
    let signs = 0;
    try {
      for await (const row of gateway.follow(after, abort.signal)) {
        if (row) rows.push(telemetryRowSchema.parse(row));
        else signs += 1;
        if (rows.length >= count && signs >= lives) break;
      }
    } finally {
      abort.abort();
    }
    return rows;
  };
  const rows = await read(0, 3, 2);
  expect(rows.map((row) => row.seq)).toEqual([1, 2, 3]);
  const following = read(3, 2);
  await ask(gateway, '/?status=503');
  await until('the row', async () => (await gateway.state()).lastSeq >= 4);
  await gateway.fence(9);
  expect((await following).map((row) => [row.seq, row.kind])).toEqual([[4, 'counts'], [5, 'event']]); // prettier-ignore
  const all = await gateway.telemetry();
  await gateway.kill();
  await gateway.start();
  expect(await read(3, 4)).toEqual([...all.slice(3), ...(await gateway.telemetry(5))]);
});

test('predicted classes, scores and malformed answers are counted; probes count in no metric', async () => {
  const v1 = await upstream('1.1');
  const gateway = await gatewayWith();
  await gateway.apply(route(1, '1.1', { '1.1': [v1.backend()] }));
  const token = readFileSync(join(gateway.config.dataDir, 'probe-token'), 'utf8').trim();
  const probed = await ask(gateway, '/', { 'x-lastgood-probe': token });
  expect(probed.version).toBe('1.1');
  for (const label of ['spam', 'spam', 'bulk']) await ask(gateway, `/?label=${label}`);
  await ask(gateway, '/?status=404');
  await ask(gateway, '/?status=500');
  await ask(gateway, '/', { 'x-lastgood-probe': 'wrong' });
  await v1.behave('noclass');
  await ask(gateway);
  await (await request(gateway.address())).body.dump();
  await gateway.stop();
  await gateway.start();
  const rows = countsOf(await gateway.telemetry());
  const sum = (key: 'requests' | 'failures' | 'malformed' | 'clientErrors' | 'scoreCount'): number =>
    rows.reduce((total, row) => total + row[key], 0);
  expect([sum('requests'), sum('failures'), sum('malformed'), sum('clientErrors'), sum('scoreCount')]).toEqual([
    8, 2, 1, 1, 4,
  ]);
  const predicted = rows.flatMap((row) => Object.entries(row.predicted));
  expect(predicted.reduce((total, [, n]) => total + n, 0)).toBe(4);
  expect(rows.reduce((total, row) => total + (row.predicted['bulk'] ?? 0), 0)).toBe(1);
  // All scores of the upstream are .75.
  const scored = (label: string): number => rows.reduce((n, { scores }) => n + (scores?.[label]?.['10'] ?? 0), 0);
  expect([scored('spam'), scored('bulk')]).toEqual([3, 1]);
  const window = (await gateway.control('GET', `/services/mail/window?from=0&to=${Date.now()}`)).body as {
    rows: TelemetryRow[];
  };
  expect(countsOf(window.rows)).toEqual(rows);
});

test('inputs of failed requests are sampled for their quality alone, and sessions are counted with those that began', async () => {
  const v1 = await upstream('1.1');
  const samples = { share: 1, maxCount: 10, maxAgeMs: 60_000, redactFields: ['email'] };
  const gateway = await gatewayWith({ services: [{ name: 'mail', samples }] });
  await gateway.apply(route(1, '1.1', { '1.1': [v1.backend()] }));
  expect((await gateway.control('GET', '/services/mail/inputs?from=0&to=1')).body).toEqual({ inputs: [] });
  const from = Date.now();
  for (const session of ['a', 'b', 'a', 'a']) await ask(gateway, '/infer', { 'x-session-id': session });
  await v1.behave('error');
  await ask(gateway, '/infer', { 'x-session-id': 'a' });
  await v1.kill();
  await ask(gateway, '/infer', { 'x-session-id': 'b' });
  const { body } = await gateway.control('GET', `/services/mail/inputs?from=${from}&to=${Date.now() + 1}&limit=10`);
  const { inputs } = body as { inputs: Record<string, unknown>[] };
  expect(inputs.map(({ failed }) => failed)).toEqual([false, false, false, false, true, true]);
  expect(inputs[5]).toMatchObject({ version: '1.1', path: '/infer' });
  expect(JSON.stringify(inputs)).toContain('[redacted]');
  const listed = (await gateway.control('GET', '/services/mail/samples')).body as { samples: unknown[] };
  expect(listed.samples).toHaveLength(4);
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  const window = await gateway.control('GET', `/services/mail/window?from=${from - 2_000}&to=${Date.now() + 1}`);
  const rows = (window.body as { rows: { kind: string; sessions?: { requests: number; begun: number } }[] }).rows;
  const sum = (key: 'requests' | 'begun'): number =>
    rows.reduce((all, { sessions }) => all + (sessions?.[key] ?? 0), 0);
  expect({ requests: sum('requests'), begun: sum('begun') }).toEqual({ requests: 4, begun: 2 });
});

test('samples are off until turned on; then redacted before the first write, labelled, and deleted on request', async () => {
  const v1 = await upstream('1.1');
  const off = await gatewayWith();
  expect((await off.control('GET', '/services/mail/samples')).body).toEqual({ off: true, samples: [] });
  const samples = { share: 1, maxCount: 3, maxAgeMs: 60_000, redactFields: ['email'] };
  const gateway = await gatewayWith({ services: [{ name: 'mail', samples }] });
  await gateway.apply(route(1, '1.1', { '1.1': [v1.backend()] }));
  const asked: Asked[] = [];
  for (let n = 0; n < 5; n += 1) asked.push(await ask(gateway, `/infer?n=${n}`, { 'x-session-id': `s${n}` }));
  const list = async (query = ''): Promise<Record<string, unknown>[]> =>
    ((await gateway.control('GET', `/services/mail/samples${query}`)).body as { samples: Record<string, unknown>[] })
      .samples;
  expect((await list()).map((each) => each['requestId'])).toEqual([asked[4]?.id, asked[3]?.id, asked[2]?.id]);
  expect((await list())[0]).toMatchObject({
    version: '1.1', path: '/infer', predicted: 'spam', score: 0.75, label: null,
    body: '{"text":"hello","user":{"email":"[redacted]"}}',
  }); // prettier-ignore
  const item = { requestId: asked[3]?.id, label: 'bulk', observedAt: new Date().toISOString(), source: 'test' };
  await gateway.control('POST', '/services/mail/feedback', { items: [item] });
  expect(await list('?labelled=1')).toHaveLength(1);
  expect((await gateway.control('DELETE', `/services/mail/samples?requestId=${asked[3]?.id}`)).body).toEqual({
    deleted: 1,
  });
  expect((await gateway.control('DELETE', '/services/mail/samples?session=s4')).body).toEqual({ deleted: 1 });
  expect(await list()).toHaveLength(1);
  await gateway.stop();
  for (const name of readdirSync(gateway.config.dataDir).filter((each) => each.startsWith('gateway.db'))) {
    expect(readFileSync(join(gateway.config.dataDir, name)).includes('a@b.example')).toBe(false);
  }
});

test('nobody reading is one webhook and a number on /metrics, and one webhook when it is read again', async () => {
  const receiver = await httpReceiver();
  try {
    const gateway = await gatewayWith({ blindWebhook: { url: receiver.url, afterMs: 2_000 } });
    await until('the alarm', () => receiver.bodies.length === 1);
    expect(receiver.bodies[0]).toMatchObject({ type: 'lastgood.gateway.blind', service: 'mail' });
    const text = await (await request(`${gateway.metricsAddress}/metrics`)).body.text();
    expect(Number(/reader_age_seconds\{service="mail"\} ([\d.]+)/.exec(text)?.[1])).toBeGreaterThan(1.9);
    const abort = new AbortController();
    const rows = gateway.follow(0, abort.signal);
    await rows.next();
    await until('the all-clear', () => receiver.bodies.length === 2);
    expect(receiver.bodies[1]).toMatchObject({ type: 'lastgood.gateway.seen' });
    void rows.next().catch(() => undefined);
    // Longer than afterMs without a row: signs of life alone count as read.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(receiver.bodies).toHaveLength(2);
    abort.abort();
  } finally {
    await receiver.close();
  }
});

test('the control socket is the owner’s alone, a second gateway on the same data is refused, and metrics tell versions apart', async () => {
  const v1 = await upstream('1.1');
  const gateway = await gatewayWith();
  await gateway.apply(route(6, '1.1', { '1.1': [v1.backend()] }));
  expect(statSync(join(gateway.config.dataDir, 'control.sock')).mode & 0o777).toBe(0o600);
  await expect(
    startGateway({ dataDir: gateway.config.dataDir, reportFile: join(gateway.config.dataDir, 'other.json') }),
  ).rejects.toThrow(/gateway\.db: .*locked/);
  await ask(gateway);
  const scrape = async (): Promise<string> => (await request(`${gateway.metricsAddress}/metrics`)).body.text();
  await until('the count', async () =>
    (await scrape()).includes('lastgood_gateway_requests_total{service="mail",version="1.1",outcome="ok"} 1'),
  );
  const text = await scrape();
  expect(text).toContain('lastgood_gateway_route_epoch{service="mail"} 6');
  expect(text).toContain('lastgood_gateway_fallback_in_use{service="mail"} 0');
  expect(text).toMatch(/request_duration_seconds_bucket\{service="mail",version="1\.1",le="\+Inf"\} 1/);
});

test('I14: 10,000 requests across pins, a share, a fallback and changes of the route all resolve to the version that the backend logged', async () => {
  const [v1, v2] = await Promise.all([upstream('1.1'), upstream('1.2')]);
  const gateway = await gatewayWith();
  const backends = { '1.1': [v1.backend()], '1.2': [v2.backend()] };
  await gateway.apply(route(1, '1.1', backends));
  const load = new Load(gateway.address(), {
    clients: 16,
    headers: (client): Record<string, string> => (client < 6 ? { 'x-session-id': `session-${client}` } : {}),
  });
  const pins = [{ version: '1.1', until: Date.now() + 60_000 }];
  await until('2,000 requests', () => load.sent >= 2_000, 60_000);
  await gateway.apply(route(2, '1.2', backends, { pins }));
  await until('4,000 requests', () => load.sent >= 4_000, 60_000);
  await gateway.apply(
    route(3, '1.2', backends, { pins, share: { version: '1.1', weight: 0.2, until: Date.now() + 60_000 } }),
  );
  await until('6,000 requests', () => load.sent >= 6_000, 60_000);
  await gateway.apply(route(4, '1.2', backends, { fallback: '1.1' }));
  await until('7,000 requests', () => load.sent >= 7_000, 60_000);
  await v2.kill();
  await until('10,000 requests', () => load.sent >= 10_000, 60_000);
  const { answered, lost } = await load.stop();
  expect(lost).toEqual([]);
  expect(answered.filter((each) => each.status !== 200)).toEqual([]);
  const logged = new Map([...v2.answered(), ...v1.answered()]);
  const item = (id: string): object => ({
    requestId: id,
    label: 'spam',
    observedAt: new Date().toISOString(),
    source: 'test',
  });
  // Resolved twice: through the files in one batch (feedback), and by look-up for a part.
  const result = (await gateway.control('POST', '/services/mail/feedback', {
    items: answered.slice(0, 10_000).map((each) => item(each.id)),
  })) as { body: FeedbackResult };
  expect(result.body).toMatchObject({ accepted: 10_000, unknown: [] });
  await until('the file', () => recordOf(gateway).split('\n').length > answered.length);
  const record = new Map(
    recordOf(gateway)
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { id: string; version: string; reason: string })
      .map((line) => [line.id, line]),
  );
  let wrong = 0;
  for (const { id, version } of answered)
    if (record.get(id)?.version !== version || logged.get(id) !== version) wrong += 1;
  expect(wrong).toBe(0);
  expect(new Set([...record.values()].map((each) => each.reason))).toEqual(
    new Set(['primary', 'pin', 'share', 'fallback']),
  );
  for (const { id, version } of answered.filter((_, index) => index % 400 === 0)) {
    expect((await gateway.control('GET', `/answers/${id}`)).body).toMatchObject({ known: true, answer: { version } });
  }
});

function recordOf(gateway: GatewayProcess): string {
  const dir = join(gateway.config.dataDir, 'answers', 'mail');
  return readdirSync(dir)
    .map((name) => readFileSync(join(dir, name), 'utf8'))
    .join('');
}
