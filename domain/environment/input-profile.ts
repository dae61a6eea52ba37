import { seededUniform } from '../detection/seeded-random';
import { PATHS_MAX, type FieldKind, type FieldValue, type ReducedInput } from './input-fields';

/** Values of one field in bins: bin i holds what is above edge i − 1 and not above edge i. */
export interface Histogram {
  readonly edges: readonly number[];
  readonly counts: readonly number[];
}

/** One place of the inputs. Counts are of inputs; null counts as missing. */
export interface FieldProfile {
  readonly present: number;
  readonly redacted: number;
  readonly kinds: Readonly<Partial<Record<FieldKind, number>>>;
  /** Of numbers, and of the lengths of texts; null where there was none. */
  readonly numbers: { readonly min: number; readonly max: number; readonly histogram: Histogram } | null;
  /** Null: too many different ones to be categories, or none. */
  readonly categories: Readonly<Record<string, number>> | null;
}

/** What inputs look like. A bounded summary: nothing in it but categories repeats what users sent. */
export interface InputProfile {
  /** Inputs that it was made of, readable or not. */
  readonly inputs: number;
  /** Of these: bodies that are not what their content type says. */
  readonly unreadable: number;
  readonly fields: Readonly<Record<string, FieldProfile>>;
}

/** More different values than this are no categories. */
export const CATEGORIES_MAX = 50;
/** On average so many inputs a category, or the values are names and texts that happen to be few. */
const PER_CATEGORY = 5;
const RESERVOIR = 512;
const BINS = 10;

interface Growing {
  present: number;
  redacted: number;
  kinds: Partial<Record<FieldKind, number>>;
  numbers: number;
  min: number;
  max: number;
  readonly reservoir: number[];
  categories: Map<string, number> | null;
  categorised: number;
}

/**
 * Folds inputs into a profile, in any number and bounded memory: {@link PATHS_MAX} fields, {@link CATEGORIES_MAX}
 * categories and a uniform sample of 512 numbers each (Vitter's algorithm R, seeded: the same inputs in the same order
 * give the same profile).
 */
export class InputProfileBuilder {
  private inputs = 0;
  private unreadable = 0;
  private readonly fields = new Map<string, Growing>();
  private readonly uniform = seededUniform(4_711);

  add({ fields }: Pick<ReducedInput, 'fields'>): void {
    this.inputs += 1;
    if (fields === null) {
      this.unreadable += 1;
      return;
    }
    for (const [path, value] of fields) {
      let field = this.fields.get(path);
      if (!field) {
        if (this.fields.size >= PATHS_MAX) continue;
        this.fields.set(path, (field = empty()));
      }
      this.take(field, value);
    }
  }

  build(): InputProfile {
    const fields = [...this.fields].map(([path, field]) => [path, profileOf(field)] as const);
    return { inputs: this.inputs, unreadable: this.unreadable, fields: Object.fromEntries(fields) };
  }

  private take(field: Growing, { kind, number, category }: FieldValue): void {
    field.kinds[kind] = (field.kinds[kind] ?? 0) + 1;
    if (kind === 'redacted') field.redacted += 1;
    if (kind !== 'null') field.present += 1;
    if (number !== null) this.takeNumber(field, number);
    if (category !== null && field.categories !== null) {
      field.categorised += 1;
      field.categories.set(category, (field.categories.get(category) ?? 0) + 1);
      if (field.categories.size > CATEGORIES_MAX) field.categories = null;
    } else if (kind === 'text' && category === null) field.categories = null;
  }

  private takeNumber(field: Growing, value: number): void {
    field.numbers += 1;
    field.min = Math.min(field.min, value);
    field.max = Math.max(field.max, value);
    if (field.reservoir.length < RESERVOIR) field.reservoir.push(value);
    else {
      const place = Math.floor(this.uniform() * field.numbers);
      if (place < RESERVOIR) field.reservoir[place] = value;
    }
  }
}

export function profileInputs(inputs: Iterable<Pick<ReducedInput, 'fields'>>): InputProfile {
  const builder = new InputProfileBuilder();
  for (const input of inputs) builder.add(input);
  return builder.build();
}

/** The bin of a value, see {@link Histogram}. */
export function binOf(edges: readonly number[], value: number): number {
  let bin = 0;
  while (bin < edges.length && value > (edges[bin] ?? Infinity)) bin += 1;
  return bin;
}

export function countBins(edges: readonly number[], values: readonly number[]): number[] {
  const counts = new Array<number>(edges.length + 1).fill(0);
  for (const value of values) {
    const bin = binOf(edges, value);
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return counts;
}

function empty(): Growing {
  return {
    present: 0,
    redacted: 0,
    kinds: {},
    numbers: 0,
    min: Infinity,
    max: -Infinity,
    reservoir: [],
    categories: new Map(),
    categorised: 0,
  };
}

function profileOf(field: Growing): FieldProfile {
  const { present, redacted, kinds, categories, categorised, min, max } = field;
  const known = categories !== null && categories.size > 0 && categorised >= PER_CATEGORY * categories.size;
  return {
    present,
    redacted,
    kinds: { ...kinds },
    numbers: field.numbers === 0 ? null : { min, max, histogram: histogramOf(field.reservoir) },
    categories: known ? Object.fromEntries(categories) : null,
  };
}

/** Bins with about a tenth of the values each; fewer where many values are equal. */
function histogramOf(values: readonly number[]): Histogram {
  const sorted = [...values].sort((left, right) => left - right);
  const edges: number[] = [];
  for (let bin = 1; bin < BINS; bin += 1) {
    const edge = sorted[Math.ceil((bin / BINS) * sorted.length) - 1];
    const last = sorted[sorted.length - 1];
    if (edge !== undefined && edge !== edges[edges.length - 1] && edge !== last) edges.push(edge);
  }
  return { edges, counts: countBins(edges, sorted) };
}
