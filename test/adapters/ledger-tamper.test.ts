import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import { chainHash } from '../../adapters/ledger/chain';
import { openSqliteLedger, type SqliteLedger } from '../../adapters/ledger/sqlite-ledger';
import { appendMany, ledgerEntry } from '../support/ledger-contract';

const service = 'mail-triage';
let directory: string;
let file: string;
let ledger: SqliteLedger;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'lastgood-tamper-'));
  file = join(directory, 'ledger.db');
  ledger = await openSqliteLedger({ file, anchorFile: join(directory, 'elsewhere', 'anchors.ndjson') });
  await appendMany(ledger, 1, 8);
});

afterEach(async () => {
  await ledger.close();
  rmSync(directory, { recursive: true });
});

/** What somebody with access to the file can do: a second connection, the triggers dropped. */
function tamper(...statements: string[]): void {
  const raw = new Database(file);
  for (const name of ['entry_no_update', 'entry_no_delete', 'head_no_delete', 'head_only_grows']) {
    raw.exec(`DROP TRIGGER IF EXISTS ledger_${name}`);
  }
  for (const statement of statements) raw.exec(statement);
  raw.close();
}

/** Rewrites the entry at `seq` and every later one into a chain that is consistent in itself, head record included. */
function forgeFrom(seq: number): void {
  const raw = new Database(file);
  raw.exec('DROP TRIGGER ledger_entry_no_update');
  raw.exec('DROP TRIGGER ledger_head_only_grows');
  const rows = raw.prepare('SELECT seq, entry, previous_hash, hash FROM ledger_entry ORDER BY seq').all([]) as {
    seq: number;
    entry: string;
    previous_hash: string;
    hash: string;
  }[];
  let previous = rows[seq - 2]?.hash ?? '';
  for (const row of rows.slice(seq - 1)) {
    const entry = row.seq === seq ? row.entry.replace('0.78', '0.99') : row.entry;
    const hash = chainHash(previous, entry);
    raw
      .prepare('UPDATE ledger_entry SET entry=?, previous_hash=?, hash=? WHERE seq=?')
      .run(entry, previous, hash, row.seq);
    previous = hash;
  }
  raw.prepare('UPDATE ledger_head SET hash=?').run(previous);
  raw.close();
}

const changed = (seq: number) => `UPDATE ledger_entry SET entry = replace(entry, '0.78', '0.99') WHERE seq = ${seq}`;

describe('the database itself', () => {
  test.each([
    ['update of an entry', `UPDATE ledger_entry SET entry = '{}' WHERE seq = 3`],
    ['delete of an entry', 'DELETE FROM ledger_entry WHERE seq = 3'],
    ['delete of the head record', 'DELETE FROM ledger_head'],
    ['head record that goes back', 'UPDATE ledger_head SET seq = 2'],
  ])('refuses the %s', async (_title, statement) => {
    const raw = new Database(file);
    expect(() => raw.exec(statement)).toThrow('the ledger is append-only');
    raw.close();
    expect(await ledger.verify(service)).toEqual({ ok: true, entries: 8, breaks: [] });
  });
});

