import { redisPipeline } from '../../adapters/pipelines/redis';
import { PipelineRedis } from '../../adapters/pipelines/redis-client';
import type { Pipeline } from '../../activities/ports';
import {
  itemsOf,
  listAll,
  orderOf,
  pipelineContract,
  T0,
  window,
  type PipelineSubject,
} from '../support/contracts/pipeline';
import { describeRedis, RedisOnDisk } from '../support/pipelines/redis-server';
import { ScriptedModel } from '../support/pipelines/scripted-model';

jest.setTimeout(60_000);

const signal = new AbortController().signal;

describeRedis('pipelines in Redis')('pipelines in Redis', () => {
  let server: RedisOnDisk;
  const opened: { close(): Promise<void> }[] = [];
  let streams = 0;

  beforeAll(async () => {
    server = await RedisOnDisk.start();
  }, 90_000);
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((one) => one.close()));
  });
  afterAll(() => server.stop());

  async function subject(
    url = server.url,
  ): Promise<PipelineSubject & { again(): Pipeline; raw: PipelineRedis; stream: string }> {
    const raw = new PipelineRedis({ url: server.url, user: null, passwordFile: null });
    opened.push(raw);
    const stream = `items${(streams += 1)}`;
    await raw.ask(['DEL', 'lastgood:redone:mail:2026-05-01-1:triage']);
    const model = new ScriptedModel();
    const open = (): Pipeline => {
      const fields = { id: 'id', version: 'model', request: 'request' };
      const place = { url, user: null, passwordFile: null, stream, results: `${stream}-results`, fields };
      const pipeline = redisPipeline({ ...place, concurrency: 4, models: model });
      opened.push(pipeline);
      return pipeline;
    };
    return {
      pipeline: open(),
      again: open,
      raw,
      stream,
      model,
      fill: async (items) => {
        for (const [at, { id, version, atMs, text }] of [...items].sort((a, b) => a.atMs - b.atMs).entries()) {
          const request = JSON.stringify({ text });
          await raw.ask(['XADD', stream, `${atMs}-${at + 1}`, 'id', id, 'model', version, 'request', request]);
        }
      },
      effects: async () => {
        const entries = (await raw.ask(['XRANGE', `${stream}-results`, '-', '+'])) as [string, string[]][];
        const effects = new Map<string, string[]>();
        for (const [, flat] of entries) {
          const item = flat[flat.indexOf('item') + 1] ?? '';
          const { label } = JSON.parse(flat[flat.indexOf('outputs') + 1] ?? '{}') as { label: string };
          effects.set(item, [...(effects.get(item) ?? []), label]);
        }
        return new Map([...effects].sort(([a], [b]) => (a < b ? -1 : 1)));
      },
    };
  }

  pipelineContract('Redis', () => subject());

  it('flags an id that occurs twice, also where the other one is on another page', async () => {
    const { pipeline, fill, effects } = await subject();
    await fill([...itemsOf(3), { id: 'item-0000', version: '1.3', atMs: T0 + 900, text: 'again' }]);
    const units = await listAll(pipeline);

    await pipeline.treat(orderOf(), units.slice(0, 3), signal);
    const second = await pipeline.treat(orderOf(), units.slice(3), signal);

    expect(second).toMatchObject([
      { item: 'item-0000', outcome: 'flagged', why: expect.stringContaining('PipelineItemTwice') },
    ]);
    expect((await effects()).get('item-0000')).toEqual(['good:t0']);
  });

  it('takes what is flushed out of the stream', async () => {
    const { pipeline, fill, raw, stream } = await subject();
    await fill(itemsOf(2));

    await pipeline.treat(orderOf({ action: 'flush' }), await listAll(pipeline), signal);

    expect(await raw.ask(['XLEN', stream])).toBe(0);
  });

  it('tells a server that is away from one that refuses', async () => {
    const { pipeline: away } = await subject('redis://127.0.0.1:1');
    await expect(away.list(window, null, 5)).rejects.toMatchObject({ name: 'PipelineUnreachable' });
    const { pipeline, raw, stream } = await subject();
    await raw.ask(['SET', stream, 'no stream']);
    await expect(pipeline.list(window, null, 5)).rejects.toMatchObject({ name: 'PipelineRefused' });
  });

  it('has every effect once when the server is killed in the middle and comes back', async () => {
    const { pipeline, fill, effects, model } = await subject();
    await fill(itemsOf(120));
    const units = await listAll(pipeline, 100);
    model.before = async () => {
      if (model.keys.length === 70) await server.kill();
      return undefined;
    };
    await expect(pipeline.treat(orderOf(), units, signal)).rejects.toMatchObject({ name: 'PipelineUnreachable' });
    await server.run();
    const { size } = await effects();
    expect(size).toBeGreaterThan(0);
    expect(size).toBeLessThan(120);

    await pipeline.treat(orderOf(), units, signal);

    expect([...(await effects()).values()].map((results) => results.length)).toEqual(Array(120).fill(1));
  });
});
