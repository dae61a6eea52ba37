import { binomialUpperTail } from '../detection/binomial-distribution';
import { chiSquareSurvival } from '../detection/chi-square';
import { populationStability } from '../detection/divergence';
import { wilsonUpper } from '../detection/rate-limits';
import { isDerived, type FieldKind, type FieldValue, type ReducedInput } from './input-fields';
import { binOf, type FieldProfile, type InputProfile } from './input-profile';

export type InputCheck = 'unreadable' | 'type' | 'missing' | 'range' | 'category' | 'distance' | 'unexpected';

/** One comparison of recent inputs with a profile. Shares are 0–1; for `distance` the numbers are the PSI. */
export interface CheckResult {
  readonly field: string;
  readonly check: InputCheck;
  readonly observed: number;
  readonly before: number;
  /** Beyond it the difference matters; chance is asked by `p`. */
  readonly limit: number;
  /** Chance of such a difference, or a larger one, where nothing has changed. */
  readonly p: number;
  readonly n: number;
  /** Jensen–Shannon distance (base 2, 0–1), beside the PSI. */
  readonly js?: number;
  /** Whether an input is of the kind that there is too much of; null where it says nothing. For the onset. */
  readonly odd: (input: ReducedInput) => boolean | null;
}

/** A share that grew by less is of no practical matter. */
export const SHARE_MARGIN = 0.05;
/** A distance below is of no practical matter; above .2 it is commonly called a large one. */
export const PSI_MARGIN = 0.2;
/** Kinds of a field below this share are accidents, not its form. */
const USUAL_KIND = 0.01;
/** So many of the inputs at least have what is compared, or nothing is said. */
export const RECENT_MIN = 30;

const ABSENT = 'absent' as const;
type Seen = FieldValue | typeof ABSENT;

/** All that is compared for one field of the profile. */
export function checkField(
  field: string,
  profile: FieldProfile,
  whole: InputProfile,
  recent: readonly ReducedInput[],
): CheckResult[] {
  const values = recent.flatMap(({ fields }): Seen[] => (fields === null ? [] : [fields.get(field) ?? ABSENT]));
  if (profile.redacted > 0 || values.some((value) => value !== ABSENT && value.kind === 'redacted')) return [];
  const readable = whole.inputs - whole.unreadable;
  const there = values.filter((value): value is FieldValue => value !== ABSENT && value.kind !== 'null');
  const checks = [
    share('missing', [values.length - there.length, values.length], [readable - profile.present, readable], (value) =>
      value === ABSENT ? true : value.kind === 'null',
    ),
    ...typeCheck(profile, there),
    ...rangeCheck(profile, there),
    ...categoryCheck(profile, there),
    ...distanceCheck(profile, there),
  ];
  return checks.map(({ odd, ...rest }) => ({
    ...rest,
    field,
    odd: ({ fields }) => (fields === null ? null : odd(fields.get(field) ?? ABSENT)),
  }));
}

/** The bodies that cannot be read, and fields that the profile does not know. */
export function checkWhole(profile: InputProfile, recent: readonly ReducedInput[], open: boolean): CheckResult[] {
  const known = new Set(Object.keys(profile.fields));
  const unreadable = (input: ReducedInput): boolean => input.fields === null;
  const counted = [recent.filter(unreadable).length, recent.length] as const;
  const checks: CheckResult[] = [
    {
      ...share('unreadable', counted, [profile.unreadable, profile.inputs], () => null),
      field: '(body)',
      odd: unreadable,
    },
  ];
  // A profile that is full does not know the fields that it had no room for.
  if (!open) return checks;
  // Where it was sent to is not known of every profile.
  const isForeign = (path: string): boolean => !known.has(path) && !isDerived(path) && path !== '(endpoint)';
  const foreign = new Map<string, number>();
  const strange = (input: ReducedInput): boolean | null =>
    input.fields === null ? null : [...input.fields.keys()].some(isForeign);
  for (const { fields } of recent)
    for (const path of fields?.keys() ?? []) if (isForeign(path)) foreign.set(path, (foreign.get(path) ?? 0) + 1);
  const [most] = [...foreign].sort((left, right) => right[1] - left[1] || left[0].localeCompare(right[0]));
  if (!most) return checks;
  const readable = recent.filter(({ fields }) => fields !== null).length;
  const seen = recent.filter((input) => strange(input) === true).length;
  const before = [0, profile.inputs - profile.unreadable] as const;
  // A key that few inputs have may be data of theirs; it is not repeated.
  const name = most[1] * 2 >= seen ? most[0] : '(body)';
  return [...checks, { ...share('unexpected', [seen, readable], before, () => null), field: name, odd: strange }];
}

type Draft = Omit<CheckResult, 'field' | 'odd'> & { readonly odd: (value: Seen) => boolean | null };
type Counted = readonly [hits: number, of: number];

/** Against the one-sided 90 % upper limit of the share before: a short history accuses later, not more often. */
function share(check: InputCheck, [hits, n]: Counted, [had, m]: Counted, odd: Draft['odd']): Draft {
  const before = m > 0 ? had / m : 0;
  const observed = n > 0 ? hits / n : 0;
  const p = n === 0 || m === 0 ? NaN : binomialUpperTail(hits, n, Math.max(1e-9, wilsonUpper(had, m, 0.9)));
  return { check, observed, before, limit: before + SHARE_MARGIN, p, n, odd };
}

