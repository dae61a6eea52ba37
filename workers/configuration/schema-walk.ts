import type { z } from 'zod';

interface Definition {
  readonly type: string;
  readonly innerType?: z.ZodType;
  readonly in?: z.ZodType;
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly valueType?: z.ZodType;
  readonly element?: z.ZodType;
  readonly options?: readonly z.ZodType[];
}

/** Keys that the schema knows at a path: what a misspelt one may have been meant to be. */
export function knownKeys(schema: z.ZodType, path: readonly (string | number)[]): string[] {
  let current: readonly z.ZodType[] = [schema];
  for (const part of path) current = current.flatMap(alternatives).flatMap((option) => step(option, part));
  const shapes = current.flatMap(alternatives).map((option) => definition(option).shape ?? {});
  return [...new Set(shapes.flatMap((shape) => Object.keys(shape).filter((key) => mayBeGiven(shape[key]))))];
}

/** Some keys are there to be refused with a reason. */
function mayBeGiven(schema: z.ZodType | undefined): boolean {
  return schema !== undefined && !alternatives(schema).some((option) => definition(option).type === 'never');
}

/** The schema without what wraps it (defaults, optional, transforms); all options of a union. */
function alternatives(schema: z.ZodType): z.ZodType[] {
  const { innerType, in: input, options } = definition(schema);
  if (innerType !== undefined) return alternatives(innerType);
  if (input !== undefined) return alternatives(input);
  if (options !== undefined) return options.flatMap(alternatives);
  return [schema];
}

function step(schema: z.ZodType, part: string | number): z.ZodType[] {
  const { shape, valueType, element } = definition(schema);
  const next = shape?.[String(part)] ?? valueType ?? element;
  return next === undefined ? [] : [next];
}

function definition(schema: z.ZodType): Definition {
  return schema._zod.def as unknown as Definition;
}
