import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Fastify, { type FastifyInstance } from 'fastify';
import { exportJWK, generateKeyPair, SignJWT, type JWTPayload } from 'jose';
import type { PushedMetrics, Telemetry, TrafficRouter } from '../../activities/ports';
import type { Proofs } from '../../api/identity/identify';
import { OidcTokens } from '../../api/identity/oidc';
import { TokenFile } from '../../api/identity/token-file';
import { DecisionsUnreachable, type ApiPorts, type Decisions } from '../../api/ports';
import { demandRights } from '../../api/rights';
import { createApiServer, type ApiServerOptions } from '../../api/server';
import { main } from '../../cli/main';
import type { Role } from '../../domain/roles';
import type { OperatorMessage } from '../../workflows/contract/messages';
import { Authority, pemOf } from '../support/certificates';
import { MemoryLedger } from '../support/memory-ledger';
import { releaseFacts } from '../../workers/release';

const directory = mkdtempSync(join(tmpdir(), 'lastgood-identity-'));
const tokensFile = join(directory, 'tokens.yaml');
const closing: (() => unknown)[] = [];
const acts: OperatorMessage[] = [];
const pushed: string[] = [];
let ledger = new MemoryLedger();
let decides = true;

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  acts.length = 0;
  pushed.length = 0;
  ledger = new MemoryLedger();
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function stub<T extends object>(given: Partial<T>): T {
  return new Proxy(given as T, {
    get: (target, key) => {
      if (key in target) return target[key as keyof T];
      throw new Error(`${String(key)} was not stubbed`);
    },
  });
}

function serve(proofs: Partial<Proofs>, tls: ApiServerOptions['tls'] = null): FastifyInstance {
  const ports: ApiPorts = {
    services: ['mail', 'chat', 'loans'].map((name) => ({
      name,
      model: name,
      regulated: name === 'loans',
      chaos: 'refuse' as const,
    })),
    decisions: stub<Decisions>({
      act: (_service, name, message) => {
        if (!decides) return Promise.reject(new DecisionsUnreachable('Temporal is down'));
        acts.push({ ...message, name } as OperatorMessage);
        const answer = { requestId: message.requestId, decision: 'accepted', why: 'so be it' } as const;
        return Promise.resolve({ ...answer, reference: null, repeated: false, plan: [] });
      },
    }),
    router: stub<TrafficRouter>({}),
    telemetry: stub<Telemetry>({
      feedback: (service) => {
        pushed.push(`${service}: labels`);
        return Promise.resolve({ accepted: 1, unknown: 0, late: 0 } as never);
      },
    }),
    pushed: stub<PushedMetrics>({
      take: (service, { items }) => {
        pushed.push(...items.map(({ metric }) => `${service}: ${metric}`));
        return Promise.resolve({ taken: true } as never);
      },
    }),
    alertsChanged: () => 1,
    series: { read: () => Promise.resolve(new Map()) },
    evidence: stub({}),
    ledger,
    caches: stub({}),
    schedules: stub({}),
    artifacts: stub({}),
    metrics: { contentType: 'text/plain', text: () => Promise.resolve('up 1\n') },
    health: () =>
      Promise.resolve({
        ok: true,
        pid: 1,
        startedAt: 2,
        version: '0',
        release: releaseFacts(),
        leads: true,
        parts: [],
      }),
  };
  const server = createApiServer(ports, {
    door: { kind: 'tcp', proofs: { token: 'the-token-of-the-data-directory', ...nobody, ...proofs } },
    tls,
    onError: (error) => {
      throw error;
    },
  });
  closing.push(() => server.close());
  return server;
}

const nobody: Omit<Proofs, 'token'> = { tokenFile: null, oidc: null, certificates: [] };

interface Made {
  readonly token: string;
  readonly entry: object;
}

/** Made as people make them, by the command line. */
async function make(...args: string[]): Promise<Made> {
  let out = '';
  const terminal = {
    isTerminal: false,
    err: (line: string) => process.stderr.write(line),
    repaint: () => undefined,
    now: () => Date.now(),
  };
  const code = await main(['token', 'make', '--json', ...args], { ...terminal, out: (line) => void (out += line) });
  expect(code).toBe(0);
  return JSON.parse(out) as Made;
}