function typeCheck({ kinds, present }: FieldProfile, there: readonly FieldValue[]): Draft[] {
  if (present === 0) return [];
  const usual = new Set<FieldKind>(['null']);
  let unusual = 0;
  for (const [kind, count] of Object.entries(kinds) as [FieldKind, number][]) {
    if (kind === 'null') continue;
    if (count >= USUAL_KIND * present) usual.add(kind);
    else unusual += count;
  }
  const wrong = there.filter(({ kind }) => !usual.has(kind)).length;
  const odd = (value: Seen): boolean | null => (value === ABSENT ? null : !usual.has(value.kind));
  return [share('type', [wrong, there.length], [unusual, present], odd)];
}

function rangeCheck({ numbers }: FieldProfile, there: readonly FieldValue[]): Draft[] {
  if (numbers === null) return [];
  const { min, max, histogram } = numbers;
  const m = histogram.counts.reduce((sum, count) => sum + count, 0);
  const known = there.flatMap(({ number }) => (number === null ? [] : [number]));
  const outside = (value: number): boolean => value < min || value > max;
  // Of m + 1 alike values two are the outermost ones: so many new ones fall outside by chance.
  const odd = (value: Seen): boolean | null =>
    value === ABSENT || value.number === null ? null : outside(value.number);
  return [share('range', [known.filter(outside).length, known.length], [Math.min(2, m), m], odd)];
}

function categoryCheck({ categories }: FieldProfile, there: readonly FieldValue[]): Draft[] {
  if (categories === null) return [];
  const counts = Object.values(categories);
  const m = counts.reduce((sum, count) => sum + count, 0);
  // Good–Turing: what was seen once tells how much was not seen yet.
  const once = counts.filter((count) => count === 1).length;
  const known = there.flatMap(({ kind, category }) => (kind === 'text' || kind === 'boolean' ? [category] : []));
  const isNew = (category: string | null): boolean => category === null || !Object.hasOwn(categories, category);
  const odd = (value: Seen): boolean | null =>
    value === ABSENT || (value.kind !== 'text' && value.kind !== 'boolean') ? null : isNew(value.category);
  return [share('category', [known.filter(isNew).length, known.length], [once, m], odd)];
}

/**
 * PSI over the profile's bins or categories. Where nothing has changed it is distributed as (1/n + 1/m) χ² with cells − 1
 * degrees of freedom (Yurdakul & Naranjo 2020), hence `p`.
 */
function distanceCheck(profile: FieldProfile, there: readonly FieldValue[]): Draft[] {
  const cells = cellsOf(profile);
  if (cells === null || cells.counts.length < 2) return [];
  const places = there.flatMap((value) => cells.of(value) ?? []);
  const current = new Array<number>(cells.counts.length).fill(0);
  for (const place of places) current[place] = (current[place] ?? 0) + 1;
  const n = places.length;
  const m = cells.counts.reduce((sum, count) => sum + count, 0);
  if (n === 0 || m === 0) return [];
  const psi = populationStability(cells.counts, current);
  const gained = current.map((count, cell) => count / n > (cells.counts[cell] ?? 0) / m);
  const inGained = (counts: readonly number[]): number =>
    counts.reduce((sum, count, cell) => sum + (gained[cell] === true ? count : 0), 0);
  return [
    {
      check: 'distance',
      observed: psi,
      before: inGained(cells.counts) / m,
      limit: PSI_MARGIN,
      p: chiSquareSurvival(psi / (1 / n + 1 / m), cells.counts.length - 1),
      n,
      js: jensenShannon(cells.counts, current),
      odd: (value) => {
        const place = value === ABSENT ? null : cells.of(value);
        return place === null ? null : gained[place] === true;
      },
    },
  ];
}

function cellsOf(
  profile: FieldProfile,
): { counts: readonly number[]; of: (value: FieldValue) => number | null } | null {
  const { categories, numbers } = profile;
  if (categories !== null) {
    const names = new Map(Object.keys(categories).map((name, place) => [name, place]));
    // New categories have a check of their own.
    const of = ({ category }: FieldValue): number | null => (category === null ? null : (names.get(category) ?? null));
    return { counts: Object.values(categories), of };
  }
  if (numbers === null) return null;
  const { edges, counts } = numbers.histogram;
  return { counts, of: ({ number }) => (number === null ? null : binOf(edges, number)) };
}

/** Distance of two histograms, base 2: 0 alike, 1 without anything in common. */
export function jensenShannon(left: readonly number[], right: readonly number[]): number {
  const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);
  const [l, r] = [total(left), total(right)];
  if (l === 0 || r === 0) return 0;
  const divergence = left.reduce((sum, count, cell) => {
    const [p, q] = [count / l, (right[cell] ?? 0) / r];
    const middle = (p + q) / 2;
    const part = (share: number): number => (share > 0 ? share * Math.log2(share / middle) : 0);
    return sum + (part(p) + part(q)) / 2;
  }, 0);
  return Math.sqrt(Math.max(0, divergence));
}
