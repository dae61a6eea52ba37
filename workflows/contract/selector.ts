import { z } from 'zod';
import type { VersionSelector } from '../../domain/route';

const word = z.string().max(200);

/** The words of the route: a copy that is one of several at its address is nothing without them. */
export const selectorSchema: z.ZodType<VersionSelector> = z.discriminatedUnion('by', [
  z.strictObject({ by: z.literal('path'), from: word, to: word }),
  z.strictObject({ by: z.literal('model'), public: word, name: word }),
  z.strictObject({ by: z.literal('header'), header: word, value: word }),
]);
