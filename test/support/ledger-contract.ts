import fc from 'fast-check';
import type { Ledger } from '../../activities/ports';
import type { LedgerChains } from '../../adapters/ledger/chained-ledger';
import { LedgerConflict, LedgerEntryInvalid, LedgerEntryTooLarge } from '../../adapters/ledger/errors';
import type { Json, LedgerEntry } from '../../domain/ledger';

/** A ledger under test; where it outlives its process, `reopen` gives it as a later process finds it. */
export interface LedgerUnderTest {
  open(): Promise<Ledger>;
  dispose(): Promise<void>;
}
export interface DurableLedgerUnderTest extends LedgerUnderTest {
  reopen(): Promise<Ledger>;
}

export function ledgerEntry(counter: number, change: Partial<LedgerEntry> = {}): LedgerEntry {
  return {
    service: 'mail-triage',
    key: `service/mail-triage/${counter}`,
    at: 1_790_000_000_000 + counter * 1000,
    kind: 'rollback-decided',
    incident: null,
    actor: { name: 'lastgood', proof: 'lastgood', from: 'service/mail-triage' },
    summary: `decision ${counter}`,
    facts: { recall: 0.78, limit: 0.9, counter },
    ...change,
  };
}

export async function appendMany(ledger: Ledger, from: number, to: number): Promise<void> {
  for (let counter = from; counter <= to; counter += 1) await ledger.append(ledgerEntry(counter));
}

