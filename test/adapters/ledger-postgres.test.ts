import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chainHash } from '../../adapters/ledger/chain';
import type { DatabaseLedger } from '../../adapters/ledger/chained-ledger';
import {
  askPostgresLedger,
  openPostgresLedger,
  type PostgresLedgerOptions,
} from '../../adapters/ledger/postgres-ledger';
import {
  appendMany,
  describeDurableLedger,
  describeLedger,
  ledgerEntry,
  type DurableLedgerUnderTest,
} from '../support/ledger-contract';
import { Authority } from '../support/certificates';
import { describePostgres, PostgresServer } from '../support/postgres-server';
import { SilentProxy } from '../support/silent-proxy';

jest.setTimeout(60_000);

describePostgres('the ledger in PostgreSQL')('the ledger in PostgreSQL', () => {
  let server: PostgresServer;
  let anchors: string;
  const open: DatabaseLedger[] = [];
  beforeAll(async () => {
    server = await PostgresServer.start();
    anchors = mkdtempSync(join(tmpdir(), 'lastgood-anchors-'));
  });
  afterEach(async () => {
    for (const ledger of open.splice(0)) await ledger.close();
  });
  afterAll(async () => {
    await server.stop();
    rmSync(anchors, { recursive: true });
  });

  /** Each in a schema of its own, so that one server serves all of these tests. */
  function options(schema = `l_${randomUUID().replaceAll('-', '')}`): PostgresLedgerOptions {
    const { port } = server;
    return { host: '127.0.0.1', port, database: 'postgres', user: 'postgres', tls: null, schema };
  }

  async function opened(given: PostgresLedgerOptions = options()): Promise<DatabaseLedger> {
    const ledger = await openPostgresLedger(given);
    open.push(ledger);
    return ledger;
  }

  function underTest(): DurableLedgerUnderTest {
    const given = options();
    return {
      open: () => opened(given),
      reopen: async () => {
        await open.at(-1)?.close();
        return opened(given);
      },
      dispose: async () => {},
    };
  }
  describeLedger('PostgreSQL', underTest);
  describeDurableLedger('PostgreSQL', underTest);

  test('two controllers that append at once make one unbroken chain with every entry once', async () => {
    const given = options();
    const [one, other] = [await opened(given), await opened(given)];
    const counters = Array.from({ length: 40 }, (_, index) => index + 1);
    const results = await Promise.all(
      counters.flatMap((counter) => [one.append(ledgerEntry(counter)), other.append(ledgerEntry(counter))]),
    );
    expect(results.filter(({ repeated }) => !repeated)).toHaveLength(40);
    expect(await other.verify('mail-triage')).toEqual({ ok: true, entries: 40, breaks: [] });
  });

  test('two controllers that come up at once on an empty database make its tables once', async () => {
    const given = options();
    const ledgers = await Promise.all([opened(given), opened(given), opened(given)]);
    await Promise.all(ledgers.map((ledger, index) => ledger.append(ledgerEntry(index + 1))));
    expect((await ledgers[0].verify('mail-triage')).entries).toBe(3);
  });

  test('the database refuses to change, delete or empty what was written, and a head that goes back', async () => {
    const given = options();
    await appendMany(await opened(given), 1, 3);
    const attempts = [
      `update ${given.schema}.ledger_entry set entry = '{}' where seq = 2`,
      `delete from ${given.schema}.ledger_entry where seq = 3`,
      `truncate ${given.schema}.ledger_entry`,
      `delete from ${given.schema}.ledger_head`,
      `update ${given.schema}.ledger_head set seq = 1`,
    ];
    for (const attempt of attempts) await expect(server.sql(attempt)).rejects.toThrow('the ledger is append-only');
  });

  test('whoever owns the tables can still change an entry; it is found, and a forged chain contradicts its anchor', async () => {
    const given = { ...options(), anchorFile: join(anchors, 'anchors.jsonl') };
    const ledger = await opened(given);
    await appendMany(ledger, 1, 5);
    await ledger.anchor();
    const table = `${given.schema}.ledger_entry`;
    await server.sql(
      `alter table ${table} disable trigger all; alter table ${given.schema}.ledger_head disable trigger all`,
    );
    await server.sql(`update ${table} set entry = replace(entry, '0.78', '0.99') where seq = 3`);
    expect((await ledger.verify('mail-triage')).breaks).toEqual([expect.objectContaining({ seq: 3 })]);
    let previous: string | null = null;
    for (const row of await server.sql<{ seq: string; entry: string; previous_hash: string }>(
      `select seq, entry, previous_hash from ${table} order by seq`,
    )) {
      previous ??= row.previous_hash;
      const hash: string = chainHash(previous, row.entry);
      await server.sql(`update ${table} set previous_hash='${previous}', hash='${hash}' where seq=${row.seq}`);
      previous = hash;
    }
    await server.sql(`update ${given.schema}.ledger_head set hash='${previous}'`);
    const { ok, breaks } = await ledger.verify('mail-triage');
    expect(ok).toBe(false);
    expect(breaks[0]?.problem).toContain('the anchor of');
  });

  test('I4: a server that crashes loses no acknowledged entry, says why while it is away, and is used again after', async () => {
    const ledger = await opened();
    await appendMany(ledger, 1, 10);
    await server.crash();
    const away = ledger.append(ledgerEntry(11));
    await expect(away).rejects.toMatchObject({ name: 'LedgerUnavailable' });
    await expect(away).rejects.toThrow(/the ledger cannot take an entry: .*(ECONNREFUSED|terminat|closed)/);
    await server.run();
    expect((await ledger.append(ledgerEntry(11))).seq).toBe(11);
    expect(await ledger.verify('mail-triage')).toEqual({ ok: true, entries: 11, breaks: [] });
  });

  test('a network that drops every packet of the old connections costs one append its time, and none after it', async () => {
    const network = await SilentProxy.start(server.port);
    const ledger = await opened({ ...options(), port: network.port });
    try {
      await ledger.append(ledgerEntry(1));
      await Promise.all([1, 2, 3, 4].map(() => ledger.read('mail-triage')));
      expect(network.connections).toBe(4);
      network.dropOld();
      const began = performance.now();
      await expect(ledger.append(ledgerEntry(2))).rejects.toThrow(
        'the ledger cannot take an entry: Query read timeout',
      );
      expect(performance.now() - began).toBeLessThan(8_000);
      expect((await ledger.append(ledgerEntry(2))).seq).toBe(2);
      await Promise.all([1, 2, 3, 4].map(() => ledger.read('mail-triage')));
      expect(await ledger.verify('mail-triage')).toEqual({ ok: true, entries: 2, breaks: [] });
    } finally {
      await network.stop();
    }
  });

  test('a role that may only read and append is enough once the tables are there', async () => {
    const given = options();
    await appendMany(await opened(given), 1, 1);
    await server.sql(`create role writer login;
      grant usage on schema ${given.schema} to writer;
      grant select on all tables in schema ${given.schema} to writer;
      grant insert on ${given.schema}.ledger_entry, ${given.schema}.ledger_head to writer;
      grant update on ${given.schema}.ledger_head to writer`);
    const ledger = await opened({ ...given, user: 'writer' });
    await appendMany(ledger, 2, 3);
    expect((await ledger.verify('mail-triage')).ok).toBe(true);
    const drop = server.sql(`alter table ${given.schema}.ledger_entry disable trigger all`, 'postgres', 'writer');
    await expect(drop).rejects.toThrow('must be owner');
  });

  test('asking makes no tables, and says whether they are there', async () => {
    const given = options();
    expect(await askPostgresLedger(given)).toMatchObject({ tables: false });
    expect(await askPostgresLedger(given)).toMatchObject({ tables: false });
    await opened(given);
    expect(await askPostgresLedger(given)).toEqual({ server: expect.stringMatching(/^15\./), tables: true });
  });

  test('the certificate of the server is compared with serverName, also where the host is a name', async () => {
    const authority = new Authority('ledger test authority');
    await server.speakTls(authority.issue('ledger', 'DNS:ledger.internal'));
    const given = { ...options(), host: 'localhost' };
    const { caFile } = authority;
    await expect(
      askPostgresLedger({ ...given, tls: { caFile, serverName: 'ledger.internal' } }),
    ).resolves.toBeDefined();
    await expect(askPostgresLedger({ ...given, tls: { caFile } })).rejects.toThrow(/localhost.*ledger\.internal/);
    const other = askPostgresLedger({ ...given, tls: { caFile, serverName: 'other.internal' } });
    await expect(other).rejects.toThrow(/other\.internal.*ledger\.internal/);
  });

  test('tables that a newer lastgood wrote are refused by version, and a wrong password in the words of the server', async () => {
    const given = options();
    await (await opened(given)).close();
    await server.sql(`update ${given.schema}.ledger_schema set version = 99, release = '9.1.0'`);
    await expect(openPostgresLedger({ ...given, release: '0.1.0' })).rejects.toThrow(
      /has schema version 99, written by lastgood 9\.1\.0; this is lastgood 0\.1\.0, which knows up to 2: use lastgood 9\.1\.0 or newer, or restore a backup that this release made\. Nothing was changed$/,
    );
    await server.sql(`create role stranger login password 'right'`);
    await server.demandPasswords();
    const stranger = openPostgresLedger({ ...options(), user: 'stranger', password: () => 'wrong' });
    await expect(stranger).rejects.toThrow(
      'the ledger cannot be opened: password authentication failed for user "stranger"',
    );
  });
});
