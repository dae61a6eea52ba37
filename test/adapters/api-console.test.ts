import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { MetricSeries } from '../../activities/ports';
import type { Door } from '../../api/identity/identify';
import type { ApiPorts } from '../../api/ports';
import { createApiServer, type ApiServerOptions } from '../../api/server';
import type { ChartsView } from '../../api/types';
import type { LedgerEntry } from '../../domain/ledger';
import type { Answer } from '../../workflows/contract/messages';
import { MemoryLedger } from '../support/memory-ledger';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

const token = 'a-token-of-enough-characters';
const tcp: Door = { kind: 'tcp', proofs: { token, tokenFile: null, oidc: null, certificates: [] } };
const socket: Door = { kind: 'socket', user: 'ada' };
const servers: FastifyInstance[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});
afterAll(removeTemporary);

const paused: Answer = {
  ...{ requestId: 'r', decision: 'accepted', why: 'paused', reference: null, repeated: false, plan: [] },
};

interface Given {
  readonly door?: Door;
  readonly ports?: Partial<Record<keyof ApiPorts, unknown>>;
  readonly options?: Partial<ApiServerOptions>;
}

function serve({ door = socket, ports = {}, options = {} }: Given = {}): { server: FastifyInstance; acts: string[] } {
  const acts: string[] = [];
  const decisions = {
    act: (_service: string, name: string) => (acts.push(name), Promise.resolve(paused)),
    status: () => Promise.resolve({ state: { tiers: [], degradations: [] } }),
  };
  const all = {
    services: [{ name: 'mail', model: 'mail', chaos: 'ask' }],
    decisions,
    ledger: new MemoryLedger(),
    metrics: { contentType: 'text/plain', text: () => Promise.resolve('lastgood_up 1\n') },
    ...ports,
  } as unknown as ApiPorts;
  const server = createApiServer(all, { door, tls: null, onError: () => undefined, ...options });
  servers.push(server);
  return { server, acts };
}

describe('a page of another site', () => {
  const pause = {
    method: 'POST',
    url: '/v1/services/mail/acts/pause',
    payload: { forMs: 60_000, reason: 'r' },
  } as const;
  const ask = async (
    headers: Record<string, string>,
    door: Door = socket,
  ): Promise<readonly [number, string, number]> => {
    const { server, acts } = serve({ door });
    const answer = await server.inject({ ...pause, headers });
    return [answer.statusCode, String(answer.json<{ detail?: string }>().detail ?? ''), acts.length];
  };

  it('cannot act through a browser that needs no token', async () => {
    const [status, why, acts] = await ask({ host: 'localhost:7780', origin: 'https://evil.example' });
    expect([status, acts]).toEqual([403, 0]);
    expect(why).toBe('a page of https://evil.example asked, and only pages of localhost:7780 may');
    for (const headers of [
      { host: 'localhost:7780', origin: 'null' },
      { host: 'localhost:7780', origin: 'http://localhost:8000' },
      { host: 'localhost:7780', 'sec-fetch-site': 'cross-site' },
      { host: '127.0.0.1:7780', 'sec-fetch-site': 'same-site' },
    ])
      expect((await ask(headers as Record<string, string>)).filter((part) => typeof part === 'number')).toEqual([
        403, 0,
      ]);
  });

  it('cannot become one of this site by a name that leads here, neither to act nor to read', async () => {
    const rebound = { host: 'evil.example:7780', origin: 'http://evil.example:7780', 'sec-fetch-site': 'same-origin' };
    const [status, why, acts] = await ask(rebound);
    expect([status, acts]).toEqual([403, 0]);
    expect(why).toContain('host: found "evil.example:7780", expected localhost or an address');
    const { server } = serve({ door: tcp });
    const read = (host: string) => server.inject({ url: '/metrics', headers: { host } });
    expect((await read('evil.example')).statusCode).toBe(403);
    expect((await read('evil.example.:80')).statusCode).toBe(403);
    for (const host of ['localhost:1', 'a.localhost', '127.0.0.1:7780', '[::1]:7780', '::1', 'controller:7780'])
      expect([host, (await read(host)).statusCode]).toEqual([host, 200]);
  });

  it('is told from a page of this site, and from whoever sends a token', async () => {
    expect(
      await ask({ host: '127.0.0.1:7780', origin: 'http://127.0.0.1:7780', 'sec-fetch-site': 'same-origin' }),
    ).toEqual([200, '', 1]);
    const authorization = `Bearer ${token}`;
    // Behind a proxy that changes the host: no browser adds a token by itself.
    expect(await ask({ host: '127.0.0.1:7780', origin: 'https://lastgood.example', authorization }, tcp)).toEqual([
      200,
      '',
      1,
    ]);
    expect((await ask({ host: '127.0.0.1:7780', origin: 'http://127.0.0.1:7780' }, tcp))[0]).toBe(401);
  });
});

