import { z } from 'zod';
import { VERSION_NAME } from '../domain/names';

const version = z.string().regex(VERSION_NAME, 'a version name: letters, digits, . _ + -');
const instant = z.number().min(0);

/** A second version beside the primary; what a drill may declare of it is refused elsewhere where it is none. */
export const shareSchema = z.strictObject({
  version,
  weight: z.number().min(0).max(1),
  until: instant,
  drill: z.string().exactOptional(),
  mirror: z.literal(true).exactOptional(),
  degrade: z
    .strictObject({
      wrongShare: z.number().min(0).max(1).exactOptional(),
      addedMs: z.number().min(0).max(60_000).exactOptional(),
      truncateTo: z.int().min(0).max(1_000_000).exactOptional(),
    })
    .exactOptional(),
});

/** Recorded inputs that the version of a drill is asked; with a label the answer is judged at once. */
export const mirrorBatchSchema = z.strictObject({
  drill: z.string().min(1).max(64),
  items: z
    .array(
      z.strictObject({
        path: z
          .string()
          .regex(/^\/\S*$/)
          .max(2_000),
        contentType: z.string().max(200),
        body: z.string(),
        label: z.string().min(1).max(128).exactOptional(),
      }),
    )
    .min(1)
    .max(200),
});
export type MirrorItem = z.infer<typeof mirrorBatchSchema>['items'][number];
export const mirroredSchema = z.object({
  running: z.boolean(),
  asked: z.int(),
  /** Not asked: enough of them were under way. */
  skipped: z.int(),
});
export type Mirrored = z.infer<typeof mirroredSchema>;
