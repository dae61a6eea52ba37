import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { EvidenceStore, PushedMetrics, Telemetry, TrafficRouter } from '../../activities/ports';
import { DecisionsUnreachable, type ApiPorts, type DrillSchedules, type Decisions } from '../../api/ports';
import { createApiServer } from '../../api/server';
import type { Door } from '../../api/identity/identify';
import type { LedgerEntry } from '../../domain/ledger';
import type { Answer, OperatorMessage } from '../../workflows/contract/messages';
import { FakeOutputCache } from '../support/fakes/output-cache';
import { MemoryLedger } from '../support/memory-ledger';
import { releaseFacts } from '../../workers/release';

const token = 'a-token-of-enough-characters';
const servers: FastifyInstance[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

/** What a test does not give is not there: a call fails with its name. */
function stub<T extends object>(name: string, given: Partial<T>): T {
  return new Proxy(given as T, {
    get: (target, key) => {
      if (key in target) return target[key as keyof T];
      throw new Error(`${name}.${String(key)} was not stubbed`);
    },
  });
}

const accepted: Answer = {
  requestId: 'r',
  decision: 'accepted',
  why: 'deploys 1.1',
  reference: 'deploy-1',
  repeated: false,
  plan: [],
};

interface Given {
  readonly decisions?: Partial<Decisions>;
  readonly router?: Partial<TrafficRouter>;
  readonly schedules?: Partial<DrillSchedules>;
  readonly telemetry?: Partial<Telemetry>;
  readonly pushed?: Partial<PushedMetrics>;
  readonly alertsChanged?: ApiPorts['alertsChanged'];
  readonly evidence?: Pick<EvidenceStore, 'read'>;
  readonly caches?: ApiPorts['caches'];
  readonly ledger?: ApiPorts['ledger'];
  readonly artifacts?: Partial<ApiPorts['artifacts']>;
  readonly door?: Door;
}

const errors: string[] = [];

function serve(given: Given = {}): FastifyInstance {
  const ports: ApiPorts = {
    services: [{ name: 'mail', model: 'mail', chaos: 'ask' }],
    decisions: stub<Decisions>('decisions', given.decisions ?? {}),
    schedules: stub<DrillSchedules>('schedules', given.schedules ?? {}),
    router: stub<TrafficRouter>('router', given.router ?? {}),
    telemetry: stub<Telemetry>('telemetry', given.telemetry ?? {}),
    pushed: stub<PushedMetrics>('pushed', given.pushed ?? {}),
    alertsChanged: given.alertsChanged ?? (() => 0),
    series: { read: () => Promise.resolve(new Map()) },
    evidence: stub<Pick<EvidenceStore, 'read'>>('evidence', given.evidence ?? {}),
    caches: given.caches ?? { of: () => [] },
    ledger: given.ledger ?? new MemoryLedger(),
    artifacts: stub<ApiPorts['artifacts']>('artifacts', given.artifacts ?? {}),
    metrics: { contentType: 'text/plain; version=0.0.4', text: () => Promise.resolve('lastgood_up 1\n') },
    health: () =>
      Promise.resolve({
        ok: false,
        pid: 1,
        startedAt: 2,
        version: '0',
        release: releaseFacts(),
        leads: true,
        parts: [],
      }),
  };
  const server = createApiServer(ports, {
    door: given.door ?? { kind: 'socket', user: 'ada' },
    tls: null,
    onError: (error, what) => errors.push(`${what}: ${error.message}`),
  });
  servers.push(server);
  return server;
}

function entry(over: Partial<LedgerEntry>): LedgerEntry {
  return {
    service: 'mail',
    key: 'k',
    at: 1,
    kind: 'configured',
    incident: null,
    actor: { name: 'lastgood', proof: 'lastgood', from: 'here' },
    summary: 's',
    facts: {},
    ...over,
  };
}

describe('who asks', () => {
  const tcp: Door = { kind: 'tcp', proofs: { token, tokenFile: null, oidc: null, certificates: [] } };

  it('needs the token at every listener but the socket', async () => {
    const server = serve({ door: tcp });
    for (const authorization of [undefined, 'Bearer wrong', `Basic ${token}`, `Bearer ${token}x`]) {
      const headers = authorization === undefined ? {} : { authorization };
      const answer = await server.inject({ method: 'GET', url: '/v1/services', headers });
      expect([answer.statusCode, answer.headers['content-type']]).toEqual([
        401,
        'application/problem+json; charset=utf-8',
      ]);
    }
  });

  it('is the actor of an act, by the socket the user and by the token its holder', async () => {
    const sent: OperatorMessage[] = [];
    const act: Decisions['act'] = (_service, _name, message) => {
      sent.push(message);
      return Promise.resolve(accepted);
    };
    const call = {
      method: 'POST',
      url: '/v1/services/mail/acts/deploy',
      payload: { version: '1.1', reason: 'r' },
    } as const;
    await serve({ decisions: { act } }).inject(call);
    await serve({ decisions: { act }, door: tcp }).inject({ ...call, headers: { authorization: `Bearer ${token}` } });
    expect(sent.map(({ actor }) => [actor?.name, actor?.proof])).toEqual([
      ['ada', 'unix-user'],
      ['api-token', 'token'],
    ]);
  });

  it('cannot say who it is', async () => {
    const payload = { version: '1.1', reason: 'r', actor: { name: 'root', proof: 'oidc', from: 'x' } };
    const answer = await serve().inject({ method: 'POST', url: '/v1/services/mail/acts/deploy', payload });
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ detail: 'body.actor: not accepted, the actor is who sends the request' });
  });

  it('is not asked for by health and metrics', async () => {
    const server = serve({ door: tcp });
    expect((await server.inject({ url: '/metrics' })).body).toBe('lastgood_up 1\n');
    expect((await server.inject({ url: '/v1/health' })).statusCode).toBe(503);
  });

  it('may not import from another machine', async () => {
    const server = serve({ door: tcp });
    const call = { method: 'POST', url: '/v1/artifacts/import', payload: { path: '/x' } } as const;
    const answer = await server.inject({
      ...call,
      remoteAddress: '10.0.0.9',
      headers: { authorization: `Bearer ${token}` },
    });
    expect(answer.statusCode).toBe(403);
  });
});

