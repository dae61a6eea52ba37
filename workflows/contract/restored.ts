import { z } from 'zod';

/** What the entry `restored` says: from what a service was put back, and what it had declared then. */
export const restoredFactsSchema = z.object({
  file: z.string(),
  release: z.string(),
  host: z.string(),
  madeAt: z.number(),
  ageMs: z.number(),
  reason: z.string(),
  head: z.object({ seq: z.int(), hash: z.string() }).nullable(),
  /** Null where no decision ever set it: the policy's. */
  modeBefore: z.enum(['observe', 'confirm', 'act']).nullable(),
  declared: z.object({ primary: z.string(), epoch: z.int() }).nullable(),
  highestEpoch: z.int(),
  /** In flight when the backup was made. */
  operation: z.string().nullable(),
  versions: z.array(z.object({ version: z.string(), digest: z.string(), standing: z.string() })),
  drillSchedule: z.string().nullable(),
  /** An anchor outside the data directory that knows of so many entries: those above the head are lost. */
  anchorBeyond: z.int().nullable(),
  /** The chain did not hold from here on when it was backed up. */
  brokenAt: z.int().nullable(),
});
export type RestoredFacts = z.output<typeof restoredFactsSchema>;
