import { postgresPipeline } from '../../adapters/pipelines/postgres';
import type { PostgresPipelineOptions } from '../../adapters/pipelines/postgres-options';
import type { Pipeline } from '../../activities/ports';
import {
  itemsOf,
  listAll,
  orderOf,
  pipelineContract,
  T0,
  window,
  type PipelineSubject,
  type SourceItem,
} from '../support/contracts/pipeline';
import { ScriptedModel } from '../support/pipelines/scripted-model';
import { describePostgres, PostgresServer } from '../support/postgres-server';

jest.setTimeout(60_000);

const signal = new AbortController().signal;

describePostgres('pipelines in PostgreSQL')('pipelines in PostgreSQL', () => {
  let server: PostgresServer;
  let databases = 0;
  const opened: { close(): Promise<void> }[] = [];

  beforeAll(async () => {
    server = await PostgresServer.start();
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((one) => one.close()));
  });
  afterAll(() => server.stop());

  /** A database of its own: results are rows of an outbox without any rule that would hide a second one. */
  async function subject(
    change: Partial<PostgresPipelineOptions> & { readonly unit?: 'item' | 'batch' } = {},
  ): Promise<
    PipelineSubject & { database: string; sql: <T extends object>(text: string) => Promise<T[]>; again(): Pipeline }
  > {
    const database = `p${(databases += 1)}`;
    await server.sql(`create database ${database}`);
    const sql = <T extends object>(text: string): Promise<T[]> => server.sql<T>(text, database);
    await sql(`create table mails (id text, model text, handled timestamptz, request jsonb, batch text, label text, state text);
      create table outbox (n bigserial, item text, label text, key text)`);
    const model = new ScriptedModel();
    const open = (): Pipeline => {
      const pipeline = postgresPipeline({
        host: '127.0.0.1',
        port: server.port,
        database,
        user: 'postgres',
        tls: null,
        source: {
          table: 'mails',
          id: 'id',
          version: 'model',
          handledAt: 'handled',
          request: 'request',
          batch: 'batch',
        },
        sink: { kind: 'insert', table: 'outbox', columns: { item: 'item', label: { output: 'label' }, key: 'key' } },
        flush: { kind: 'set', columns: { state: 'void' } },
        marks: 'lastgood_redone',
        concurrency: 4,
        unit: 'item',
        ...change,
        models: model,
      });
      opened.push(pipeline);
      return pipeline;
    };
    const pipeline = open();
    return {
      pipeline,
      model,
      database,
      sql,
      again: open,
      fill: async (items: readonly SourceItem[]) => {
        const rows = items.map(
          ({ id, version, atMs, text, batch }) =>
            `('${id}', '${version}', '${new Date(atMs).toISOString()}', '{"text":"${text}"}', ${batch === undefined ? 'null' : `'${batch}'`})`,
        );
        await sql(`insert into mails (id, model, handled, request, batch) values ${rows.join(',')}`);
      },
      effects: async () => {
        const rows = await sql<{ item: string; label: string }>('select item, label from outbox order by item, n');
        const effects = new Map<string, string[]>();
        for (const { item, label } of rows) effects.set(item, [...(effects.get(item) ?? []), label]);
        return effects;
      },
    };
  }

  pipelineContract('PostgreSQL', () => subject());

  it('says that its effects happen exactly once', async () => {
    expect((await subject()).pipeline.guarantee.kind).toBe('exactly-once');
  });

  it('writes the result into the row of the item, in the types of its columns', async () => {
    const { pipeline, fill, sql } = await subject({
      sink: { kind: 'update', columns: { label: { output: 'label' }, model: 'version' } },
    });
    await fill(itemsOf(2));

    await pipeline.treat(orderOf(), await listAll(pipeline), signal);

    expect(await sql('select id, label, model from mails order by id')).toEqual([
      { id: 'item-0000', label: 'good:t0', model: '1.2' },
      { id: 'item-0001', label: 'good:t1', model: '1.2' },
    ]);
  });

  it('flags both items of an id that occurs twice, and touches neither', async () => {
    const { pipeline, fill, effects } = await subject();
    await fill([...itemsOf(2), { id: 'item-0001', version: '1.3', atMs: T0 + 900, text: 'again' }]);

    const treated = await pipeline.treat(orderOf(), await listAll(pipeline), signal);

    expect(treated.find(({ item }) => item === 'item-0001')).toMatchObject({
      outcome: 'flagged',
      why: 'PipelineItemTwice: the id occurs more than once',
    });
    expect([...(await effects()).keys()]).toEqual(['item-0000']);
  });

  it('leaves what something else has handled meanwhile as it is', async () => {
    const { pipeline, fill, effects, sql, model } = await subject();
    await fill(itemsOf(3));
    const units = await listAll(pipeline);
    model.before = async (key) => {
      if (key.endsWith('item-0001')) await sql(`update mails set model = '1.2' where id = 'item-0001'`);
      return undefined;
    };

    const treated = await pipeline.treat(orderOf(), units, signal);

    expect(treated.map(({ item, outcome }) => [item, outcome])).toEqual([
      ['item-0000', 'redone'],
      ['item-0001', 'superseded'],
      ['item-0002', 'redone'],
    ]);
    expect((await effects()).has('item-0001')).toBe(false);
  });

  it('flags the item whose result the table refuses, and redoes the others', async () => {
    const { pipeline, fill, effects, sql } = await subject();
    await sql(`alter table outbox add check (label <> 'good:t1')`);
    await fill(itemsOf(3));

    const treated = await pipeline.treat(orderOf(), await listAll(pipeline), signal);

    expect(treated.filter(({ outcome }) => outcome === 'flagged').map(({ item }) => item)).toEqual(['item-0001']);
    expect([...(await effects()).keys()]).toEqual(['item-0000', 'item-0002']);
  });

  it('marks void what is flushed', async () => {
    const { pipeline, fill, sql } = await subject();
    await fill(itemsOf(2));

    const treated = await pipeline.treat(orderOf({ action: 'flush' }), await listAll(pipeline), signal);

    expect(treated.map(({ outcome }) => outcome)).toEqual(['flushed', 'flushed']);
    expect(await sql('select distinct state from mails')).toEqual([{ state: 'void' }]);
  });

  it('lists the batches of which the version handled only a part, with how much of them', async () => {
    const { pipeline, fill } = await subject();
    await fill([
      ...itemsOf(3, { batch: 'whole' }),
      { id: 'a', version: '1.3', atMs: T0 + 1, text: 'a', batch: 'partly' },
      { id: 'b', version: '1.2', atMs: T0 + 2, text: 'b', batch: 'partly' },
    ]);

    expect(await pipeline.partlyHandled?.(window, null, 10)).toEqual({
      units: [{ id: 'partly', items: 2, degraded: 1 }],
      next: null,
    });
  });

  it('treats a batch as a whole: all of its items or, when the model refuses one, none', async () => {
    const { pipeline, fill, effects, model } = await subject({ unit: 'batch' });
    await fill([
      { id: 'a', version: '1.3', atMs: T0 + 1, text: 'a', batch: 'one' },
      { id: 'b', version: '1.2', atMs: T0 - 9_000, text: 'b', batch: 'one' },
      { id: 'c', version: '1.3', atMs: T0 + 3, text: 'c', batch: 'two' },
      { id: 'd', version: '1.3', atMs: T0 + 4, text: 'd', batch: 'two' },
      { id: 'e', version: '1.3', atMs: T0 + 5, text: 'e' },
    ]);
    model.before = (key) => (key.endsWith('/d') ? { kind: 'refused', status: 400 } : undefined);
    const units = await listAll(pipeline, 1);
    expect(units.map(({ id, items, degraded }) => [id, items, degraded])).toEqual([
      ['one', 2, 1],
      ['two', 2, 2],
      ['e', 1, 1],
    ]);

    const treated = await pipeline.treat(orderOf({ unit: 'batch' }), units, signal);

    expect(treated.map(({ unit, item, outcome }) => [unit, item, outcome])).toEqual([
      ['e', 'e', 'redone'],
      ['one', 'a', 'redone'],
      ['one', 'b', 'redone'],
      ['two', 'batch:two', 'flagged'],
    ]);
    expect([...(await effects()).keys()]).toEqual(['a', 'b', 'e']);
  });

  it('waits for a row that somebody else has locked, and does the others meanwhile', async () => {
    const { pipeline, fill, effects, database } = await subject();
    await fill(itemsOf(3));
    const { default: pg } = await import('pg');
    const other = new pg.Client({ host: '127.0.0.1', port: server.port, user: 'postgres', database });
    await other.connect();
    await other.query('begin');
    await other.query(`select * from mails where id = 'item-0001' for update`);
    const treating = pipeline.treat(orderOf(), await listAll(pipeline), signal).catch((error: unknown) => error);
    await expect(treating).resolves.toMatchObject({ name: 'PipelineUnreachable' });
    expect([...(await effects()).keys()]).toEqual(['item-0000', 'item-0002']);
    await other.query('rollback');
    await other.end();

    await pipeline.treat(orderOf(), await listAll(pipeline), signal);

    expect([...(await effects()).values()].map((results) => results.length)).toEqual([1, 1, 1]);
  });

  it('names a table that is not there, and a server that is not there, differently', async () => {
    const { pipeline } = await subject({
      source: { table: 'nowhere', id: 'id', version: 'v', handledAt: 'h', request: null, batch: null },
    });
    await expect(pipeline.list(window, null, 10)).rejects.toMatchObject({ name: 'PipelineRefused' });
    const { pipeline: away } = await subject({ port: 1 });
    await expect(away.list(window, null, 10)).rejects.toMatchObject({ name: 'PipelineUnreachable' });
  });

  it('has every effect once when the server crashes in the middle and comes back', async () => {
    const { pipeline, fill, effects, model, again } = await subject();
    await fill(itemsOf(200));
    const units = await listAll(pipeline, 100);
    const crashing: Promise<void>[] = [];
    model.before = async () => {
      if (model.keys.length === 120) {
        crashing.push(server.crash());
        await crashing[0];
      }
      return undefined;
    };
    await expect(pipeline.treat(orderOf(), units, signal)).rejects.toMatchObject({ name: 'PipelineUnreachable' });
    await Promise.all(crashing);
    await server.run();
    expect((await effects()).size).toBeGreaterThan(0);
    expect((await effects()).size).toBeLessThan(200);

    await again().treat(orderOf(), units, signal);

    expect([...(await effects()).values()].map((results) => results.length)).toEqual(Array(200).fill(1));
  });
});