describe('an act', () => {
  const act = (name: string, payload: object, decisions: Partial<Decisions> = {}) =>
    serve({ decisions }).inject({ method: 'POST', url: `/v1/services/mail/acts/${name}`, payload });

  it('is answered with the decision, and 409 when it is refused', async () => {
    const refused: Answer = { ...accepted, decision: 'refused', why: '1.3 is quarantined' };
    const answer = await act('deploy', { version: '1.3', reason: 'r' }, { act: () => Promise.resolve(refused) });
    expect([answer.statusCode, answer.json()]).toEqual([409, refused]);
  });

  it('keeps the request id of its sender', async () => {
    const ids: string[] = [];
    const decide: Decisions['act'] = (_service, _name, { requestId }) => {
      ids.push(requestId);
      return Promise.resolve(accepted);
    };
    await act('resume', { reason: 'r', requestId: 'mine' }, { act: decide });
    await act('resume', { reason: 'r' }, { act: decide });
    expect(ids[0]).toBe('mine');
    expect(ids[1]).toMatch(/^[0-9a-f-]{36}$/);
  });

  it.each([
    ['without a reason', 'resume', {}, /^reason: /],
    ['with an unknown field', 'resume', { reason: 'r', force: true }, /force/],
    ['with a version that is none', 'deploy', { reason: 'r', version: '../x' }, /^version: a version name/],
  ])('%s is refused with its place', async (_what, name, payload, detail) => {
    const answer = await act(name, payload);
    expect(answer.statusCode).toBe(400);
    expect(answer.json<{ detail: string }>().detail).toMatch(detail);
  });

  it('that belongs to the controller, or to nobody, is not there', async () => {
    expect((await act('configure', { reason: 'r' })).statusCode).toBe(404);
    expect((await act('explode', { reason: 'r' })).json<{ detail: string }>().detail).toMatch(
      /^act: found "explode", expected one of rollback, deploy/,
    );
  });

  it('says 503 when nobody decides', async () => {
    const down = (): Promise<never> => Promise.reject(new DecisionsUnreachable('Temporal: 14 UNAVAILABLE'));
    const answer = await act('resume', { reason: 'r' }, { act: down });
    expect([answer.statusCode, answer.json<{ detail: string }>().detail]).toEqual([503, 'Temporal: 14 UNAVAILABLE']);
  });
});