export function describeLedger(name: string, make: () => LedgerUnderTest): void {
  describe(`the ledger contract, ${name}`, () => {
    let subject: LedgerUnderTest;
    let ledger: Ledger;
    beforeEach(async () => {
      subject = make();
      ledger = await subject.open();
    });
    afterEach(() => subject.dispose());

    test('each entry names the hash of the one before it and the first names zeros', async () => {
      const first = await ledger.append(ledgerEntry(1));
      const second = await ledger.append(ledgerEntry(2));
      expect([first.seq, second.seq]).toEqual([1, 2]);
      const [one, two] = await ledger.read('mail-triage');
      expect(one?.previousHash).toBe('0'.repeat(64));
      expect(two?.previousHash).toBe(first.hash);
      expect(two).toEqual({ ...ledgerEntry(2), seq: 2, previousHash: first.hash, hash: second.hash });
      expect(await ledger.head('mail-triage')).toEqual({ seq: 2, hash: second.hash });
    });

    test('the first hash is the one that anybody can recompute from the documented formula', async () => {
      // printf '%s%s' "$(printf '0%.0s' {1..64})" '{"actor":{"from":…},…,"summary":"decision 1"}' | sha256sum
      const { hash } = await ledger.append(ledgerEntry(1));
      expect(hash).toBe('c766d81812dda589205eee237ced41bbbc25c4751e9e429a7401eae2e3b394b8');
    });

    test('the same key with the same content is one entry, in whatever order the properties come', async () => {
      const first = await ledger.append(ledgerEntry(1, { facts: { a: 1, b: { c: [1, 2], d: null } } }));
      await ledger.append(ledgerEntry(2));
      const again = await ledger.append(ledgerEntry(1, { facts: { b: { d: null, c: [1, 2] }, a: 1 } }));
      expect(first.repeated).toBe(false);
      expect(again).toEqual({ seq: first.seq, hash: first.hash, repeated: true });
      expect(await ledger.read('mail-triage')).toHaveLength(2);
    });

    test('the same key with other content is a conflict that names the entry and changes nothing', async () => {
      await ledger.append(ledgerEntry(1));
      const attempt = ledger.append(ledgerEntry(1, { summary: 'another decision' }));
      await expect(attempt).rejects.toThrow(LedgerConflict);
      await expect(attempt).rejects.toThrow(/service\/mail-triage\/1 .*entry 1/);
      expect((await ledger.read('mail-triage')).map((entry) => entry.summary)).toEqual(['decision 1']);
    });

    test('fifty appends at once make one unbroken chain with every entry once', async () => {
      const counters = Array.from({ length: 50 }, (_, index) => index + 1);
      const results = await Promise.all(counters.map((counter) => ledger.append(ledgerEntry(counter))));
      expect(new Set(results.map((result) => result.seq)).size).toBe(50);
      expect(await ledger.verify('mail-triage')).toEqual({ ok: true, entries: 50, breaks: [] });
    });

    test('fifty appends of the same entry at once are one entry', async () => {
      const results = await Promise.all(Array.from({ length: 50 }, () => ledger.append(ledgerEntry(7))));
      expect(results.filter((result) => !result.repeated)).toHaveLength(1);
      expect(new Set(results.map((result) => result.hash)).size).toBe(1);
      expect(await ledger.read('mail-triage')).toHaveLength(1);
    });

    test('each service has a chain of its own', async () => {
      await ledger.append(ledgerEntry(1));
      await ledger.append(ledgerEntry(1, { service: 'search' }));
      await ledger.append(ledgerEntry(2));
      expect(await ledger.services()).toEqual(['mail-triage', 'search']);
      expect((await ledger.read('search')).map((entry) => entry.seq)).toEqual([1]);
      expect(await ledger.head('search')).toMatchObject({ seq: 1 });
      expect(await ledger.head('nobody')).toBeNull();
      expect(await ledger.read('nobody')).toEqual([]);
      expect(await ledger.verify('nobody')).toEqual({ ok: true, entries: 0, breaks: [] });
    });

    test('a reader gets what it asked for: after, incident, kinds, until, limit, newest first', async () => {
      for (let counter = 1; counter <= 9; counter += 1) {
        const kind = counter % 3 === 0 ? 'settled' : 'step-began';
        await ledger.append(ledgerEntry(counter, { kind, incident: counter > 4 ? 'inc-2' : 'inc-1' }));
      }
      const seqs = async (query: Parameters<Ledger['read']>[1]) =>
        (await ledger.read('mail-triage', query)).map((entry) => entry.seq);
      expect(await seqs({ afterSeq: 7 })).toEqual([8, 9]);
      expect(await seqs({ incident: 'inc-1' })).toEqual([1, 2, 3, 4]);
      expect(await seqs({ kinds: ['settled'] })).toEqual([3, 6, 9]);
      expect(await seqs({ kinds: ['settled', 'step-began'], limit: 2 })).toEqual([1, 2]);
      expect(await seqs({ kinds: [] })).toEqual([]);
      expect(await seqs({ limit: 0 })).toEqual([]);
      expect(await seqs({ untilMs: ledgerEntry(3).at })).toEqual([1, 2, 3]);
      expect(await seqs({ newestFirst: true, limit: 2 })).toEqual([9, 8]);
      const combined = { incident: 'inc-2', kinds: ['settled'], newestFirst: true, untilMs: ledgerEntry(8).at };
      expect(await seqs(combined)).toEqual([6]);
    });

    test('facts above 12 KiB are refused, at the limit they are taken', async () => {
      const filled = (bytes: number) => ({ text: 'x'.repeat(bytes - '{"text":""}'.length) });
      await ledger.append(ledgerEntry(1, { facts: filled(12 * 1024) }));
      const attempt = ledger.append(ledgerEntry(2, { facts: filled(12 * 1024 + 1) }));
      await expect(attempt).rejects.toThrow(LedgerEntryTooLarge);
      await expect(attempt).rejects.toThrow('take 12289 bytes, the limit is 12288');
      await expect(ledger.append(ledgerEntry(3, { summary: 'é'.repeat(9_000) }))).rejects.toThrow(LedgerEntryTooLarge);
      expect(await ledger.read('mail-triage')).toHaveLength(1);
    });

    test.each([
      ['a number that JSON does not have', { facts: { recall: Number.NaN } }, /NaN/],
      ['an empty service', { service: '' }, /service/],
      ['a time that is no whole number', { at: 1.5 }, /at/],
      ['a property that entries do not have', { secret: 'x' }, /secret/],
    ])('%s is refused by name and nothing is written', async (_title, change, message) => {
      const attempt = ledger.append(ledgerEntry(1, change as Partial<LedgerEntry>));
      await expect(attempt).rejects.toThrow(LedgerEntryInvalid);
      await expect(attempt).rejects.toThrow(message);
      expect(await ledger.services()).toEqual([]);
    });

    test('any JSON comes back as it went in and its chain verifies', async () => {
      let counter = 0;
      const json = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ stringUnit: 'binary', maxDepth: 3 }));
      await fc.assert(
        fc.asyncProperty(json, async (value) => {
          const facts = JSON.parse(JSON.stringify(value)) as Record<string, Json>;
          counter += 1;
          const { seq } = await ledger.append(ledgerEntry(counter, { facts }));
          const [stored] = await ledger.read('mail-triage', { afterSeq: seq - 1, limit: 1 });
          expect(stored?.facts).toEqual(facts);
          expect((await ledger.append(ledgerEntry(counter, { facts }))).repeated).toBe(true);
        }),
        { numRuns: 60 },
      );
      expect(await ledger.verify('mail-triage')).toEqual({ ok: true, entries: counter, breaks: [] });
    });

    test('a head that the chain does not reach is a cut tail, one that differs is a rewritten chain', async () => {
      await appendMany(ledger, 1, 4);
      const [third] = await ledger.read('mail-triage', { afterSeq: 2, limit: 1 });
      const known = { seq: 3, hash: third?.hash ?? '' };
      expect((await ledger.verify('mail-triage', known)).ok).toBe(true);
      const cut = await ledger.verify('mail-triage', { seq: 6, hash: 'f'.repeat(64) });
      expect(cut).toMatchObject({ ok: false, entries: 4, breaks: [{ seq: 5 }] });
      expect(cut.breaks[0]?.problem).toContain('the tail was cut: entries 5 to 6 are gone');
      const other = await ledger.verify('mail-triage', { seq: 2, hash: 'f'.repeat(64) });
      expect(other).toMatchObject({ ok: false, breaks: [{ seq: 2 }] });
      expect(other.breaks[0]?.problem).toContain('rewritten');
    });
  });
}

