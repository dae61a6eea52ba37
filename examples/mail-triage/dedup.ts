/**
 * Near duplicates. Campaigns, list copies and two snapshots of one mailbox put the same mail into the corpus many times
 * (hundreds of pairs between `spam-1` and `spam-2` alone); left in, a mail that was learned is asked again in the test part.
 *
 * Two mails are near duplicates when the Jaccard similarity of their sets of word 3-grams is at least `THRESHOLD`.
 * The join is exact: with all sets ordered from rare to frequent, two sets that reach the threshold share an element of
 * their prefixes of length |x| − ⌈t·|x|⌉ + 1 (Bayardo, Ma, Srikant: Scaling Up All Pairs Similarity Search, 2007).
 */
import type { Mail } from './corpus';

export const THRESHOLD = 0.5;
/** Bound once: in a `vm` context, as test runners use it, each look at a global costs more than the hash itself. */
const { imul } = Math;

const SHINGLE_WORDS = 3;
const MAX_WORDS = 1000;

export interface Deduplicated {
  kept: Mail[];
  /** Mails left out because an earlier one of the same label is kept. */
  duplicates: number;
  /** Groups in which the same text carries different labels: left out as a whole. */
  conflictingGroups: number;
  conflictingMails: number;
  /** Pairs of near duplicates between `spam-1` and `spam-2`. */
  pairsAcrossSpam: number;
}

/** Keeps the earliest mail of each group of near duplicates (transitively), and none of a group with two labels. */
export function removeNearDuplicates(mails: readonly Mail[], threshold = THRESHOLD): Deduplicated {
  const ordered = [...mails].sort((a, b) => a.timeMs - b.timeMs || (a.id < b.id ? -1 : 1));
  const parent = ordered.map((_mail, index) => index);
  const root = (index: number): number => {
    let at = index;
    while (parent[at] !== at) {
      parent[at] = parent[parent[at] as number] as number;
      at = parent[at] as number;
    }
    return at;
  };
  let pairsAcrossSpam = 0;
  for (const [left, right] of similarPairs(ordered.map(shingles), threshold)) {
    const a = root(left);
    const b = root(right);
    // The smaller index is the earlier mail, so a root is the earliest of its group.
    if (a !== b) parent[Math.max(a, b)] = Math.min(a, b);
    const sources = [ordered[left]?.source, ordered[right]?.source].sort().join(' ');
    if (sources === 'spam-1 spam-2') pairsAcrossSpam += 1;
  }
  const groups = new Map<number, Mail[]>();
  ordered.forEach((mail, index) => {
    const key = root(index);
    groups.set(key, [...(groups.get(key) ?? []), mail]);
  });
  const result: Deduplicated = { kept: [], duplicates: 0, conflictingGroups: 0, conflictingMails: 0, pairsAcrossSpam };
  for (const group of groups.values()) {
    if (new Set(group.map((mail) => mail.label)).size > 1) {
      result.conflictingGroups += 1;
      result.conflictingMails += group.length;
    } else {
      result.kept.push(group[0] as Mail);
      result.duplicates += group.length - 1;
    }
  }
  return result;
}

/**
 * The set of hashed word 3-grams of a mail's text, sorted. Digits count as one letter, since campaigns number their
 * copies; a mail of fewer than three words is one gram of what it has.
 */
export function shingles(mail: Pick<Mail, 'text'>): Int32Array {
  const words = (mail.text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [])
    .slice(0, MAX_WORDS)
    .map((word) => word.replace(/\p{N}+/gu, '0'));
  const found = new Set<number>();
  for (let at = 0; at + SHINGLE_WORDS <= words.length; at += 1) {
    found.add(hash(words.slice(at, at + SHINGLE_WORDS).join(' ')));
  }
  if (found.size === 0) found.add(hash(words.join(' ')));
  return Int32Array.from(found).sort();
}

/** |a ∩ b| / |a ∪ b| of two sorted sets. */
export function jaccard(a: Int32Array, b: Int32Array): number {
  let shared = 0;
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const left = a[i] as number;
    const right = b[j] as number;
    if (left === right) shared += 1;
    if (left <= right) i += 1;
    if (right <= left) j += 1;
  }
  return shared / (a.length + b.length - shared);
}

function* similarPairs(sets: readonly Int32Array[], threshold: number): Generator<[number, number]> {
  const frequency = new Map<number, number>();
  for (const set of sets) for (const item of set) frequency.set(item, (frequency.get(item) ?? 0) + 1);
  const rareFirst = (a: number, b: number): number =>
    (frequency.get(a) as number) - (frequency.get(b) as number) || a - b;
  const owners = new Map<number, number[]>();
  const bySize = sets.map((_set, index) => index).sort((a, b) => sizeOf(sets, a) - sizeOf(sets, b) || a - b);
  for (const index of bySize) {
    const set = sets[index] as Int32Array;
    const prefix = Array.from(set)
      .sort(rareFirst)
      .slice(0, set.length - Math.ceil(threshold * set.length) + 1);
    const candidates = new Set<number>();
    for (const item of prefix) {
      for (const owner of owners.get(item) ?? []) {
        if (sizeOf(sets, owner) >= threshold * set.length) candidates.add(owner);
      }
    }
    for (const candidate of candidates) {
      if (jaccard(set, sets[candidate] as Int32Array) >= threshold) yield [candidate, index];
    }
    for (const item of prefix) owners.set(item, [...(owners.get(item) ?? []), index]);
  }
}

function sizeOf(sets: readonly Int32Array[], index: number): number {
  return (sets[index] as Int32Array).length;
}

/** FNV-1a over UTF-16 units, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) value = imul(value ^ text.charCodeAt(at), 0x01000193);
  return value | 0;
}