function tokensOf(...made: readonly Made[]): TokenFile {
  writeFileSync(tokensFile, JSON.stringify({ tokens: made.map(({ entry }) => entry) }));
  return new TokenFile(tokensFile, () => undefined);
}

const bodies = {
  rollback: {},
  deploy: { version: '1.1' },
  clearBreaker: { breakerEpoch: 1 },
  approve: { incident: 'i', decision: 'approve' },
  intervene: { incident: 'i', action: 'retry' },
  cancel: {},
  pause: { forMs: 60_000 },
  resume: {},
  vouch: { version: '1.1' },
  revoke: { version: '1.1' },
  clearQuarantine: { version: '1.1' },
  setMode: { mode: 'observe' },
  detach: {},
};

/** Status of each act, by the token; the reason is always there. */
async function tryAll(server: FastifyInstance, token: string, service = 'mail'): Promise<Record<string, number>> {
  const seen: Record<string, number> = {};
  for (const [name, body] of Object.entries(bodies)) {
    const answer = await server.inject({
      method: 'POST',
      url: `/v1/services/${service}/acts/${name}`,
      headers: { authorization: `Bearer ${token}` },
      payload: { reason: 'a test', ...body },
    });
    seen[name] = answer.statusCode;
  }
  return seen;
}

const allowed = (seen: Record<string, number>): string[] => Object.keys(seen).filter((name) => seen[name] === 200);

