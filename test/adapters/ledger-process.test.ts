import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import Database from 'libsql';
import { openSqliteLedger } from '../../adapters/ledger/sqlite-ledger';
import { ledgerEntry } from '../support/ledger-contract';

const support = join(__dirname, '..', 'support');
let directory: string;
let file: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lastgood-ledger-process-'));
  file = join(directory, 'ledger.db');
});

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(directory, { recursive: true });
});

function startChild(): ChildProcess {
  const register = join(support, 'typescript-register.cjs');
  const child = spawn(process.execPath, ['-r', register, join(support, 'ledger-child.ts'), file], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  return child;
}

/** Kills the child once it acknowledged `count` entries; resolves to all it acknowledged, in order. */
async function killAfter(child: ChildProcess, count: number): Promise<{ seq: number; hash: string }[]> {
  const acknowledged: { seq: number; hash: string }[] = [];
  const lines = createInterface({ input: child.stdout! });
  lines.on('line', (line) => {
    const [seq, hash] = line.split(' ');
    // The last line may be torn by the kill: then its entry was not acknowledged.
    if (hash?.length === 64) acknowledged.push({ seq: Number(seq), hash });
    if (acknowledged.length === count) child.kill('SIGKILL');
  });
  await new Promise<void>((resolve) => lines.once('close', () => resolve()));
  return acknowledged;
}

test('a process killed by SIGKILL in the middle of its appends loses no acknowledged entry, three times over', async () => {
  for (const count of [20, 31, 47]) {
    const acknowledged = await killAfter(startChild(), count);
    expect(acknowledged.length).toBeGreaterThanOrEqual(count);
    const ledger = await openSqliteLedger({ file });
    const stored = new Map((await ledger.read('mail-triage')).map((entry) => [entry.seq, entry.hash]));
    for (const { seq, hash } of acknowledged) expect(stored.get(seq)).toBe(hash);
    expect(await ledger.verify('mail-triage')).toEqual({ ok: true, entries: stored.size, breaks: [] });
    await ledger.close();
  }
});

test('a second process is told in one sentence which pid holds the ledger, and gets it when that one is killed', async () => {
  const child = startChild();
  await new Promise((resolve) => child.stdout!.once('data', resolve));
  await expect(openSqliteLedger({ file })).rejects.toThrow(
    `the ledger ${file} is already open in pid ${child.pid}: only one process may open it, stop that one first`,
  );
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
  const ledger = await openSqliteLedger({ file });
  expect((await ledger.verify('mail-triage')).ok).toBe(true);
  await ledger.close();
});

test('a second opener in the same process is refused too, and close lets the next one in', async () => {
  const first = await openSqliteLedger({ file });
  await expect(openSqliteLedger({ file })).rejects.toThrow(`this process (pid ${process.pid})`);
  await first.close();
  await first.close();
  const second = await openSqliteLedger({ file });
  await second.close();
  await expect(second.append(ledgerEntry(1))).rejects.toThrow('the ledger cannot take an entry');
});

test('a file that a newer lastgood wrote is refused by version and stays as it is', async () => {
  await (await openSqliteLedger({ file })).close();
  const raw = new Database(file);
  raw.exec("UPDATE ledger_schema SET version = 99, release = '9.1.0'");
  raw.close();
  const refused = openSqliteLedger({ file, release: '0.1.0' });
  await expect(refused).rejects.toMatchObject({ name: 'LedgerSchemaUnknown' });
  await expect(refused).rejects.toThrow(
    /has schema version 99, written by lastgood 9\.1\.0; this is lastgood 0\.1\.0, which knows up to 2: use lastgood 9\.1\.0 or newer, or restore a backup that this release made\. Nothing was changed$/,
  );
  const again = new Database(file);
  expect(again.prepare('SELECT version FROM ledger_schema').all([])).toEqual([{ version: 99 }]);
  again.close();
});

test('a ledger of the first schema is brought forward, with its chain, and says by which release', async () => {
  const first = await openSqliteLedger({ file });
  await first.append(ledgerEntry(1));
  await first.close();
  const raw = new Database(file);
  raw.exec('ALTER TABLE ledger_schema DROP COLUMN release; UPDATE ledger_schema SET version = 1');
  raw.close();
  const ledger = await openSqliteLedger({ file, release: '0.1.0' });
  expect(await ledger.verify('mail-triage')).toMatchObject({ ok: true, entries: 1 });
  await ledger.close();
  const again = new Database(file);
  expect(again.prepare('SELECT version, release FROM ledger_schema').all([])).toEqual([
    { version: 2, release: '0.1.0' },
  ]);
  again.close();
});

test('a file that is no database is refused and not overwritten', async () => {
  writeFileSync(file, 'these are the notes of somebody else, long enough to be read as a header of a database\n');
  await expect(openSqliteLedger({ file })).rejects.toMatchObject({ name: 'LedgerUnavailable' });
  expect(readFileSync(file, 'utf8')).toContain('the notes of somebody else');
});

test('commits are synchronous and the journal is write-ahead, so that an acknowledged entry survives a power cut', async () => {
  const { openDatabase } = await import('../../adapters/ledger/sqlite-database');
  const { sql } = await import('kysely');
  const db = openDatabase(file, 100);
  const pragma = async (name: string) => (await sql.raw(`PRAGMA ${name}`).execute(db)).rows[0];
  expect(await pragma('journal_mode')).toEqual({ journal_mode: 'wal' });
  expect(await pragma('synchronous')).toEqual({ synchronous: 2 });
  await db.destroy();
});

test('a foreign connection that holds the write lock makes an append fail in time, and the same append succeeds later', async () => {
  const ledger = await openSqliteLedger({ file, busyTimeoutMs: 50 });
  const raw = new Database(file);
  raw.exec('BEGIN IMMEDIATE');
  await expect(ledger.append(ledgerEntry(1))).rejects.toMatchObject({ name: 'LedgerUnavailable' });
  raw.exec('ROLLBACK');
  raw.close();
  expect(await ledger.append(ledgerEntry(1))).toMatchObject({ seq: 1, repeated: false });
  await ledger.close();
});
