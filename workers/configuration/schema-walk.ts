import type { z } from 'zod';

interface Definition {
  readonly type: string;
  readonly innerType?: z.ZodType;
  readonly in?: z.ZodType;
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly valueType?: z.ZodType;
  readonly element?: z.ZodType;
  readonly options?: readonly z.ZodType[];
  readonly discriminator?: string;
}

/** A schema, and what the file has at its place. */
interface Place {
  readonly schema: z.ZodType;
  readonly value: unknown;
}

type Path = readonly (string | number)[];

/**
 * Keys that the schema knows at a path of the file: what a misspelt one may have been meant to be. Where the file has
 * chosen one of several shapes (`runtime: triton`), only those of that shape.
 */
export function knownKeys(schema: z.ZodType, path: Path, file: unknown): string[] {
  const shapes = placesAt(schema, path, file)
    .flatMap(alternatives)
    .map((place) => definition(place.schema).shape ?? {});
  return [...new Set(shapes.flatMap((shape) => Object.keys(shape).filter((key) => mayBeGiven(shape[key]))))];
}

/** A key that the chosen shape does not have, and others have: `runtime`, `triton`, `[process, docker]`. */
export interface ForeignKey {
  readonly discriminator: string;
  readonly chosen: string;
  readonly belongsTo: readonly string[];
}

/** Null where no other shape has the key. */
export function foreignKey(schema: z.ZodType, path: Path, file: unknown, key: string): ForeignKey | null {
  for (const { schema: union, value } of placesAt(schema, path, file).map(unwrapped)) {
    const { options = [], discriminator } = definition(union);
    if (discriminator === undefined) continue;
    const chosen = fieldOf(value, discriminator);
    if (typeof chosen !== 'string') continue;
    const having = options.filter((option) =>
      mayBeGiven(inShape(definition(unwrapped({ schema: option, value }).schema), key)),
    );
    const belongsTo = having.flatMap((option) => tagsOf(option, discriminator)).filter((tag) => tag !== chosen);
    if (belongsTo.length > 0) return { discriminator, chosen, belongsTo };
  }
  return null;
}

function placesAt(schema: z.ZodType, path: Path, file: unknown): readonly Place[] {
  let current: readonly Place[] = [{ schema, value: file }];
  for (const part of path) current = current.flatMap(alternatives).flatMap((place) => step(place, part));
  return current;
}

/** Some keys are there to be refused with a reason. */
function mayBeGiven(schema: z.ZodType | undefined): boolean {
  if (schema === undefined) return false;
  return !alternatives({ schema, value: undefined }).some((place) => definition(place.schema).type === 'never');
}

/** The schema without what wraps it (defaults, optional, transforms). */
function unwrapped({ schema, value }: Place): Place {
  const { innerType, in: input } = definition(schema);
  const inner = innerType ?? input;
  return inner === undefined ? { schema, value } : unwrapped({ schema: inner, value });
}

/** All options of a union; of one with a discriminator those that the value has chosen, if any. */
function alternatives(place: Place): Place[] {
  const { schema, value } = unwrapped(place);
  const { options, discriminator } = definition(schema);
  if (options === undefined) return [{ schema, value }];
  const tag = discriminator === undefined ? undefined : fieldOf(value, discriminator);
  const chosen = options.filter((option) => tagsOf(option, discriminator ?? '').includes(tag as string));
  return (chosen.length > 0 ? chosen : options).flatMap((option) => alternatives({ schema: option, value }));
}

function tagsOf(option: z.ZodType, discriminator: string): string[] {
  const values = option._zod.propValues?.[discriminator] ?? [];
  return [...values].filter((one): one is string => typeof one === 'string');
}

function step({ schema, value }: Place, part: string | number): Place[] {
  const { valueType, element } = definition(schema);
  const next = inShape(definition(schema), String(part)) ?? valueType ?? element;
  return next === undefined ? [] : [{ schema: next, value: fieldOf(value, part) }];
}

/** Only what the schema itself has: a file may well have a key `__proto__`. */
function inShape({ shape }: Definition, key: string): z.ZodType | undefined {
  return shape !== undefined && Object.hasOwn(shape, key) ? shape[key] : undefined;
}

function fieldOf(value: unknown, part: string | number): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
  return (value as Record<string | number, unknown>)[part];
}

function definition(schema: z.ZodType): Definition {
  return schema._zod.def as unknown as Definition;
}
