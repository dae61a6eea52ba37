import { createClient } from '@redis/client';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CacheView, LedgerPage, ServiceView } from '../../api/types';
import { entryKey, pointerKey } from '../../adapters/caches/redis';
import type { CachePointer } from '../../domain/caches/pointer';
import { compiledProduct, UpProcess } from '../support/embedded';
import { startFakeModel, type FakeModel } from '../support/fake-model';
import { until } from '../support/poll';
import { describeRedis, RedisServer } from '../support/redis-server';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

const limitMs = 120_000;

describeRedis('an installation with output caches')('an installation with output caches', () => {
  let up: UpProcess;
  let redis: RedisServer;
  const models: FakeModel[] = [];

  let client: ReturnType<typeof createClient> | null = null;

  afterAll(async () => {
    client?.destroy();
    await up.cleanUp();
    for (const model of models) await model.close();
    await redis.stop();
    removeTemporary();
  });

  async function serve(letter: string): Promise<string> {
    const model = await startFakeModel({ model: 'mail', digest: `sha256:${letter.repeat(64)}` });
    models.push(model);
    return model.address;
  }

  const view = async (): Promise<ServiceView> => (await up.api('GET', '/v1/services/mail')).json as ServiceView;
  const act = async (name: string, body: object): Promise<void> => {
    const answer = await up.api('POST', `/v1/services/mail/acts/${name}`, { ...body, reason: 'a test' });
    expect(answer).toMatchObject({ status: 200, json: { decision: 'accepted' } });
  };
  /** Settled on it: nothing is in flight any more. */
  const settledOn = async (version: string): Promise<ServiceView> =>
    await until(
      `${version}, settled`,
      async () => {
        const seen = await view().catch(() => null);
        const state = seen?.status?.state;
        return state?.operation === null && state.declared?.primary === version ? seen : undefined;
      },
      limitMs,
    );
  const steps = async (kind: string): Promise<string[]> => {
    const page = (await up.api('GET', `/v1/services/mail/ledger?kinds=${kind}&limit=200`)).json as LedgerPage;
    return page.entries
      .filter(({ facts }) => facts['step'] === 'caches' && 'cache' in facts)
      .map(({ summary }) => summary);
  };

  /** Through the gateway, as JSON, so that it may keep the answer. */
  async function ask(entrance: string): Promise<{ version: string | null; how: string | null }> {
    const body = JSON.stringify({ inputs: [{ name: 'text', shape: [1], datatype: 'BYTES', data: ['hello'] }] });
    const headers = { 'content-type': 'application/json' };
    const { headers: given, ...answer } = await fetch(`${entrance}/v2/models/mail/infer`, {
      method: 'POST',
      body,
      headers,
    }).then(async (response) => ({ headers: response.headers, status: response.status, text: await response.text() }));
    expect(answer.status).toBe(200);
    return { version: given.get('x-lastgood-version'), how: given.get('x-lastgood-cache') };
  }

  it('serves nothing of the version that was left after settle, from the gateway or from Redis', async () => {
    redis = await RedisServer.start();
    const [blue, green] = await Promise.all([serve('c'), serve('d')]);
    const dir = temporaryDirectory('caches');
    const config = join(dir, 'lastgood.yaml');
    writeFileSync(
      config,
      `api: { listen: '127.0.0.1:0' }
gateway: { metrics: '127.0.0.1:0' }
services:
  mail:
    model: mail
    serving:
      runtime: external
      versions: { blue: '${blue}', green: '${green}' }
      probes: [{ id: hello, request: { inputs: [{ name: text, shape: [1], datatype: BYTES, data: [hello] }] }, expect: { output: label, value: spam } }]
    caches:
      responses: { kind: redis, address: '127.0.0.1:${redis.port}' }
      answers: { kind: gateway, strategy: auto, sla: 1s, ttl: 1h }
    policy: { verify: { max: 3s } }
`,
    );
    up = new UpProcess(await compiledProduct(), dir, config);
    await up.start();
    await until(
      'both addresses',
      async () => (await view().catch(() => null))?.status?.state.versions.length === 2,
      limitMs,
    );
    await act('deploy', { version: 'blue' });
    const { entrance } = await settledOn('blue');
    await act('deploy', { version: 'green' });
    await settledOn('green');
    const reader = createClient({ socket: { host: '127.0.0.1', port: redis.port } });
    client = reader as unknown as ReturnType<typeof createClient>;
    reader.on('error', () => undefined);
    await reader.connect();
    const pointer = async (): Promise<CachePointer> =>
      JSON.parse((await reader.get(pointerKey('mail', 'responses'))) ?? 'null') as CachePointer;
    const bad = await pointer();
    expect(bad).toMatchObject({ version: 'green', strategy: 'version-tagged' });
    await reader.set(entryKey('mail', 'responses', bad.tag, 'a'), '"of green"');
    expect((await ask(entrance ?? '')).version).toBe('green');
    expect(await ask(entrance ?? '')).toEqual({ version: 'green', how: 'hit' });

    await act('rollback', { to: 'blue' });
    await settledOn('blue');
    const good = await pointer();
    expect(good.version).toBe('blue');
    expect((await ask(entrance ?? '')).version).toBe('blue');
    expect((await steps('step-succeeded')).slice(-2).sort()).toEqual([
      expect.stringMatching(/^cache answers: (version-tagged|invalidate), /),
      'cache responses: version-tagged, as configured',
    ]);
    const { caches } = (await up.api('GET', '/v1/services/mail/caches')).json as { caches: CacheView[] };
    expect(caches).toMatchObject([
      { cache: 'responses', state: { kind: 'redis', version: 'blue' } },
      { cache: 'answers', state: { kind: 'gateway', version: 'blue' } },
    ]);
    expect(await up.end('SIGTERM')).toBe('0');
  }, 600_000);
});