describe('the view of a service', () => {
  const router: Partial<TrafficRouter> = {
    read: () => Promise.resolve({ service: 'mail', record: null, floor: 3 } as never),
    entrance: () => Promise.resolve({ address: 'http://127.0.0.1:1', probeHeaders: {} }),
  };

  it('is the gateway’s word when the workflow cannot be asked, and says what is not known', async () => {
    const status = (): Promise<never> => Promise.reject(new DecisionsUnreachable('Temporal is away'));
    const answer = await serve({ decisions: { status }, router }).inject({ url: '/v1/services/mail' });
    expect(answer.json()).toMatchObject({
      source: 'gateway',
      status: null,
      gateway: { floor: 3 },
      notKnown: [expect.stringMatching(/^decisions, .*Temporal is away/)],
    });
  });

  it('is an answer also when nobody can be asked, and when one never answers', async () => {
    const never = (): Promise<never> => new Promise(() => undefined);
    const gone = (): Promise<never> => Promise.reject(new Error('no socket'));
    const server = serve({ decisions: { status: never }, router: { read: gone, entrance: gone } });
    const answer = await server.inject({ url: '/v1/services/mail' });
    expect(answer.json()).toMatchObject({ source: 'none', gateway: null });
    expect(answer.json<{ notKnown: string[] }>().notKnown).toHaveLength(2);
  });

  it('of an unknown service names the known ones', async () => {
    const answer = await serve().inject({ url: '/v1/services/spam' });
    expect([answer.statusCode, answer.json<{ detail: string }>().detail]).toEqual([
      404,
      'service: found "spam", expected one of mail',
    ]);
  });
});

describe('the ledger', () => {
  it('is read by page, kind and incident, and folded into incidents', async () => {
    const ledger = new MemoryLedger();
    const story = [
      entry({ key: '1', at: 10, kind: 'degradation-began', incident: 'i-1', summary: 'recall fell' }),
      entry({ key: '2', at: 20 }),
      entry({ key: '3', at: 30, kind: 'settled', incident: 'i-1', summary: 'restored' }),
      entry({ key: '4', at: 40, kind: 'incident-ended', incident: 'i-1', summary: 'over' }),
      entry({ key: '5', at: 50, kind: 'degradation-began', incident: 'i-2', summary: 'errors' }),
    ];
    for (const one of story) await ledger.append(one);
    const server = serve({ ledger });
    const page = await server.inject({ url: '/v1/services/mail/ledger?after=1&kinds=settled,configured&limit=10' });
    expect(page.json<{ entries: { seq: number }[] }>().entries.map(({ seq }) => seq)).toEqual([2, 3]);
    const { incidents } = (await server.inject({ url: '/v1/incidents?service=mail' })).json<{ incidents: unknown[] }>();
    expect(incidents).toMatchObject([
      { incident: 'i-2', beganAt: 50, endedAt: null, began: 'errors' },
      { incident: 'i-1', beganAt: 10, endedAt: 40, entries: 3, began: 'recall fell', last: 'over' },
    ]);
    expect((await server.inject({ url: '/v1/services/mail/ledger?limit=many' })).statusCode).toBe(400);
  });

  it('has what a person removes from the artifact store once, with who and why', async () => {
    const ledger = new MemoryLedger();
    const server = serve({ ledger });
    const versions = [{ version: '1.0', digest: 'sha256:00' }];
    const payload = { requestId: 'r-1', atMs: 5_000, keep: 3, reason: 'the disk is full', versions };
    const call = { method: 'POST', url: '/v1/services/mail/prunings', payload } as const;
    await server.inject(call);
    expect((await server.inject(call)).json()).toEqual({ recorded: 1 });
    expect(await ledger.read('mail')).toMatchObject([
      { kind: 'operator-act', at: 5_000, key: 'prune/r-1', facts: { act: 'prune', keep: 3, versions } },
    ]);
    const nothing = { ...call, payload: { ...payload, reason: '' } };
    expect((await server.inject(nothing)).statusCode).toBe(400);
  });

  it('has a time of blindness once, however often it is reported', async () => {
    const ledger = new MemoryLedger();
    const server = serve({ ledger });
    const call = { method: 'POST', url: '/v1/blind', payload: { fromMs: 1000, toMs: 9000, why: 'Temporal' } } as const;
    await server.inject(call);
    expect((await server.inject(call)).json()).toEqual({ recorded: 1 });
    expect((await ledger.read('mail')).map(({ kind, summary }) => [kind, summary])).toEqual([
      ['blind', 'nobody could decide for 8 s: Temporal'],
    ]);
  });
});

