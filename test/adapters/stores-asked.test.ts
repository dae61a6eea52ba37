import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PipelineRedis } from '../../adapters/pipelines/redis-client';
import { checkStores } from '../../cli/checks/stores';
import { loadConfiguration } from '../../workers/configuration/load';
import { readEnvironment } from '../../workers/environment';
import { packageDirectory } from '../../workers/program';
import { describeRedis, RedisOnDisk } from '../support/pipelines/redis-server';
import { describePostgres, PostgresServer } from '../support/postgres-server';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

jest.setTimeout(60_000);

const directory = temporaryDirectory('stores-asked');
afterAll(removeTemporary);

async function judged(inService: string): Promise<string[]> {
  const file = join(directory, 'lastgood.yaml');
  const serving = "serving: { runtime: external, versions: { '1': 'http://127.0.0.1:9' } }";
  writeFileSync(file, `services:\n  mail:\n    model: m\n    ${serving}\n    ${inService}\n`);
  const findings = await checkStores(loadConfiguration(file), readEnvironment());
  return findings.map(({ what, level, said }) => `${level} ${what}: ${said}`);
}

describeRedis('caches and pipelines in Redis, asked')('caches and pipelines in Redis, asked', () => {
  let server: RedisOnDisk;
  let raw: PipelineRedis;
  const pipeline = (user: string, more = ''): string =>
    `pipelines: { out: { kind: redis, action: reprocess, url: '${server.url}', ${user} stream: mails, results: redone, id: id, version: model, request: request${more} } }`;
  const cache = (user: string): string =>
    `caches: { answers: { kind: redis, address: '127.0.0.1:${server.port}'${user} } }`;

  beforeAll(async () => {
    writeFileSync(join(directory, 'secret'), 'pw');
    server = await RedisOnDisk.start();
    raw = new PipelineRedis({ url: server.url, user: null, passwordFile: null });
    const reads = ['+@read', '+@connection', '+info', '+eval'];
    await raw.ask(['ACL', 'SETUSER', 'reader', 'on', '>pw', '~*', ...reads]);
    await raw.ask(['XADD', 'mails', '*', 'id', 'a']);
  }, 90_000);
  afterAll(async () => {
    await raw.close();
    await server.stop();
  });

  it('are fine where the user may do everything, with the version, and are as they were afterwards', async () => {
    const before = await raw.ask(['KEYS', '*']);
    const [asked, kept] = [await judged(pipeline('')), await judged(cache(''))];
    expect([...asked, ...kept]).toEqual([
      expect.stringMatching(/^ok mail: pipeline out: Redis at \S+, version [67]\./),
      expect.stringMatching(/^ok mail: cache answers: Redis at \S+, version [67]\./),
    ]);
    expect(await raw.ask(['KEYS', '*'])).toEqual(before);
    expect(await raw.ask(['XLEN', 'mails'])).toBe(1);
  });

  it('are fine for a user who has exactly the rights of the page, and wrong without any one of them', async () => {
    const page = readFileSync(join(packageDirectory(), 'docs', 'caches.md'), 'utf8');
    const said = /The user of\s+`lastgood` needs ([^.]*?) on `lastgood:\*` and `SERVICE:\*`/.exec(page)?.[1] ?? '';
    const rights = [...said.matchAll(/`(\w+)`/g)].map(([, right]) => right?.toLowerCase() ?? '');
    expect(rights.length).toBeGreaterThan(5);
    const allow = (names: readonly string[]): Promise<unknown> =>
      raw.ask([
        'ACL',
        'SETUSER',
        'least',
        'reset',
        'on',
        '>pw',
        '~lastgood:*',
        '~mail:*',
        ...names.map((n) => `+${n}`),
      ]);
    await allow(rights);
    const of = ', user: least, passwordFile: secret';
    expect(await judged(cache(of))).toEqual([expect.stringMatching(/^ok mail: cache answers: /)]);
    for (const missing of rights) {
      await allow(rights.filter((right) => right !== missing));
      // What only a script calls is refused by the server without its name.
      const refused = new RegExp(`^wrong .*(NOPERM.*${missing}|script can't run this command)`, 'i');
      expect(await judged(cache(of))).toEqual([expect.stringMatching(refused)]);
    }
  });

  it('are wrong where the user may only read, in the words of the server', async () => {
    const [asked] = await judged(pipeline('user: reader, passwordFile: secret,'));
    expect(asked).toMatch(/^wrong .*NOPERM.*xdel.*NOPERM.*xadd.*NOPERM.*hdel/i);
    expect(asked).not.toMatch(/xrange/i);
    const [kept] = await judged(cache(', user: reader, passwordFile: secret'));
    expect(kept).toMatch(/^wrong .*NOPERM.*'set'.*NOPERM.*'unlink'/);
  });

  it('are wrong where the group is not there, the key is no stream, or the password is another', async () => {
    expect(await judged(pipeline('', ', group: senders'))).toEqual([
      expect.stringContaining('the stream mails has no consumer group senders'),
    ]);
    await raw.ask(['SET', 'text', 'no stream']);
    expect((await judged(pipeline('').replace('stream: mails', 'stream: text')))[0]).toContain('WRONGTYPE');
    expect((await judged(cache(', user: nobody, passwordFile: secret')))[0]).toContain('WRONGPASS');
  });

  it('are wrong where nobody answers', async () => {
    const found = await judged("caches: { answers: { kind: redis, address: '127.0.0.1:1' } }");
    expect(found).toEqual([expect.stringMatching(/^wrong mail: cache answers: .*ECONNREFUSED/)]);
  });
});

describePostgres('pipelines in PostgreSQL, asked')('pipelines in PostgreSQL, asked', () => {
  let server: PostgresServer;
  const pipeline = (user: string, more = ''): string =>
    `pipelines: { triage: { kind: postgres, action: reprocess, database: { host: 127.0.0.1, port: ${server.port}, database: postgres, user: ${user} }, ` +
    `table: mails, id: id, version: model, handledAt: handled, request: request, result: { into: outbox, columns: { item: item } }${more} } }`;

  beforeAll(async () => {
    server = await PostgresServer.start();
    await server.sql('create table mails (id text, model text, handled timestamptz, request jsonb)');
    await server.sql('create table outbox (item text); create role reader login; grant select on mails to reader');
  }, 60_000);
  afterAll(() => server.stop());

  it('are fine where everything is there, and make no table', async () => {
    expect(await judged(pipeline('postgres'))).toEqual([
      expect.stringMatching(/^ok mail: pipeline triage: PostgreSQL at \S+, version 15\./),
    ]);
    expect(await server.sql("select to_regclass('lastgood_redone') as found")).toEqual([{ found: null }]);
  });

  it('are wrong where the role may only read', async () => {
    const [said] = await judged(pipeline('reader'));
    expect(said).toContain('mails: the role may not update; grant update');
    expect(said).toContain('outbox: the role may not insert');
    expect(said).toContain(
      'found no table lastgood_redone for the marks, and the role may not make it in schema public',
    );
  });

  it('are wrong where a column, a table, the role or the server is missing', async () => {
    expect((await judged(pipeline('postgres').replace('model, handledAt', 'variant, handledAt')))[0]).toContain(
      'mails: found no column variant',
    );
    expect((await judged(pipeline('postgres').replace('into: outbox', 'into: nowhere')))[0]).toContain(
      'found no table nowhere',
    );
    expect((await judged(pipeline('nobody')))[0]).toContain('role "nobody" does not exist');
    expect((await judged(pipeline('postgres').replace(/port: \d+/, 'port: 1')))[0]).toContain('ECONNREFUSED');
  });
});