describe('the verification of a tampered chain', () => {
  const located = async () => (await ledger.verify(service)).breaks;

  test('locates changed content', async () => {
    tamper(changed(4));
    expect(await located()).toEqual([{ seq: 4, problem: expect.stringContaining('its content was changed') }]);
  });

  test('locates changed content in the last entry', async () => {
    tamper(changed(8));
    expect(await located()).toEqual([{ seq: 8, problem: expect.stringContaining('its content was changed') }]);
  });

  test('locates each of several changes', async () => {
    tamper(changed(2), changed(3), changed(7));
    expect((await located()).map((found) => found.seq)).toEqual([2, 3, 7]);
  });

  test('locates changed content whose own hash was computed anew', async () => {
    const raw = new Database(file);
    const rows = raw.prepare('SELECT entry, previous_hash FROM ledger_entry WHERE seq=4').all([]);
    const { entry, previous_hash } = rows[0] as { entry: string; previous_hash: string };
    const forged = entry.replace('0.78', '0.99');
    raw.exec('DROP TRIGGER ledger_entry_no_update');
    const update = raw.prepare('UPDATE ledger_entry SET entry=?, hash=? WHERE seq=4');
    update.run(forged, chainHash(previous_hash, forged));
    raw.close();
    expect(await located()).toEqual([{ seq: 4, problem: expect.stringContaining('it was replaced') }]);
  });

  test('locates a forged hash and says that the content is intact', async () => {
    tamper(`UPDATE ledger_entry SET hash = '${'a'.repeat(64)}' WHERE seq = 4`);
    expect(await located()).toEqual([{ seq: 4, problem: 'its hash was replaced; its content is intact' }]);
  });

  test('locates a forged link to the predecessor and says that the content is intact', async () => {
    tamper(`UPDATE ledger_entry SET previous_hash = '${'a'.repeat(64)}' WHERE seq = 4`);
    expect(await located()).toEqual([{ seq: 4, problem: expect.stringContaining('its link to the entry before') }]);
  });

  test('locates a column that says something else than the hashed text', async () => {
    tamper(`UPDATE ledger_entry SET kind = 'settled' WHERE seq = 5`);
    expect(await located()).toEqual([{ seq: 5, problem: expect.stringContaining('its column kind says settled') }]);
    await expect(ledger.read(service)).rejects.toThrow(/entry 5 .*cannot be read/);
  });

  test('locates one deleted entry, several, and the first', async () => {
    tamper('DELETE FROM ledger_entry WHERE seq IN (1, 3, 5, 6)');
    expect(await located()).toEqual([
      { seq: 1, problem: 'it was deleted' },
      { seq: 3, problem: 'it was deleted' },
      { seq: 5, problem: 'entries 5 to 6 were deleted' },
    ]);
  });

  test('locates a deleted entry whose successors were renumbered', async () => {
    const renumber = [5, 6, 7, 8].map((seq) => `UPDATE ledger_entry SET seq = ${seq - 1} WHERE seq = ${seq}`);
    tamper('DELETE FROM ledger_entry WHERE seq = 4', ...renumber);
    const found = await located();
    expect(found[0]).toEqual({ seq: 3, problem: expect.stringContaining('something between 3 and 4 was removed') });
    expect(found.slice(1)).toEqual([{ seq: 8, problem: expect.stringContaining('the tail was cut') }]);
  });

  test('locates two entries that changed places', async () => {
    const move = (from: number, to: number) => `UPDATE ledger_entry SET seq = ${to} WHERE seq = ${from}`;
    tamper(move(4, 100), move(5, 4), move(100, 5));
    const found = await located();
    expect(found.map((one) => one.seq)).toEqual([4, 5, 6]);
    expect(found[0]?.problem).toContain('it was written after the entry that now stands at 5');
  });

  test('locates a cut tail by the head record', async () => {
    tamper('DELETE FROM ledger_entry WHERE seq > 6');
    expect(await located()).toEqual([{ seq: 7, problem: expect.stringContaining('entries 7 to 8 are gone') }]);
  });

  test('a cut tail stays visible after later appends, which are not refused', async () => {
    tamper('DELETE FROM ledger_entry WHERE seq > 6');
    expect(await ledger.append(ledgerEntry(9))).toMatchObject({ seq: 9, repeated: false });
    expect(await located()).toEqual([{ seq: 7, problem: 'entries 7 to 8 were deleted' }]);
  });

  test('locates a tail that was cut together with the head record, by an expected head', async () => {
    const expected = (await ledger.head(service)) ?? undefined;
    const [sixth] = await ledger.read(service, { afterSeq: 5, limit: 1 });
    tamper('DELETE FROM ledger_entry WHERE seq > 6', `UPDATE ledger_head SET seq = 6, hash = '${sixth?.hash}'`);
    expect(await located()).toEqual([]);
    const { breaks } = await ledger.verify(service, expected);
    expect(breaks).toEqual([{ seq: 7, problem: expect.stringContaining('the expected head names 8') }]);
  });

  test('locates entries that somebody appended past the head record', async () => {
    tamper(
      `INSERT INTO ledger_entry SELECT service, 9, 'forged', at, kind, incident, entry, hash, hash FROM ledger_entry WHERE seq = 8`,
    );
    expect((await located()).map((found) => found.seq)).toContain(9);
  });

  test('finds nothing in an untouched chain that is being appended to', async () => {
    const appending = appendMany(ledger, 9, 120);
    const results = await Promise.all(Array.from({ length: 10 }, () => ledger.verify(service)));
    await appending;
    expect(results.every((result) => result.ok)).toBe(true);
  });
});

describe('anchors kept elsewhere', () => {
  const anchorFile = () => join(directory, 'elsewhere', 'anchors.ndjson');

  test('note each head once and survive a line that a crash tore', async () => {
    expect(await ledger.anchor()).toEqual([expect.objectContaining({ service, seq: 8 })]);
    expect(await ledger.anchor()).toEqual([]);
    writeFileSync(anchorFile(), `${readFileSync(anchorFile(), 'utf8')}{"service":"mail-tri`);
    await appendMany(ledger, 9, 10);
    await ledger.anchor();
    expect(readFileSync(anchorFile(), 'utf8').trim().split('\n')).toHaveLength(3);
    expect(await ledger.verify(service)).toEqual({ ok: true, entries: 10, breaks: [] });
  });

  test('locate a tail that was cut together with the head record', async () => {
    await ledger.anchor();
    const [sixth] = await ledger.read(service, { afterSeq: 5, limit: 1 });
    tamper('DELETE FROM ledger_entry WHERE seq > 6', `UPDATE ledger_head SET seq = 6, hash = '${sixth?.hash}'`);
    const { breaks } = await ledger.verify(service);
    expect(breaks).toEqual([{ seq: 7, problem: expect.stringMatching(/entries 7 to 8 are gone, the anchor of .*Z/) }]);
  });

  test('locate a chain that was rewritten to its end, between the anchors around the change', async () => {
    await ledger.anchor();
    await appendMany(ledger, 9, 12);
    await ledger.anchor();
    await appendMany(ledger, 13, 14);
    forgeFrom(11);
    const { ok, breaks } = await ledger.verify(service);
    expect(ok).toBe(false);
    expect(breaks).toEqual([{ seq: 12, problem: expect.stringContaining('an entry after 8 was rewritten') }]);
    const copy = join(directory, 'copy.ndjson');
    copyFileSync(anchorFile(), copy);
    expect((await ledger.verifyAgainstAnchors(service, copy)).breaks).toEqual(breaks);
  });

  test('that vanished or cannot be read are a break of their own, never a clean result', async () => {
    await ledger.anchor();
    rmSync(anchorFile());
    const { ok, breaks } = await ledger.verify(service);
    expect(ok).toBe(false);
    expect(breaks).toEqual([{ seq: 0, problem: expect.stringContaining('cannot be read') }]);
    await expect(ledger.verifyAgainstAnchors(service, anchorFile())).rejects.toThrow('ENOENT');
  });
});