describe('the output caches', () => {
  const caches = (): { responses: FakeOutputCache; embeddings: FakeOutputCache; of: () => FakeOutputCache[] } => {
    const [responses, embeddings] = ['responses', 'embeddings'].map((name) => new FakeOutputCache('mail', name)) as [
      FakeOutputCache,
      FakeOutputCache,
    ];
    return { responses, embeddings, of: () => [responses, embeddings] };
  };
  const change = { epoch: 4, version: '1.2', drop: [], strategy: 'version-tagged', at: 1_000, by: 'deploy-1' } as const;
  const url = '/v1/services/mail/caches';

  it('are shown with what they may serve, and with why where one does not answer', async () => {
    const given = caches();
    await given.responses.settle(change, 'as configured');
    given.embeddings.fail();
    const { caches: shown } = (await serve({ caches: given }).inject({ url })).json<{ caches: unknown[] }>();
    expect(shown).toMatchObject([
      { cache: 'responses', state: { version: '1.2', epoch: 4, last: { why: 'as configured', by: 'deploy-1' } } },
      { cache: 'embeddings', state: null, why: 'it was told to be away' },
    ]);
  });

  it('are emptied by a person once for a request, on record before it happens, and one that is down is named', async () => {
    const given = caches();
    const ledger = new MemoryLedger();
    await given.responses.settle(change, '');
    given.embeddings.fail();
    const payload = { requestId: 'r-1', atMs: 5_000, reason: 'wrong prices' };
    const call = { method: 'POST', url: `${url}/invalidations`, payload } as const;
    const server = serve({ caches: given, ledger });
    const answer = await server.inject(call);
    expect(answer.statusCode).toBe(502);
    expect(answer.json()).toEqual({
      outcomes: [
        { cache: 'responses', done: true, why: '' },
        { cache: 'embeddings', done: false, why: 'it was told to be away' },
      ],
    });
    const emptied = given.responses.pointer;
    expect(emptied).toMatchObject({ at: 5_000, by: 'ada: wrong prices', version: '1.2' });
    await server.inject(call);
    expect(given.responses.pointer).toEqual(emptied);
    expect(await ledger.read('mail')).toMatchObject([
      {
        kind: 'operator-act',
        key: 'caches/r-1',
        actor: { name: 'ada' },
        facts: { caches: ['responses', 'embeddings'] },
      },
    ]);
  });

  it('are not emptied without a reason, nor by a name that is none', async () => {
    const given = caches();
    const server = serve({ caches: given });
    const post = async (payload: object): Promise<number> =>
      (await server.inject({ method: 'POST', url: `${url}/invalidations`, payload })).statusCode;
    expect(await post({ cache: 'responses' })).toBe(400);
    expect(await post({ cache: 'respones', reason: 'r' })).toBe(404);
  });
});

describe('what cannot be read', () => {
  it('is refused with the place, and nothing is forwarded', async () => {
    const feedback = jest.fn<never, never>();
    const server = serve({ telemetry: { feedback } });
    const bad = await server.inject({
      method: 'POST',
      url: '/v1/services/mail/feedback',
      payload: { items: [{ requestId: 'a', label: 'x', observedAt: 'today', source: 's' }] },
    });
    expect([bad.statusCode, bad.json<{ detail: string }>().detail]).toEqual([
      400,
      expect.stringMatching(/^body\.items\.0\.observedAt: /),
    ]);
    const noJson = await server.inject({
      method: 'POST',
      url: '/v1/services/mail/feedback',
      headers: { 'content-type': 'application/json' },
      payload: '{',
    });
    expect([noJson.statusCode, noJson.headers['content-type']]).toEqual([
      400,
      'application/problem+json; charset=utf-8',
    ]);
    expect(feedback).not.toHaveBeenCalled();
  });

  it('is cut off above the limit', async () => {
    const server = serve();
    await server.listen({ host: '127.0.0.1', port: 0 });
    const { port } = server.server.address() as AddressInfo;
    const status = await new Promise<number>((resolve, reject) => {
      const sent = httpRequest(
        {
          port,
          host: '127.0.0.1',
          path: '/v1/services/mail/feedback',
          method: 'POST',
          headers: { 'content-type': 'application/json', 'content-length': 3 * 1024 * 1024 },
        },
        (answer) => {
          answer.resume();
          resolve(answer.statusCode ?? 0);
        },
      );
      sent.once('error', reject);
      sent.write('{"items":[');
    });
    expect(status).toBe(413);
  });

  it('of a port that fails is a 502 with the name of the fault', async () => {
    const telemetry = { answer: () => Promise.reject(new RangeError('the gateway is away')) };
    const answer = await serve({ telemetry }).inject({ url: '/v1/answers/abc' });
    expect([answer.statusCode, answer.json<{ detail: string }>().detail]).toEqual([
      502,
      'RangeError: the gateway is away',
    ]);
    expect(errors.at(-1)).toBe('GET /v1/answers/:id: the gateway is away');
  });
});

