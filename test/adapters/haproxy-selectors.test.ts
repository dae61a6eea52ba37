import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { Client } from 'undici';
import type { Backend, RouteRecord, VersionSelector } from '../../domain/route';
import { route } from '../support/gateway-process';
import { describeHaproxy, HaproxyProcess } from '../support/haproxy-process';
import { Load } from '../support/load';
import { until } from '../support/poll';

interface Seen {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

/** A server of several versions at one address; it says what reached it. */
class Shared {
  readonly seen: Seen[] = [];
  private constructor(private readonly server: Server) {}

  static async start(): Promise<Shared> {
    const server = createServer((req, res) => {
      shared.seen.push({ url: req.url ?? '', headers: req.headers });
      req.resume();
      req.on('end', () => res.end(req.url));
    });
    const shared = new Shared(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return shared;
  }

  backend(version: string, selector: VersionSelector): Backend {
    const { port } = this.server.address() as { port: number };
    return { address: `http://127.0.0.1:${port}`, instance: `mail@${version}#1`, digest: 'sha256:x', selector };
  }

  close(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }
}

const from = '/v2/models/mail';
const path = (to: string): VersionSelector => ({ by: 'path', from, to });
const header = (value: string, name = 'X-Model-Version'): VersionSelector => ({ by: 'header', header: name, value });

describeHaproxy('versions that HAProxy names in the request')('versions that HAProxy names in the request', () => {
  let haproxy: HaproxyProcess;
  let shared: Shared;
  let other: Shared;
  /** Sends paths as they are. */
  let client: Client;
  let epoch = 0;

  beforeAll(async () => {
    haproxy = await HaproxyProcess.start({ selectorHeader: 'x-model-version' });
    client = new Client(haproxy.address);
    [shared, other] = await Promise.all([Shared.start(), Shared.start()]);
  });
  afterAll(async () => {
    await client?.destroy();
    await Promise.all([shared?.close(), other?.close()]);
    await haproxy?.stop();
  });

  const apply = async (
    primary: string,
    backends: Record<string, Backend[]>,
    more: Partial<RouteRecord> = {},
  ): Promise<{ applied: boolean; detail?: string }> => {
    epoch += 1;
    return await haproxy.router().apply(route(epoch, primary, backends, more));
  };
  const ask = async (url: string, options: { method?: 'GET' | 'POST'; headers?: Record<string, string> } = {}) => {
    const before = shared.seen.length;
    const { method = 'POST', headers = {} } = options;
    const body = method === 'POST' ? '{}' : null;
    const answer = await client.request({ path: url, method, headers, body });
    await answer.body.dump();
    return {
      status: answer.statusCode,
      reason: answer.headers['x-lastgood-reason'],
      version: answer.headers['x-lastgood-version'],
      reached: shared.seen.slice(before),
    };
  };

  it('by a path: the one that clients know becomes that of the version in force, query and all', async () => {
    const backends = {
      '1': [shared.backend('1', path(`${from}/versions/1`))],
      '2': [shared.backend('2', path('/v2/models/mail-next'))],
    };
    expect(await apply('1', backends)).toMatchObject({ applied: true });
    const reached = async (url: string): Promise<unknown> => {
      const { status, version, reached: all } = await ask(url);
      return [status, version, all.map((one) => one.url)];
    };
    expect(await reached(`${from}/infer?a=/b`)).toEqual([200, '1', [`${from}/versions/1/infer?a=/b`]]);
    expect(await reached(from)).toEqual([200, '1', [`${from}/versions/1`]]);
    await apply('2', backends);
    expect(await reached(`${from}/infer`)).toEqual([200, '2', ['/v2/models/mail-next/infer']]);
    expect((await ask('/v2/health/ready', { method: 'GET' })).reached.map(({ url }) => url)).toEqual([
      '/v2/health/ready',
    ]);
    await apply('2', backends, { share: { version: '1', weight: 1, until: Date.now() + 60_000 } });
    expect(await reached(`${from}/infer`)).toEqual([200, '1', [`${from}/versions/1/infer`]]);
  });

  it('and no client names one itself, or reaches what else is at the address', async () => {
    await apply('1', { '1': [shared.backend('1', path(`${from}/versions/1`))] });
    const tried: [string, number, string][] = [
      [`${from}/versions/2/infer`, 404, 'version-named'],
      [`${from}/%76ersions/2/infer`, 404, 'version-named'],
      ['/v2/models/mail-next/infer', 404, 'not-offered'],
      ['/v2/models/mailx', 404, 'not-offered'],
      ['/v2/repository/models/mail/unload', 404, 'not-offered'],
      ['/v2/health/ready', 404, 'not-offered'],
      [`${from}/../mail-next/infer`, 400, 'ambiguous-path'],
      [`${from}/%2e%2e/mail-next/infer`, 400, 'ambiguous-path'],
      [`${from}/.%2E/mail-next/infer`, 400, 'ambiguous-path'],
      [`${from}/x%2fy`, 400, 'ambiguous-path'],
      [`${from}/x%252fy`, 400, 'ambiguous-path'],
      [`${from}//versions/2`, 400, 'ambiguous-path'],
      [`${from}/x;y`, 400, 'ambiguous-path'],
    ];
    for (const [url, status, reason] of tried) {
      expect({ url, ...(await ask(url)) }).toEqual({ url, status, reason, version: undefined, reached: [] });
    }
  });

  it('by a header, whatever the client sent in it or in one like it', async () => {
    await apply('1', { '1': [shared.backend('1', header('rev-1;a=%'))] });
    const headers = {
      'X-MODEL-VERSION': 'mine',
      x_model_version: 'mine',
      'x-model_version': 'mine',
      'x-other': 'kept',
    };
    const { status, reached } = await ask('/anything', { headers });
    expect(status).toBe(200);
    const named = Object.entries(reached[0]?.headers ?? {}).filter(([name]) => /model|other/.test(name));
    expect(named.sort()).toEqual([
      ['x-model-version', 'rev-1;a=%'],
      ['x-other', 'kept'],
    ]);
    // Where the version in force is named by its address, the client's own does not pass either.
    const { selector, ...plain } = shared.backend('2', header('x'));
    expect(selector).toBeDefined();
    await apply('2', { '2': [plain] });
    expect((await ask('/anything', { headers })).reached[0]?.headers['x-model-version']).toBeUndefined();
  });

  it('refuses what it cannot name, with what to do, and goes on as before', async () => {
    const model: VersionSelector = { by: 'model', public: 'mail', name: 'mail-2' };
    const mixed = [shared.backend('9', header('a')), shared.backend('9', header('b'))];
    for (const [backends, said] of [
      [
        [shared.backend('9', model)],
        /backends\.9: the JSON field model .* HAProxy does not write.*router\.kind: gateway/,
      ],
      [[shared.backend('9', header('a', 'x-else'))], /x-else names the version, and .* has x-model-version; .* reload/],
      [mixed, /named in different ways \(header x-model-version: a; header x-model-version: b\)/],
    ] as const) {
      const refused = await apply('9', { '9': [...backends] });
      expect(refused).toMatchObject({ applied: false, why: 'invalid', detail: expect.stringMatching(said) as string });
    }
    expect((await haproxy.router().read('mail')).record?.primary).toBe('2');
  });

  it('I6: the primary killed under load: its fallback has another name, gets requests by that, and holds', async () => {
    const dies = await Shared.start();
    const backends = {
      '1': [dies.backend('1', path('/models/one'))],
      '2': [other.backend('2', path('/models/two'))],
    };
    await apply('1', backends, { fallback: '2' });
    const load = new Load(haproxy.address, { clients: 8, pauseMs: 2, path: `${from}/infer` });
    await until('some answers', () => load.sent > 100);
    await dies.close();
    const { sent } = load;
    await until('the fallback', () => load.sent > sent + 200);
    const { answered, lost } = await load.stop();
    expect([lost, answered.filter(({ status }) => status !== 200)]).toEqual([[], []]);
    expect(answered.at(-1)?.version).toBe('2');
    expect(new Set(other.seen.map(({ url }) => url))).toEqual(new Set(['/models/two/infer']));
    expect((await haproxy.router().read('mail')).fallback).toMatchObject({ version: '2', epoch });
  });
});
