import { z } from 'zod';
import type { ContractField, VersionContract } from '../../domain/rollback/contract';

const word = z.string().min(1).max(64);
const field: z.ZodType<ContractField> = z.strictObject({
  name: word,
  type: word,
  shape: z.array(z.int().min(-1)).max(8).exactOptional(),
  optional: z.boolean().exactOptional(),
});
const fields = z
  .array(field)
  .max(64)
  .refine((all) => new Set(all.map(({ name }) => name)).size === all.length, 'each name once');

/** `contract` of a manifest. */
export const contractSchema: z.ZodType<VersionContract> = z.strictObject({ inputs: fields, outputs: fields });