describe('the console', () => {
  function built(): string {
    const directory = temporaryDirectory('console');
    for (const name of ['index.html', 'console.js', 'console.css', 'icon.svg'])
      writeFileSync(join(directory, name), name);
    return directory;
  }

  it('is the same page for everybody, under a policy that lets nothing else in', async () => {
    const { server } = serve({ door: tcp, options: { consoleDirectory: built() } });
    const page = await server.inject({ url: '/console/' });
    expect([page.statusCode, page.body, page.headers['content-type']]).toEqual([
      200,
      'index.html',
      'text/html; charset=utf-8',
    ]);
    const policy = String(page.headers['content-security-policy']).split(';');
    expect(policy).toEqual(
      expect.arrayContaining(["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"]),
    );
    expect(policy.join(';')).not.toContain('unsafe');
    expect((await server.inject({ url: '/' })).headers['location']).toBe('/console/');
    const script = await server.inject({ url: '/console/console.js' });
    const again = { 'if-none-match': String(script.headers['etag']) };
    expect((await server.inject({ url: '/console/console.js', headers: again })).statusCode).toBe(304);
    expect((await server.inject({ url: '/v1/services' })).statusCode).toBe(401);
  });

  it('serves its own files and no other', async () => {
    const directory = built();
    writeFileSync(join(directory, 'secret'), 'secret');
    const { server } = serve({ options: { consoleDirectory: directory } });
    for (const path of ['secret', '../console/secret', '%2e%2e/secret', 'console.js/..%2fsecret'])
      expect((await server.inject({ url: `/console/${path}` })).statusCode).toBe(404);
  });

  it('says that it was not built', async () => {
    const { server } = serve({ options: { consoleDirectory: temporaryDirectory('none') } });
    const answer = await server.inject({ url: '/console/' });
    expect(answer.statusCode).toBe(503);
    expect(answer.json<{ detail: string }>().detail).toContain('npm run build');
  });

  it('counts as a request of its address', async () => {
    const { server } = serve({ door: tcp, options: { consoleDirectory: built() } });
    let last = 200;
    for (let count = 0; count <= 6_000; count++)
      last = (await server.inject({ url: '/console/icon.svg', remoteAddress: '192.0.2.9' })).statusCode;
    expect(last).toBe(429);
  });
});

