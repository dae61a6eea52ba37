import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeAnchors } from '../../../adapters/ledger/anchor';
import { canonicalEntry, chainHash, genesisHash } from '../../../adapters/ledger/chain';
import { anchorPlace } from '../../../cli/checks/ledger';
import type { ChainedEntry } from '../../../domain/ledger';
import type { Configuration } from '../../../workers/configuration/configuration';
import { removeTemporary, temporaryDirectory } from '../../support/temporary';
import { ApiRig } from './api-rig';
import { rolledBack, service } from './rollback-story';

let rig: ApiRig;
let whole: ChainedEntry[];
let file: string;
beforeAll(async () => {
  rig = await new ApiRig(await rolledBack()).listen();
  whole = rig.played.ledger.entries(service);
  file = join(rig.directory, 'copy', 'anchors.jsonl');
  const anchors = [10, 20, whole.length].map((seq) => ({ service, seq, hash: whole[seq - 1]?.hash ?? '', at: seq }));
  await writeAnchors(file, anchors);
});
afterEach(() => jest.restoreAllMocks());
afterAll(async () => {
  await rig.close();
  removeTemporary();
});

/** What somebody made of the ledger; its own interface tells it as if it were the truth. */
function told(entries: readonly ChainedEntry[]): void {
  const last = entries.at(-1);
  const head = last ? { seq: last.seq, hash: last.hash } : null;
  jest.spyOn(rig.played.ledger, 'head').mockResolvedValue(head);
  jest.spyOn(rig.played.ledger, 'read').mockImplementation((_service, query = {}) => {
    const from = entries.filter(({ seq }) => seq > (query.afterSeq ?? 0)).slice(0, query.limit);
    return Promise.resolve(from);
  });
}

const verify = (): Promise<{ code: number; out: string }> => rig.run('audit', 'verify', '--anchors', file);

test('a whole chain is recomputed by the reader and agrees with the anchors that the reader keeps', async () => {
  const { code, out } = await verify();
  expect(out).toContain(`recomputed here: the chain is whole, ${whole.length} entries`);
  expect(out).toContain('3 anchors of that file compared');
  expect(code).toBe(0);
});

/** Rewrites every hash from the first change on: consistent in itself. */
function consistent(entries: readonly ChainedEntry[]): ChainedEntry[] {
  let previousHash = genesisHash;
  return entries.map((chained, at) => {
    const { service: of, key, at: when, kind, incident, actor, summary, facts } = chained;
    const entry = { service: of, key, at: when, kind, incident, actor, summary, facts };
    const hash = chainHash(previousHash, canonicalEntry(entry));
    const next = { ...entry, seq: at + 1, previousHash, hash };
    previousHash = hash;
    return next;
  });
}

const changed = (): ChainedEntry[] =>
  whole.map((entry) => (entry.seq === 15 ? { ...entry, summary: 'nothing happened' } : entry));

test.each<[string, () => ChainedEntry[], RegExp]>([
  ['changed', changed, /entry 15: its content was changed/],
  ['deleted', () => whole.filter(({ seq }) => seq !== 15), /entry 15: it was deleted/],
  [
    'reordered',
    () =>
      whole.map((entry) => {
        const other =
          whole[
            new Map([
              [15, 15],
              [16, 14],
            ]).get(entry.seq) ?? entry.seq - 1
          ] ?? entry;
        return { ...other, seq: entry.seq };
      }),
    /entry 15: it is out of order/,
  ],
  ['cut', () => whole.slice(0, 25), /entry 26: the tail was cut: entries 26 to \d+ are gone, the anchor of .* names/],
  [
    'written anew to its end',
    () => consistent(changed()),
    /entry 20: it has another hash than the anchor of .* noted: it or an entry after 10 was rewritten/,
  ],
  [
    'deleted and written anew',
    () => consistent(whole.filter(({ seq }) => seq !== 15)),
    /entry 20: it has another hash than the anchor/,
  ],
])('an entry that was %s is found and located, whatever the controller says of itself', async (_what, made, words) => {
  told(made());
  const { code, out } = await verify();
  expect(out).toMatch(words);
  expect(code).toBe(2);
});

test('a file that is not there, and one that knows nothing of the service, are told', async () => {
  const missing = await rig.run('audit', 'verify', '--anchors', '/nowhere/anchors.jsonl');
  expect([missing.code, missing.err]).toEqual([64, expect.stringContaining('--anchors: /nowhere/anchors.jsonl')]);
  const other = join(rig.directory, 'other.jsonl');
  await writeAnchors(other, [{ service: 'another', seq: 1, hash: '0'.repeat(64), at: 1 }]);
  expect((await rig.run('audit', 'verify', '--anchors', other)).out).toContain('no anchor of it is in that file');
});

test('doctor says that anchors beside the ledger prove little, and that none were noted for a day', async () => {
  const dataDir = temporaryDirectory('anchors');
  mkdirSync(join(dataDir, 'ledger'));
  const ledger = { file: join(dataDir, 'ledger', 'ledger.db'), anchorFile: join(dataDir, 'a.jsonl'), postgres: null };
  const of = async (change: Partial<Configuration['ledger']> = {}): Promise<string> =>
    (await anchorPlace({ dataDir, ledger: { ...ledger, ...change } }, Date.now())).said;
  writeFileSync(ledger.file, '');
  expect(await of()).toMatch(/no head was noted yet/);
  expect(await of({ anchorFile: '/nowhere/anchors.jsonl' })).toMatch(/its directory is not there/);
  writeFileSync(ledger.anchorFile, '');
  expect(await of()).toMatch(/on the disk of the ledger itself/);
  utimesSync(ledger.anchorFile, 1, 1);
  expect(await of()).toMatch(/nothing was noted for more than a day/);
  // Another device than the ledger's.
  const elsewhere = mkdtempSync('/dev/shm/lastgood-anchors-');
  try {
    writeFileSync(join(elsewhere, 'a.jsonl'), '');
    expect(await of({ anchorFile: join(elsewhere, 'a.jsonl') })).toMatch(/last written [^,]*$/);
  } finally {
    rmSync(elsewhere, { recursive: true });
  }
});