describe('a token of the file', () => {
  const rights: Readonly<Record<Role, readonly string[]>> = {
    viewer: [],
    releaser: ['deploy', 'cancel', 'pause'],
    operator: ['rollback', 'approve', 'intervene', 'cancel', 'pause', 'resume', 'vouch', 'revoke', 'setMode'],
    'breaker-clearer': ['clearBreaker', 'clearQuarantine'],
    admin: Object.keys(bodies),
  };

  test.each(Object.entries(rights))('with the role %s may do these acts and no other: %j', async (role, may) => {
    const made = await make('--name', 'alice', '--role', role);
    const seen = await tryAll(serve({ tokenFile: tokensOf(made) }), made.token);
    expect(allowed(seen)).toEqual(may);
    expect(new Set(Object.values(seen))).toEqual(
      new Set([200, 403].filter((code) => (code === 200 ? may.length > 0 : may.length < 13))),
    );
    // What was refused has reached nobody who decides; what was done carries the name.
    expect(acts.map(({ name }) => name)).toEqual(may);
    expect(acts.every(({ actor }) => actor?.name === 'alice' && actor.proof === 'token')).toBe(true);
  });

  it.each([
    ['viewer', 403],
    ['releaser', 403],
    ['operator', 404],
  ] as const)('with the role %s gets %s where items are treated and drills are planned', async (role, expected) => {
    const made = await make('--name', 'alice', '--role', role);
    const server = serve({ tokenFile: tokensOf(made) });
    const call = async (path: string, payload?: object): Promise<number> => {
      const url = `/v1/services/mail/${path}`;
      const headers = { authorization: `Bearer ${made.token}` };
      const method = payload ? 'POST' : 'GET';
      return (await server.inject({ method, url, headers, ...(payload && { payload }) })).statusCode;
    };
    expect(await call('items')).toBe(200);
    expect(await call(`items/i-1/sign-off`, { reason: 'r' })).toBe(expected);
    const order = { pipeline: 'triage', order: 'skip', reason: 'r' };
    expect(await call(`items/i-1/orders`, order)).toBe(expected);
    if (expected !== 403) return;
    expect(await call(`items/i-1/lists/sha256:${'a'.repeat(64)}`)).toBe(403);
    const request = { way: 'mirror', degrade: { wrongShare: 0.3 }, share: 0.2, forMs: 60_000 };
    expect(await call('drills/schedule', { everyMs: 86_400_000, request, reason: 'r' })).toBe(403);
    expect(await call('drills/schedule/pause', { paused: true, reason: 'r' })).toBe(403);
    expect(await call('drills/schedule/remove', { reason: 'r' })).toBe(403);
  });

  it('that is refused says which role would do, and which one it has', async () => {
    const made = await make('--name', 'alice', '--role', 'viewer', '--role', 'releaser');
    const answer = await serve({ tokenFile: tokensOf(made) }).inject({
      method: 'POST',
      url: '/v1/services/mail/acts/rollback',
      headers: { authorization: `Bearer ${made.token}` },
      payload: { reason: 'a test' },
    });
    expect(answer.json()).toMatchObject({
      status: 403,
      detail: 'rollback needs the role operator or admin; alice has the role viewer, releaser',
    });
  });

  it('of one service has no right to another, and does not see it', async () => {
    const made = await make('--name', 'alice', '--role', 'admin', '--service', 'mail');
    const server = serve({ tokenFile: tokensOf(made) });
    expect(allowed(await tryAll(server, made.token, 'chat'))).toEqual([]);
    expect(allowed(await tryAll(server, made.token, 'mail'))).toHaveLength(13);
    const headers = { authorization: `Bearer ${made.token}` };
    expect((await server.inject({ url: '/v1/incidents?service=chat', headers })).statusCode).toBe(404);
    const import_ = await server.inject({
      method: 'POST',
      url: '/v1/artifacts/import',
      headers,
      payload: { path: '/x' },
    });
    expect(import_.statusCode).toBe(403);
  });

  it('of a program pushes the metrics that it is bound to, and may do and see nothing else', async () => {
    const made = await make('--name', 'labels', '--service', 'mail', '--metric', 'labels', '--metric', 'clicks');
    const server = serve({ tokenFile: tokensOf(made) });
    const headers = { authorization: `Bearer ${made.token}` };
    const push = async (service: string, ...metrics: string[]): Promise<number> => {
      const items = metrics.map((metric) => ({ metric, value: 1, at: '2026-01-01T00:00:00Z' }));
      const url = `/v1/services/${service}/observations`;
      return (await server.inject({ method: 'POST', url, headers, payload: { key: 'k', items } })).statusCode;
    };
    expect(await push('mail', 'clicks')).toBe(200);
    expect(await push('mail', 'clicks', 'accuracy')).toBe(403);
    expect(await push('chat', 'clicks')).toBe(403);
    const items = [{ requestId: 'r', label: 'spam', observedAt: '2026-01-01T00:00:00Z', source: 'desk' }];
    const feedback = await server.inject({
      method: 'POST',
      url: '/v1/services/mail/feedback',
      headers,
      payload: { items },
    });
    expect(feedback.statusCode).toBe(200);
    expect(pushed).toEqual(['mail: clicks', 'mail: labels']);
    expect(allowed(await tryAll(server, made.token))).toEqual([]);
    expect((await server.inject({ url: '/v1/services/mail/ledger', headers })).statusCode).toBe(403);
  });

  it('that has expired, or was taken out of the file, is not accepted any more, without a restart', async () => {
    const [alice, bob] = [
      await make('--name', 'alice', '--role', 'viewer'),
      await make('--name', 'bob', '--role', 'viewer'),
    ];
    const old = { ...alice, entry: { ...alice.entry, expires: '2020-01-01T00:00:00Z' } };
    const server = serve({ tokenFile: tokensOf(old, bob) });
    const me = async ({ token }: Made): Promise<{ status: number; detail?: string }> => {
      const answer = await server.inject({ url: '/v1/me', headers: { authorization: `Bearer ${token}` } });
      return { status: answer.statusCode, ...answer.json<object>() };
    };
    expect(await me(alice)).toMatchObject({
      status: 401,
      detail: expect.stringContaining('expired at 2020') as string,
    });
    expect(await me(bob)).toMatchObject({ status: 200, actor: { name: 'bob' }, rights: ['look'] });
    tokensOf(alice);
    expect((await me(bob)).status).toBe(401);
    expect((await me(alice)).status).toBe(200);
  });

  it('lets nobody in while the file cannot be read, and the token of the data directory all the same', async () => {
    const told: string[] = [];
    const made = await make('--name', 'alice', '--role', 'viewer');
    tokensOf(made);
    const server = serve({ tokenFile: new TokenFile(tokensFile, (why) => told.push(why)) });
    writeFileSync(tokensFile, 'tokens: [{ name: alice, roles: [god] }]');
    const status = async (token: string): Promise<number> =>
      (await server.inject({ url: '/v1/me', headers: { authorization: `Bearer ${token}` } })).statusCode;
    expect([await status(made.token), await status(made.token)]).toEqual([401, 401]);
    expect(await status('the-token-of-the-data-directory')).toBe(200);
    expect(told).toEqual([expect.stringContaining('tokens.yaml: tokens.0')]);
  });
});