it('a listener that is taken is a fault that names the address', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as AddressInfo;
  await expect(serve().listen({ host: '127.0.0.1', port })).rejects.toThrow(/EADDRINUSE.*127\.0\.0\.1/);
  await new Promise((resolve) => taken.close(resolve));
});

describe('values from outside', () => {
  const item = { metric: 'quality', value: 0.5, at: '2026-05-01T12:00:00Z' };
  const taken = { taken: true as const, accepted: 1, late: 0, repeated: false };

  it('are handed on, and the answer is the one of who keeps them', async () => {
    const server = serve({ pushed: { take: () => Promise.resolve(taken) } });
    const answer = await server.inject({
      method: 'POST',
      url: '/v1/services/mail/observations',
      payload: { key: 'k', items: [item] },
    });
    expect([answer.statusCode, answer.json()]).toEqual([200, taken]);
  });

  it.each([
    [
      'no number',
      { key: 'k', items: [item, { ...item, value: null }] },
      'body.items.1.value: found null: expected a finite number',
    ],
    [
      'a number without an end',
      '{"key":"k","items":[{"metric":"q","value":1e999,"at":"2026-05-01T12:00:00Z"}]}',
      'body.items.0.value',
    ],
    ['no moment', { key: 'k', items: [{ ...item, at: 'today' }] }, 'body.items.0.at'],
    ['no key', { items: [item] }, 'body.key'],
    ['an unknown field', { key: 'k', items: [{ ...item, version: '1' }] }, 'body.items.0'],
  ])('are refused with the place for %s', async (_, payload, place) => {
    const answer = await serve().inject({
      method: 'POST',
      url: '/v1/services/mail/observations',
      headers: { 'content-type': 'application/json' },
      payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
    });
    expect(answer.statusCode).toBe(400);
    expect(answer.json<{ detail: string }>().detail).toContain(place);
  });

  it("that the gateway refuses are the sender's fault, and told with every place", async () => {
    const problems = ['items.0.metric: found "quality", expected one of speed'];
    const server = serve({ pushed: { take: () => Promise.resolve({ taken: false, problems }) } });
    const answer = await server.inject({
      method: 'POST',
      url: '/v1/services/mail/observations',
      payload: { key: 'k', items: [item] },
    });
    expect([answer.statusCode, answer.json<{ detail: string }>().detail]).toEqual([400, problems[0]]);
  });

  it('of an Alertmanager are no values: its webhook makes lastgood ask it, where the service declares one', async () => {
    const payload = { version: '4', status: 'firing', alerts: [{ status: 'firing', labels: { alertname: 'Slow' } }] };
    const request = { method: 'POST', url: '/v1/services/mail/alertmanager', payload } as const;
    const answer = await serve({ alertsChanged: () => 2 }).inject(request);
    expect([answer.statusCode, answer.json()]).toEqual([200, { asked: 2, alerts: 1 }]);
    const nobody = await serve().inject(request);
    expect(nobody.statusCode).toBe(400);
    expect(nobody.json<{ detail: string }>().detail).toContain('mail declares no metric of an Alertmanager');
    const other = await serve({ alertsChanged: () => 1 }).inject({ ...request, payload: { ...payload, version: '5' } });
    expect(other.json<{ detail: string }>().detail).toContain('body.version: found "5"');
  });

  it('of a report need the time that it is about, and a tool that is known', async () => {
    const asked: unknown[] = [];
    const server = serve({
      pushed: {
        takeReport: (...given) => {
          asked.push(given);
          return Promise.resolve({ ...taken, missing: [] });
        },
      },
    });
    const post = (path: string) =>
      server.inject({ method: 'POST', url: `/v1/services/mail/reports/${path}`, payload: { metrics: [] } });
    expect((await post('evidently')).json<{ detail: string }>().detail).toContain('query.at');
    expect((await post('nannyml?at=2026-05-01T12:00:00Z')).statusCode).toBe(400);
    expect((await post('evidently?at=2026-05-01T12:00:00Z')).statusCode).toBe(200);
    expect(asked).toEqual([['mail', 'evidently', '2026-05-01T12:00:00Z', { metrics: [] }]]);
  });
});