/** The part of the contract for ledgers that outlive their process. */
type Chained = Ledger & LedgerChains;

export function describeDurableLedger(name: string, make: () => DurableLedgerUnderTest): void {
  describe(`the durable ledger contract, ${name}`, () => {
    test('a later process finds the chain and goes on with it', async () => {
      const subject = make();
      try {
        const ledger = await subject.open();
        await appendMany(ledger, 1, 3);
        const head = await ledger.head('mail-triage');
        const later = await subject.reopen();
        expect(await later.head('mail-triage')).toEqual(head);
        expect((await later.append(ledgerEntry(2))).repeated).toBe(true);
        await later.append(ledgerEntry(4));
        expect(await later.verify('mail-triage')).toEqual({ ok: true, entries: 4, breaks: [] });
      } finally {
        await subject.dispose();
      }
    });

    test('the rows of a backup make the same chain elsewhere, which goes on; a chain that has entries takes none', async () => {
      const [from, to] = [make(), make()];
      try {
        const [source, target] = [(await from.open()) as Chained, (await to.open()) as Chained];
        await appendMany(source, 1, 7);
        const head = await source.head('mail-triage');
        const pages = async function* (): AsyncGenerator<Awaited<ReturnType<LedgerChains['rows']>>> {
          for (let after = 0; after < 7; after += 3) yield await source.rows('mail-triage', after, 7, 3);
        };
        await target.putBack('mail-triage', pages());
        expect(await target.head('mail-triage')).toEqual(head);
        expect(await target.read('mail-triage')).toEqual(await source.read('mail-triage'));
        await target.append(ledgerEntry(8));
        expect(await target.verify('mail-triage')).toEqual({ ok: true, entries: 8, breaks: [] });
        await expect(target.putBack('mail-triage', pages())).rejects.toThrow(
          'the ledger has decisions of mail-triage already; nothing was changed',
        );
        expect(await target.verify('mail-triage')).toEqual({ ok: true, entries: 8, breaks: [] });
      } finally {
        await from.dispose();
        await to.dispose();
      }
    });
  });
}
