import { z } from 'zod';
import { path } from './fields';

/** Formats that may run code of their author when they are loaded. */
const codeFormat = z.enum(['pickle']);

export const artifactsSchema = z.strictObject({
  directory: path.optional(),
  /** Taken all the same, with a warning; default: none. */
  allowFormats: z.array(codeFormat).max(10).prefault([]),
  /** OpenSSF Model Signing, key method, offline. Without it nobody looks at signatures. */
  signature: z
    .strictObject({
      /** Public keys in PEM, ECDSA on P-256, P-384 or P-521; a signature by any of them is good. */
      keys: z.array(path).min(1, 'at least one public key').max(20),
      policy: z.enum(['refuse', 'warn', 'off']).prefault('refuse'),
    })
    .optional(),
});

export interface ArtifactRules {
  readonly allowFormats: readonly z.infer<typeof codeFormat>[];
  /** Null: nobody looks. */
  readonly signature: { readonly keyFiles: readonly string[]; readonly policy: 'refuse' | 'warn' | 'off' } | null;
}

export function resolveArtifactRules(
  { allowFormats, signature }: z.output<typeof artifactsSchema>,
  absolute: (path: string) => string,
): ArtifactRules {
  if (signature === undefined) return { allowFormats, signature: null };
  return { allowFormats, signature: { keyFiles: signature.keys.map(absolute), policy: signature.policy } };
}