describe('the picture of an incident', () => {
  const url = '/v1/services/mail/incidents/2026-05-01-1/chart';
  const kept = (digest: string, at: number) =>
    entry({ key: `chart/${at}`, at, kind: 'evidence-kept', incident: '2026-05-01-1', facts: { chart: { digest } } });

  it('is the newest that the ledger knows of, as an image that can load nothing', async () => {
    const ledger = new MemoryLedger();
    await ledger.append(kept('sha256:old', 1));
    await ledger.append(kept('sha256:new', 2));
    const asked: (string | undefined)[][] = [];
    const read = (...given: (string | undefined)[]) => (asked.push(given), Promise.resolve('<svg/>'));
    const answer = await serve({ ledger, evidence: { read } }).inject({ method: 'GET', url });
    expect([answer.statusCode, answer.body, answer.headers['etag']]).toEqual([200, '<svg/>', '"sha256:new"']);
    expect(answer.headers['content-type']).toContain('image/svg+xml');
    expect(answer.headers['content-security-policy']).toContain("default-src 'none'");
    expect(asked).toEqual([['mail', '2026-05-01-1', 'sha256:new']]);
  });

  it('can be asked for by its digest, and only one that the ledger has for this incident is read', async () => {
    const ledger = new MemoryLedger();
    await ledger.append(kept('sha256:0d', 1));
    await ledger.append(kept('sha256:0e', 2));
    const asked: (string | undefined)[][] = [];
    const read = (...given: (string | undefined)[]) => (asked.push(given), Promise.resolve('<svg/>'));
    const get = (digest: string) =>
      serve({ ledger, evidence: { read } }).inject({ method: 'GET', url: `${url}?digest=${digest}` });
    expect((await get('sha256:0d')).headers['etag']).toBe('"sha256:0d"');
    const other = await get('sha256:0f');
    expect([other.statusCode, other.json<{ detail: string }>().detail]).toEqual([
      404,
      'no picture sha256:0f of incident "2026-05-01-1" of mail is on record',
    ]);
    expect((await get('../../secret')).statusCode).toBe(400);
    expect(asked).toEqual([['mail', '2026-05-01-1', 'sha256:0d']]);
  });

  it('is not there where none was kept, or where its file is gone', async () => {
    const none = await serve().inject({ method: 'GET', url });
    expect([none.statusCode, none.json<{ detail: string }>().detail]).toEqual([
      404,
      'no picture of incident "2026-05-01-1" of mail is on record',
    ]);
    const ledger = new MemoryLedger();
    await ledger.append(kept('sha256:x', 1));
    const gone = await serve({ ledger, evidence: { read: () => Promise.resolve(null) } }).inject({
      method: 'GET',
      url,
    });
    expect(gone.json<{ detail: string }>().detail).toContain('its file is gone');
  });

  it('does not change what the list of incidents says happened last', async () => {
    const ledger = new MemoryLedger();
    const incident = '2026-05-01-1';
    await ledger.append(entry({ key: 'a', at: 1, kind: 'incident-ended', incident, summary: 'settled and confirmed' }));
    await ledger.append(kept('sha256:x', 1));
    const answer = await serve({ ledger }).inject({ method: 'GET', url: '/v1/incidents' });
    expect(answer.json()).toMatchObject({ incidents: [{ last: 'settled and confirmed', entries: 1, endedAt: 1 }] });
  });
});
