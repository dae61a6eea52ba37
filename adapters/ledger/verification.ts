import { chainHash, genesisHash, rowProblem, type ChainRow } from './chain';

export interface ChainPoint {
  readonly seq: number;
  readonly hash: string;
}

export interface ChainBreak {
  readonly seq: number;
  readonly problem: string;
}

interface Seen extends ChainPoint {
  /** Hash recomputed from the stored predecessor and text. */
  readonly computed: string;
}

interface Unlinked {
  readonly seq: number;
  readonly before: number;
  readonly previousHash: string;
}

/** Points of the chain that were written down elsewhere: a head, an anchor. `from` says where, for people. */
export interface WitnessedPoint extends ChainPoint {
  readonly from: string;
}

/**
 * Recomputes one chain row by row, in order of `seq`, in memory that does not grow with the chain. Every tampering gets
 * one break at the place where it was done, as far as the rows that are left can tell.
 */
export class ChainVerification {
  private readonly breaks: ChainBreak[] = [];
  private readonly unlinked: Unlinked[] = [];
  private readonly witnessed: Map<number, WitnessedPoint[]>;
  private previous: Seen | null = null;
  private entries = 0;
  private lastAgreed = 0;
  private disagreed: WitnessedPoint | null = null;

  /** `head` is what the storage itself noted at the last append; null: nothing was ever appended. */
  constructor(
    private readonly head: ChainPoint | null,
    witnesses: readonly WitnessedPoint[],
  ) {
    this.witnessed = new Map();
    const noted = head ? [{ ...head, from: "the ledger's own head record" }] : [];
    for (const point of [...noted, ...witnesses])
      this.witnessed.set(point.seq, [...(this.witnessed.get(point.seq) ?? []), point]);
  }

  add(row: ChainRow): void {
    this.entries += 1;
    const before = this.previous;
    const expectedSeq = (before?.seq ?? 0) + 1;
    let computed = chainHash(row.previousHash, row.entry);
    if (row.seq !== expectedSeq) {
      if (before) this.settle(before, null);
      this.missing(expectedSeq, row.seq - 1);
    } else {
      const expectedPrevious = before?.hash ?? genesisHash;
      const relinked = row.previousHash !== expectedPrevious && computed !== row.hash;
      if (relinked && chainHash(expectedPrevious, row.entry) === row.hash) {
        this.report(row.seq, 'its link to the entry before it was changed; its content is intact');
        computed = row.hash;
        if (before) this.settle(before, expectedPrevious);
      } else if (before) {
        const explained = this.settle(before, row.previousHash);
        if (!explained && row.previousHash !== before.hash) this.unlink(row, before.seq);
      } else if (row.previousHash !== genesisHash) {
        this.unlink(row, 0);
      }
    }
    if (computed === row.hash) {
      const entry = rowProblem(row);
      // The text is what was hashed, so only a column beside it can be wrong here.
      if (typeof entry === 'string') this.report(row.seq, entry);
    }
    this.previous = { seq: row.seq, hash: row.hash, computed };
    this.compareWitnesses(row);
  }

  /** `seqOfHash` finds the entry that now carries a hash; it is asked only for links that lead nowhere. */
  async finish(
    seqOfHash: (hash: string) => Promise<number | null>,
  ): Promise<{ ok: boolean; entries: number; breaks: ChainBreak[] }> {
    if (this.previous) this.settle(this.previous, null);
    for (const link of this.unlinked) await this.explain(link, seqOfHash);
    this.rewritten();
    this.beyondHead();
    this.cutTail();
    this.breaks.sort((left, right) => left.seq - right.seq);
    return { ok: this.breaks.length === 0, entries: this.entries, breaks: this.breaks };
  }

  /** Judges an entry whose own hash does not fit, with what its successor says; true when that explains the link. */
  private settle(row: Seen, successorLink: string | null): boolean {
    if (row.computed === row.hash) return false;
    if (successorLink !== null && successorLink === row.computed) {
      this.report(row.seq, 'its hash was replaced; its content is intact');
    } else if (successorLink === null || successorLink === row.hash) {
      this.report(row.seq, 'its content was changed: it does not give the hash that it was written with');
    } else {
      this.report(row.seq, 'its content and its hash were changed');
    }
    return true;
  }

  private unlink(row: ChainRow, before: number): void {
    this.unlinked.push({ seq: row.seq, before, previousHash: row.previousHash });
  }

  private async explain(link: Unlinked, seqOfHash: (hash: string) => Promise<number | null>): Promise<void> {
    if (link.previousHash === genesisHash) {
      this.report(link.seq, 'it is out of order: it was written as the first entry of the chain');
      return;
    }
    const home = await seqOfHash(link.previousHash);
    if (home !== null) {
      this.report(link.seq, `it is out of order: it was written after the entry that now stands at ${home}`);
    } else if (link.before === 0) {
      this.report(link.seq, 'it was not written as the first entry: the beginning of the chain was removed');
    } else {
      const gap = `something between ${link.before} and ${link.seq} was removed`;
      this.report(link.before, `it is not the entry that ${link.seq} was written after: it was replaced, or ${gap}`);
    }
  }

  private missing(from: number, to: number): void {
    this.report(from, from === to ? 'it was deleted' : `entries ${from} to ${to} were deleted`);
  }

  private compareWitnesses(row: ChainRow): void {
    for (const point of this.witnessed.get(row.seq) ?? []) {
      if (point.hash !== row.hash) this.disagreed ??= point;
      else if (this.disagreed === null) this.lastAgreed = row.seq;
    }
  }

  /** A chain that was rewritten to its end is consistent in itself; only what was noted elsewhere contradicts it. */
  private rewritten(): void {
    const point = this.disagreed;
    if (point === null) return;
    // A break located between the last agreement and this point already explains the other hash.
    if (this.breaks.some((found) => found.seq > this.lastAgreed && found.seq <= point.seq)) return;
    const span = this.lastAgreed === 0 ? 'an entry before it' : `an entry after ${this.lastAgreed}`;
    this.report(point.seq, `it has another hash than ${point.from} noted: it or ${span} was rewritten`);
  }

  private beyondHead(): void {
    const last = this.previous?.seq ?? 0;
    const noted = this.head?.seq ?? 0;
    if (last > noted) this.report(noted + 1, `it was not appended by lastgood: the head record ends at ${noted}`);
  }

  private cutTail(): void {
    const last = this.previous?.seq ?? 0;
    const beyond = [...this.witnessed.values()].flat().filter((point) => point.seq > last);
    const furthest = beyond.sort((left, right) => right.seq - left.seq)[0];
    if (furthest === undefined) return;
    const range = furthest.seq === last + 1 ? `entry ${furthest.seq} is` : `entries ${last + 1} to ${furthest.seq} are`;
    this.report(last + 1, `the tail was cut: ${range} gone, ${furthest.from} names ${furthest.seq}`);
  }

  private report(seq: number, problem: string): void {
    this.breaks.push({ seq, problem });
  }
}