describe('a token of an OpenID Connect issuer', () => {
  let issuer: Server;
  let url = '';
  let sign: (
    claims: JWTPayload,
    over?: { alg?: string; expires?: string; issuer?: string; audience?: string },
  ) => Promise<string>;

  beforeAll(async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    const keys = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' }] };
    issuer = createServer((_request, response) => response.end(JSON.stringify(keys)));
    await new Promise<void>((listening) => issuer.listen(0, '127.0.0.1', listening));
    url = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`;
    sign = (claims, over = {}) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: over.alg ?? 'ES256', kid: 'k1' })
        .setSubject('42')
        .setIssuer(over.issuer ?? url)
        .setAudience(over.audience ?? 'lastgood')
        .setExpirationTime(over.expires ?? '5m')
        .sign(over.alg === 'HS256' ? new TextEncoder().encode('a secret that somebody guessed..') : privateKey);
  });
  afterAll(() => new Promise((closed) => issuer.close(closed)));

  const oidc = (): OidcTokens =>
    new OidcTokens({
      ...{ issuer: url, audience: 'lastgood', keys: { url: `${url}/keys` } },
      ...{ nameClaim: 'preferred_username', rolesClaim: 'realm_access.roles' },
      roles: { 'ml-oncall': ['operator', 'breaker-clearer'], 'ml-release': ['releaser'] },
    });
  const as = async (token: string): Promise<{ status: number; detail?: string }> => {
    const answer = await serve({ oidc: oidc() }).inject({
      url: '/v1/me',
      headers: { authorization: `Bearer ${token}` },
    });
    return { status: answer.statusCode, ...answer.json<object>() };
  };

  it('gives the name and the roles of its groups', async () => {
    const groups = { realm_access: { roles: ['ml-oncall', 'football', '__proto__'] } };
    expect(await as(await sign({ preferred_username: 'ada', ...groups }))).toMatchObject({
      status: 200,
      actor: { name: 'ada', proof: 'oidc' },
      roles: ['operator', 'breaker-clearer'],
    });
    expect(await as(await sign({ preferred_username: 'eve', realm_access: { roles: ['football'] } }))).toMatchObject({
      roles: [],
      rights: [],
    });
  });

  it('is refused with what is wrong with it: expired, of another issuer, for somebody else, signed by a shared secret or by nobody', async () => {
    const claims = { preferred_username: 'ada', realm_access: { roles: ['ml-oncall'] } };
    const none = `${btoa('{"alg":"none"}')}.${btoa(JSON.stringify({ ...claims, sub: '42', iss: url, aud: 'lastgood', exp: 4e9 }))}.`;
    const words = async (token: string): Promise<string> => {
      const { status, detail } = await as(token);
      expect(status).toBe(401);
      return detail ?? '';
    };
    expect(await words(await sign(claims, { expires: '-2m' }))).toContain('"exp" claim timestamp check failed');
    expect(await words(await sign(claims, { issuer: 'https://elsewhere.example' }))).toContain('"iss"');
    expect(await words(await sign(claims, { audience: 'payroll' }))).toContain('"aud"');
    expect(await words(await sign(claims, { alg: 'HS256' }))).toContain('"alg"');
    expect(await words(none.replaceAll('=', ''))).toContain('not accepted');
    const good = await sign(claims);
    expect(await words(`${good.slice(0, -4)}AAAA`)).toContain('signature');
  });
});

test('a client certificate of our authority is its holder; one of another authority, or of nobody we know, is nobody', async () => {
  const [ours, others] = [new Authority('ours'), new Authority('others')];
  closing.push(() => [ours, others].forEach((authority) => rmSync(authority.directory, { recursive: true })));
  const server = serve(
    { certificates: [{ commonName: 'ada', roles: ['operator'], services: ['mail'] }] },
    { ...ours.issue('server', 'IP:127.0.0.1'), clientCaFile: ours.caFile },
  );
  await server.listen({ host: '127.0.0.1', port: 0 });
  const { port } = server.server.address() as AddressInfo;
  const me = (certificate: object): Promise<{ status: number; text: string }> =>
    new Promise((done, failed) => {
      const options = {
        host: '127.0.0.1',
        port,
        path: '/v1/me',
        rejectUnauthorized: false,
        agent: false,
        ...certificate,
      };
      httpsRequest(options, (response) => {
        let text = '';
        response.on('data', (chunk) => (text += String(chunk)));
        response.on('end', () => done({ status: response.statusCode ?? 0, text }));
      })
        .on('error', failed)
        .end();
    });
  const known = await me(pemOf(ours.issue('ada', 'DNS:ada')));
  expect([known.status, JSON.parse(known.text)]).toMatchObject([
    200,
    { actor: { name: 'ada', proof: 'mtls' }, services: ['mail'] },
  ]);
  for (const stranger of [{}, pemOf(ours.issue('eve', 'DNS:eve')), pemOf(others.issue('ada', 'DNS:ada'))])
    expect((await me(stranger)).status).toBe(401);
});

describe('an act of a regulated service that takes a brake away', () => {
  let server: FastifyInstance;
  const tokens: Record<string, string> = {};
  const call = async (
    who: string,
    url: string,
    payload?: object,
  ): Promise<{ status: number; body: Record<string, unknown> }> => {
    const headers = { authorization: `Bearer ${tokens[who]}` };
    const answer = await server.inject({
      method: payload ? 'POST' : 'GET',
      url,
      headers,
      ...(payload ? { payload } : {}),
    });
    return { status: answer.statusCode, body: answer.json() };
  };
  const revoke = '/v1/services/loans/acts/revoke';

  beforeEach(async () => {
    const people = { ada: 'operator', bob: 'operator', eve: 'releaser' };
    const made = await Promise.all(Object.entries(people).map(([name, role]) => make('--name', name, '--role', role)));
    Object.keys(people).forEach((name, index) => (tokens[name] = made[index]?.token ?? ''));
    server = serve({ tokenFile: tokensOf(...made) });
  });

  it('waits for somebody else with the right to it; both are in the ledger with their reasons', async () => {
    const proposed = await call('ada', revoke, { version: '1.1', reason: 'leaks names' });
    expect(proposed).toMatchObject({ status: 202, body: { service: 'loans', act: 'revoke', by: 'ada' } });
    const url = `/v1/proposals/${String(proposed.body['id'])}/second`;
    expect(await call('ada', url, { reason: 'me again' })).toMatchObject({ status: 403 });
    expect(await call('eve', url, { reason: 'why not' })).toMatchObject({ status: 403 });
    expect(acts).toEqual([]);
    expect((await call('eve', '/v1/proposals')).body).toMatchObject({ proposals: [{ act: 'revoke', by: 'ada' }] });
    expect((await call('bob', url, { reason: 'I looked' })).status).toBe(200);
    expect(acts).toMatchObject([{ name: 'revoke', version: '1.1', actor: { name: 'ada' }, second: { name: 'bob' } }]);
    expect((await ledger.read('loans')).map(({ actor, summary }) => [actor.name, summary])).toEqual([
      ['ada', 'ada proposes revoke: leaks names'],
      ['bob', 'bob seconds revoke of ada: I looked'],
    ]);
    // Whoever lost the answer gets the same one; nothing is done or written again.
    expect((await call('bob', url, { reason: 'once more' })).status).toBe(200);
    expect([acts.length, (await ledger.read('loans')).length]).toEqual([1, 2]);
    expect((await call('ada', '/v1/proposals')).body).toEqual({ proposals: [] });
  });

  it('is proposed once, however often the same request arrives, and its id is not for another act', async () => {
    const body = { version: '1.1', reason: 'leaks names', requestId: 'r-1' };
    const [first, again] = [await call('ada', revoke, body), await call('ada', revoke, body)];
    expect(again).toEqual(first);
    expect(await ledger.read('loans')).toHaveLength(1);
    expect((await call('ada', revoke, { ...body, reason: 'another' })).status).toBe(409);
    expect((await call('bob', revoke, body)).body['id']).not.toBe(first.body['id']);
  });

  it('is neither proposed nor seconded by the token of the data directory, which has no person behind it', async () => {
    tokens['root'] = 'the-token-of-the-data-directory';
    expect(await call('root', revoke, { version: '1.1', reason: 'r' })).toMatchObject({ status: 403 });
    const { body } = await call('ada', revoke, { version: '1.1', reason: 'leaks names' });
    const url = `/v1/proposals/${String(body['id'])}/second`;
    const refused = await call('root', url, { reason: 'r' });
    expect(refused.body).toMatchObject({
      status: 403,
      detail: expect.stringContaining('no person behind it') as string,
    });
    expect(acts).toEqual([]);
  });

  it('still waits where nobody could decide, and is seconded once more then', async () => {
    const { body } = await call('ada', revoke, { version: '1.1', reason: 'leaks names' });
    const url = `/v1/proposals/${String(body['id'])}/second`;
    decides = false;
    expect((await call('bob', url, { reason: 'I looked' })).status).toBe(503);
    decides = true;
    expect((await call('bob', url, { reason: 'and again' })).status).toBe(200);
    expect(acts.map(({ requestId }) => requestId)).toEqual([body['id']]);
  });

  it('is over after 15 minutes', async () => {
    const now = jest.spyOn(Date, 'now');
    const { body } = await call('ada', revoke, { version: '1.1', reason: 'leaks names' });
    now.mockReturnValue(Number(body['until']));
    const late = await call('bob', `/v1/proposals/${String(body['id'])}/second`, { reason: 'I looked' });
    now.mockRestore();
    expect(late.status).toBe(404);
    expect(acts).toEqual([]);
  });

  it('cannot be claimed to be seconded; what needs one person only, and other services, go ahead at once', async () => {
    const second = { name: 'bob', proof: 'token', from: 'x' };
    expect((await call('ada', revoke, { version: '1.1', reason: 'r', second })).status).toBe(400);
    expect((await call('ada', '/v1/services/loans/acts/pause', { forMs: 60_000, reason: 'r' })).status).toBe(200);
    expect((await call('ada', '/v1/services/mail/acts/revoke', { version: '1.1', reason: 'r' })).status).toBe(200);
    expect(acts.map(({ name }) => name)).toEqual(['pause', 'revoke']);
  });
});

test('whoever tries more than 60 wrong tokens in a minute is refused, and so is a right one from there; others are not', async () => {
  const server = serve({});
  const status = async (token: string, remoteAddress: string): Promise<number> => {
    const headers = { authorization: `Bearer ${token}` };
    return (await server.inject({ url: '/v1/me', headers, remoteAddress })).statusCode;
  };
  const seen: number[] = [];
  for (let n = 0; n < 62; n++) seen.push(await status(`guess-${n}`, '192.0.2.7'));
  expect([seen.filter((code) => code === 401).length, seen.at(-1)]).toEqual([61, 429]);
  expect(await status('the-token-of-the-data-directory', '192.0.2.7')).toBe(429);
  expect(await status('the-token-of-the-data-directory', '192.0.2.8')).toBe(200);
});

test('an answer is for no cache, no frame and no page of others', async () => {
  const { headers } = await serve({}).inject({ url: '/v1/health' });
  expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'x-frame-options': 'SAMEORIGIN' });
  expect(headers['content-security-policy']).toContain("default-src 'none'");
});

test('a route that does not say what it needs does not start', async () => {
  const app = Fastify();
  closing.push(() => app.close());
  const nobodyAsked = (): Promise<never> => Promise.reject(new Error('not asked'));
  const identifies = {
    openToAll: true,
    tls: false,
    count: nobodyAsked,
    caller: nobodyAsked,
    again: nobodyAsked,
    counted: nobodyAsked,
  };
  demandRights(app as never, identifies);
  expect(() => app.get('/v1/forgotten', () => 'open')).toThrow('GET /v1/forgotten does not say which right it needs');
  await app.ready();
});