describe('charts', () => {
  const entry = (at: number, kind: LedgerEntry['kind'], facts: LedgerEntry['facts']): LedgerEntry => ({
    ...{ service: 'mail', key: `${kind}/${at}`, at, kind, incident: null, summary: `${kind} at ${at}`, facts },
    actor: { name: 'lastgood', proof: 'lastgood', from: 'here' },
  });
  const reading = (metric: string, tier: string, expected: number | null, limit: number | null) => ({
    ...{ metric, tier, expected, limit, kind: 'ok', observed: 0.1, samples: 9, at: 1 },
  });

  async function charts(
    tiers: readonly object[],
    {
      degradations = [],
      ledger = new MemoryLedger(),
      span = '',
    }: { degradations?: object[]; ledger?: MemoryLedger; span?: string } = {},
  ): Promise<{ view: ChartsView; asked: string[]; status: number; again: () => Promise<unknown> }> {
    const asked: string[] = [];
    const series: MetricSeries = {
      read: (_service, metrics, fromMs, toMs) => {
        asked.push(`${metrics.join(',')} ${toMs - fromMs}`);
        return Promise.resolve(
          new Map([
            [
              'error-rate',
              [
                { atMs: fromMs, value: 0.2 },
                { atMs: fromMs + 1, value: null },
              ],
            ],
          ]),
        );
      },
    };
    const status = { state: { tiers, degradations } };
    const { server } = serve({ ports: { series, ledger, decisions: { status: () => Promise.resolve(status) } } });
    const again = () => server.inject({ url: `/v1/services/mail/charts${span}` });
    const answer = await again();
    return { view: answer.json<ChartsView>(), asked, status: answer.statusCode, again };
  }

  it('are of every metric once, with the limits of the tier that acts first', async () => {
    const { view, asked, again } = await charts([
      reading('error-rate', 'short-window', 0.1, 0.4),
      reading('error-rate', 'immediate', 0.1, 0.3),
      reading('accuracy', 'short-window', 0.9, 0.8),
      reading('latency-p95', 'trend', null, null),
    ]);
    expect(view.charts.map(({ metric, tier, center, ucl, lcl }) => [metric, tier, center, ucl, lcl])).toEqual([
      ['error-rate', 'immediate', 0.1, 0.3, null],
      ['accuracy', 'short-window', 0.9, null, 0.8],
      ['latency-p95', 'trend', null, null, null],
    ]);
    expect(view.charts.map(({ points }) => points.map(([, value]) => value))).toEqual([[0.2, null], [], []]);
    expect(asked).toEqual(['error-rate,accuracy,latency-p95 900000']);
    await again();
    // Whoever looks a moment later sees the same reading.
    expect(asked).toHaveLength(1);
  });

  it('show onset, alarms that overlap the time, and each shift once', async () => {
    const now = Date.now();
    const ledger = new MemoryLedger();
    const began = (at: number, id: string, more: LedgerEntry['facts'] = {}) =>
      entry(at, 'degradation-began', { id, metric: 'error-rate', ...more });
    for (const one of [
      began(now - 3_000_000, 'old'),
      entry(now - 2_900_000, 'degradation-ended', { id: 'old' }),
      began(now - 100_000, 'ended', { onsetAt: now - 110_000, onsetLow: now - 120_000, onsetHigh: now - 105_000 }),
      entry(now - 90_000, 'traffic-shifted', { epoch: 7 }),
      entry(now - 89_000, 'traffic-shifted', { epoch: 7 }),
      entry(now - 80_000, 'degradation-ended', { id: 'ended' }),
      began(now - 95_000, 'left'),
      began(now - 50_000, 'stands'),
      entry(now - 40_000, 'degradation-began', { id: 'of another route', epoch: 3 }),
    ])
      await ledger.append(one);
    const verdict = { metric: 'error-rate', expected: 0.11, ucl: 0.25, lcl: 0.01 };
    const degradations = [{ id: 'stands', verdict }];
    const { view } = await charts([reading('error-rate', 'immediate', 0.1, 0.3)], {
      ledger,
      degradations,
    });
    const [chart] = view.charts;
    expect(chart).toMatchObject({ center: 0.11, ucl: 0.25, lcl: 0.01 });
    expect(chart?.alarms).toEqual([
      {
        atMs: now - 100_000,
        toMs: now - 80_000,
        onset: { atMs: now - 110_000, lowMs: now - 120_000, highMs: now - 105_000 },
        sentence: `degradation-began at ${now - 100_000}`,
      },
      // It stood until its version was left.
      { atMs: now - 95_000, toMs: now - 90_000, onset: null, sentence: `degradation-began at ${now - 95_000}` },
      { atMs: now - 50_000, toMs: null, onset: null, sentence: `degradation-began at ${now - 50_000}` },
    ]);
    expect(view.marks).toHaveLength(1);
  });

  it('show the metric that alarmed also while no tier has measured it again, with the limits of its verdict', async () => {
    const now = Date.now();
    const ledger = new MemoryLedger();
    const facts = { id: 'v-1', metric: 'malformed-rate', tier: 'immediate', expected: 0.01, ucl: 0.05, lcl: null };
    await ledger.append(entry(now - 20_000, 'degradation-began', facts));
    await ledger.append(entry(now - 19_000, 'traffic-shifted', { epoch: 7 }));
    const { view } = await charts([reading('accuracy', 'short-window', 0.9, 0.8)], { ledger });
    expect(view.charts.map(({ metric, verdict, center, ucl }) => [metric, verdict, center, ucl])).toEqual([
      ['accuracy', 'ok', 0.9, null],
      ['malformed-rate', 'unmeasured', 0.01, 0.05],
    ]);
    expect(view.charts[1]?.alarms).toHaveLength(1);
  });

  it('refuse more than an hour, and say what is not known without the deciding workflow', async () => {
    expect((await charts([], { span: '?span=7200000' })).status).toBe(400);
    const series: MetricSeries = { read: () => Promise.resolve(new Map()) };
    const status = () => Promise.reject(new Error('Temporal is away'));
    const { server } = serve({ ports: { series, decisions: { status } } });
    const { charts: none, notKnown } = (await server.inject({ url: '/v1/services/mail/charts' })).json<ChartsView>();
    expect([none, notKnown]).toEqual([[], ['which metrics are watched, and their limits: Temporal is away']]);
  });
});
