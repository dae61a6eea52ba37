import { populationStability } from '../detection/divergence';
import type { InputFit } from '../rollback/input-fit';
import { RECENT_MIN } from './field-checks';
import { PROFILE_MIN } from './input-comparison';
import { isDerived, PATHS_MAX, type FieldKind, type FieldValue, type ReducedInput } from './input-fields';
import { binOf, type FieldProfile, type InputProfile } from './input-profile';

/**
 * Chance alone spreads the PSI of ten cells by about √18 (1/n + 1/m): with 100 inputs the worst of 60 fields stays below
 * .25, with 30 it does not.
 */
export const FIT_MIN = 100;
/** Kinds of a field below this share are accidents, not its form. */
const USUAL_KIND = 0.01;
/** A field's path goes into state and ledger. */
const FIELD_CHARS = 48;

interface Counts {
  readonly before: readonly number[];
  readonly now: readonly number[];
}

/**
 * The distance between the inputs that a version was validated on and those of now, over all fields. A field's cells are
 * its bins or categories and, beside them, *something else* (a new category, another type) and *missing*, so that one
 * figure says all three. PSI of two samples of the same population is about (1/n + 1/m) χ² with cells − 1 degrees of
 * freedom (Yurdakul & Naranjo 2020), so its mean by chance, (cells − 1)(1/n + 1/m), is taken off: profiles of few and of
 * many inputs can be compared. Fields that the profile does not know count as one field, and unreadable bodies as another.
 */
export function profileFit(profile: InputProfile, recent: readonly ReducedInput[], atMs: number): InputFit {
  if (profile.inputs < PROFILE_MIN) return 'thin-profile';
  if (recent.length < FIT_MIN) return 'few-inputs';
  const fields = Object.entries(profile.fields).filter(([path]) => path !== '(endpoint)');
  const distances: (readonly [field: string, distance: number])[] = [['(body)', distanceOf(readable(profile, recent))]];
  for (const [path, field] of fields) {
    const counts = fieldCounts(path, field, profile, recent);
    if (counts !== null) distances.push([path, distanceOf(counts)]);
  }
  // Nothing is known where all values are hidden; that the bodies can be read says too little.
  if (fields.length > 0 && distances.length === 1) return 'redacted';
  // A profile that is full does not know the fields that it had no room for.
  if (Object.keys(profile.fields).length < PATHS_MAX)
    distances.push(['(new fields)', distanceOf(foreign(profile, recent))]);
  const [first] = [...distances].sort((left, right) => right[1] - left[1] || left[0].localeCompare(right[0]));
  const mean = distances.reduce((sum, [, distance]) => sum + distance, 0) / distances.length;
  return {
    distance: rounded(first?.[1] ?? 0),
    field: (first?.[0] ?? '(body)').slice(0, FIELD_CHARS),
    mean: rounded(mean),
    n: recent.length,
    at: atMs,
  };
}

function distanceOf({ before, now }: Counts): number {
  const [m, n] = [total(before), total(now)];
  if (m === 0 || n === 0) return 0;
  const cells = before.filter((count, cell) => count > 0 || (now[cell] ?? 0) > 0).length;
  return Math.max(0, populationStability(before, now) - (cells - 1) * (1 / n + 1 / m));
}

/** Null where values are hidden, or where too few inputs have the field to say anything. */
function fieldCounts(
  path: string,
  field: FieldProfile,
  profile: InputProfile,
  recent: readonly ReducedInput[],
): Counts | null {
  const values = recent.flatMap(({ fields }) => (fields === null ? [] : [fields.get(path)]));
  if (field.redacted > 0 || values.some((value) => value?.kind === 'redacted')) return null;
  const { counts, of } = cellsOf(field);
  const sum = total(counts);
  if (sum === 0) return null;
  const now = new Array<number>(counts.length + 1).fill(0);
  let missing = 0;
  for (const value of values) {
    if (value === undefined || value.kind === 'null') missing += 1;
    else {
      const cell = of(value) ?? counts.length;
      now[cell] = (now[cell] ?? 0) + 1;
    }
  }
  // What is made from another place's value is missing where that one is: it is counted there.
  if (isDerived(path)) return total(now) < RECENT_MIN ? null : { before: [...counts, 0], now };
  const inputs = profile.inputs - profile.unreadable;
  if (inputs === 0 || values.length < RECENT_MIN) return null;
  // Counts of a bounded sample of the values, so the missing ones are put into the same proportion.
  const absent = field.present === 0 ? 0 : (sum * (inputs - field.present)) / field.present;
  return { before: [...counts, 0, absent], now: [...now, missing] };
}

function cellsOf({ categories, numbers, kinds, present }: FieldProfile): {
  readonly counts: readonly number[];
  readonly of: (value: FieldValue) => number | null;
} {
  if (categories !== null) {
    const places = new Map(Object.keys(categories).map((name, place) => [name, place]));
    const of = ({ category }: FieldValue): number | null => (category === null ? null : (places.get(category) ?? null));
    return { counts: Object.values(categories), of };
  }
  if (numbers !== null) {
    const { edges, counts } = numbers.histogram;
    const numeric = new Set(usualKinds(kinds, present));
    const of = ({ kind, number }: FieldValue): number | null =>
      number === null || !numeric.has(kind) ? null : binOf(edges, number);
    return { counts, of };
  }
  const usual = usualKinds(kinds, present);
  const of = ({ kind }: FieldValue): number | null => (usual.includes(kind) ? usual.indexOf(kind) : null);
  return { counts: usual.map((kind) => kinds[kind] ?? 0), of };
}

function usualKinds(kinds: FieldProfile['kinds'], present: number): FieldKind[] {
  return (Object.keys(kinds) as FieldKind[])
    .filter((kind) => kind !== 'null' && (kinds[kind] ?? 0) >= USUAL_KIND * present)
    .sort();
}

function readable({ inputs, unreadable }: InputProfile, recent: readonly ReducedInput[]): Counts {
  const broken = recent.filter(({ fields }) => fields === null).length;
  return { before: [inputs - unreadable, unreadable], now: [recent.length - broken, broken] };
}

function foreign({ fields, inputs, unreadable }: InputProfile, recent: readonly ReducedInput[]): Counts {
  const known = new Set(Object.keys(fields));
  const isForeign = (path: string): boolean => !known.has(path) && !isDerived(path) && path !== '(endpoint)';
  const seen = recent.flatMap((input) => (input.fields === null ? [] : [[...input.fields.keys()].some(isForeign)]));
  const strange = seen.filter(Boolean).length;
  return { before: [inputs - unreadable, 0], now: [seen.length - strange, strange] };
}

function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

function rounded(distance: number): number {
  return Math.round(distance * 1_000) / 1_000;
}
