import { redisPipeline, type RedisPipelineOptions } from '../../adapters/pipelines/redis';
import { PipelineRedis } from '../../adapters/pipelines/redis-client';
import type { Pipeline, UnitPage } from '../../activities/ports';
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
    change: Partial<RedisPipelineOptions> = {},
  ): Promise<PipelineSubject & { again(): Pipeline; raw: PipelineRedis; stream: string }> {
    const raw = new PipelineRedis({ url: server.url, user: null, passwordFile: null });
    opened.push(raw);
    const stream = `items${(streams += 1)}`;
    await raw.ask(['DEL', 'lastgood:redone:mail:2026-05-01-1:triage']);
    const model = new ScriptedModel();
    const open = (): Pipeline => {
      const fields = { id: 'id', version: 'model', request: 'request', batch: 'batch' };
      const whole = { unit: 'item' as const, batchWithinMs: 60_000, group: null };
      const place = { url, user: null, passwordFile: null, stream, results: `${stream}-results`, fields };
      const pipeline = redisPipeline({ ...place, ...whole, concurrency: 4, models: model, ...change });
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
        for (const [at, { id, version, atMs, text, batch }] of [...items].sort((a, b) => a.atMs - b.atMs).entries()) {
          const request = JSON.stringify({ text });
          await raw.ask([
            'XADD',
            stream,
            `${atMs}-${at + 1}`,
            'id',
            id,
            'model',
            version,
            'request',
            request,
            ...(batch === undefined ? [] : ['batch', batch]),
          ]);
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

  const batches = [
    { id: 'a', version: '1.2', atMs: T0 - 9_000, text: 'a', batch: 'one' },
    { id: 'b', version: '1.3', atMs: T0 + 1, text: 'b', batch: 'one' },
    { id: 'c', version: '1.3', atMs: T0 + 2, text: 'c', batch: 'two' },
    { id: 'd', version: '1.3', atMs: T0 + 3, text: 'd', batch: 'two' },
    { id: 'e', version: '1.3', atMs: T0 + 4, text: 'e' },
    { id: 'f', version: '1.3', atMs: T0 + 5, text: 'f', batch: 'one' },
    { id: 'g', version: '1.2', atMs: T0 + 6, text: 'g', batch: 'three' },
  ];

  it.each([1, 2, 100])(
    'lists batches once, with how much the version handled of them, in pages of %s',
    async (limit) => {
      const { pipeline, fill } = await subject(server.url, { unit: 'batch' });
      await fill(batches);

      expect(await listAll(pipeline, limit)).toMatchObject([
        { id: 'one', items: 3, degraded: 2 },
        { id: 'two', items: 2, degraded: 2 },
        { id: 'e', alone: true },
      ]);
      const partly: string[] = [];
      for (let cursor: string | null = null, more = true; more; more = cursor !== null) {
        const page: UnitPage = (await pipeline.partlyHandled?.(window, cursor, limit)) ?? { units: [], next: null };
        partly.push(...page.units.map(({ id }) => id));
        cursor = page.next;
      }
      expect(partly).toEqual(['one']);
    },
  );

  it('treats a batch as a whole: all of its items or, when the model refuses one, none', async () => {
    const { pipeline, again, fill, effects, model } = await subject(server.url, { unit: 'batch' });
    await fill(batches);
    const units = await listAll(pipeline);
    model.before = (key) => (key.endsWith('/d') ? { kind: 'refused', status: 422 } : undefined);

    const treated = await pipeline.treat(orderOf({ unit: 'batch' }), units, signal);

    expect(treated.map(({ unit, item, outcome }) => [unit, item, outcome])).toEqual([
      ['e', 'e', 'redone'],
      ['one', 'a', 'redone'],
      ['one', 'b', 'redone'],
      ['one', 'f', 'redone'],
      ['two', 'batch:two', 'flagged'],
    ]);
    expect([...(await effects()).keys()]).toEqual(['a', 'b', 'e', 'f']);
    const asked = model.keys.length;
    expect(await again().treat(orderOf({ unit: 'batch' }), units, signal)).toEqual(treated);
    expect(model.keys).toHaveLength(asked);
    expect([...(await effects()).values()].every((results) => results.length === 1)).toBe(true);
  });

  it('touches no item of a batch of which one was treated elsewhere', async () => {
    const { pipeline, fill, effects } = await subject(server.url, { unit: 'batch' });
    await fill([...batches, { id: 'b', version: '1.3', atMs: T0 + 7, text: 'again' }]);
    const units = await listAll(pipeline);
    await pipeline.treat(
      orderOf({ unit: 'batch' }),
      units.filter(({ alone }) => alone),
      signal,
    );

    const treated = await pipeline.treat(
      orderOf({ unit: 'batch' }),
      units.filter(({ id }) => id === 'one'),
      signal,
    );

    expect(treated).toMatchObject([{ item: 'batch:one', why: expect.stringContaining('PipelineItemTwice') }]);
    expect((await effects()).get('b')).toEqual(['good:again']);
  });

  describe('with a consumer group that acts on the stream', () => {
    async function halfRead(): Promise<Awaited<ReturnType<typeof subject>> & { left(): Promise<string[]> }> {
      const opened = await subject(server.url, { group: 'senders' });
      const { raw, stream, fill } = opened;
      await fill(itemsOf(3));
      await raw.ask(['XGROUP', 'CREATE', stream, 'senders', '0']);
      // The first is done, the second in hand, the third waits.
      const read = ['XREADGROUP', 'GROUP', 'senders', 'one', 'COUNT', '2', 'STREAMS', stream, '>'];
      await raw.ask(read);
      await raw.ask(['XACK', stream, 'senders', `${T0}-1`]);
      const left = async (): Promise<string[]> =>
        ((await raw.ask(['XRANGE', stream, '-', '+'])) as [string, string[]][]).map(([, flat]) => flat[1] ?? '');
      return { ...opened, left };
    }

    it('replaces what it has not read yet, so that it acts on one result only', async () => {
      const { pipeline, effects, left } = await halfRead();

      await pipeline.treat(orderOf(), await listAll(pipeline), signal);

      expect([...(await effects()).keys()]).toEqual(['item-0000', 'item-0001', 'item-0002']);
      expect(await left()).toEqual(['item-0000', 'item-0001']);
    });

    it('flushes only what it has not read yet, and says why not the others', async () => {
      const { pipeline, left } = await halfRead();

      const treated = await pipeline.treat(orderOf({ action: 'flush' }), await listAll(pipeline), signal);

      expect(treated).toMatchObject([
        { outcome: 'flagged', why: expect.stringContaining('senders has read it') },
        { outcome: 'flagged', why: expect.stringContaining('has it in hand') },
        { outcome: 'flushed' },
      ]);
      expect(await left()).toEqual(['item-0000', 'item-0001']);
    });

    it('names a group that is not there', async () => {
      const { pipeline, raw, stream } = await halfRead();
      await raw.ask(['XGROUP', 'DESTROY', stream, 'senders']);

      const treated = pipeline.treat(orderOf(), await listAll(pipeline), signal);

      await expect(treated).rejects.toMatchObject({
        name: 'PipelineRefused',
        message: expect.stringContaining('no consumer group senders'),
      });
    });
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
