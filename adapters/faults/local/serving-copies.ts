import { z } from 'zod';

/** A running copy of a version, by what names it for ever: enough to find it again, or to see that it is gone. */
export const servingCopySchema = z.discriminatedUnion('how', [
  z.strictObject({
    how: z.literal('process'),
    /** Where the records of the runtime stand. */
    root: z.string(),
    instance: z.string(),
    nonce: z.string(),
    /** Of the session and its leader. */
    pid: z.int(),
  }),
  z.strictObject({
    how: z.literal('container'),
    instance: z.string(),
    id: z.string(),
    startedAt: z.string(),
    nonce: z.string(),
  }),
]);
export type ServingCopy = z.infer<typeof servingCopySchema>;

/** What can be done to the copies of one runtime. Nothing that is not lastgood's own is ever found. */
export interface CopyControl {
  /** Running copies of the version on this host. */
  find(service: string, version: string): Promise<ServingCopy[]>;
  kill(copy: ServingCopy): Promise<void>;
  isGone(copy: ServingCopy): Promise<boolean>;
  freeze(copy: ServingCopy): Promise<void>;
  /** Also of one that is gone or was never frozen. */
  thaw(copy: ServingCopy): Promise<void>;
  isFrozen(copy: ServingCopy): Promise<boolean>;
}
