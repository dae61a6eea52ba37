import type { ArtifactProblem } from '../../../domain/version';
import type { Manifest } from '../manifest';
import { SIGNATURE } from '../paths';
import { verifyBundle } from './bundle';
import type { SigningKey } from './keys';
import { signedContentProblem } from './signed-content';

/** `off`: nobody looks. `warn`: what is wrong is said. `refuse`: it is neither imported nor loaded. */
export interface SignaturePolicy {
  readonly keys: readonly SigningKey[];
  readonly policy: 'off' | 'warn' | 'refuse';
}

export type SignatureOutcome =
  | { readonly is: 'signed'; readonly by: string; readonly fingerprint: string }
  | { readonly is: 'unsigned' }
  | { readonly is: 'wrong'; readonly problem: ArtifactProblem };

export function signatureOutcome(
  signature: Uint8Array | null,
  { manifest, bytes }: { readonly manifest: Manifest; readonly bytes: Uint8Array },
  keys: readonly SigningKey[],
): SignatureOutcome {
  if (signature === null) return { is: 'unsigned' };
  const statement = verifyBundle(signature, keys);
  const problem = 'problem' in statement ? statement.problem : signedContentProblem(statement.value, manifest, bytes);
  if (problem !== null) return { is: 'wrong', problem: { path: SIGNATURE, problem: 'invalid', ...problem } };
  const { by } = (statement as Extract<typeof statement, { value: unknown }>).value;
  return { is: 'signed', by: by.name, fingerprint: by.fingerprint };
}

/** What keeps the version from being imported or loaded; empty where the policy only warns. */
export function signatureProblems(outcome: SignatureOutcome, { policy, keys }: SignaturePolicy): ArtifactProblem[] {
  if (policy !== 'refuse') return [];
  switch (outcome.is) {
    case 'signed':
      return [];
    case 'unsigned': {
      const expected = `a signature by ${keys.map(({ name }) => name).join(' or ')}`;
      return [{ path: SIGNATURE, problem: 'missing', expected, found: 'nothing' }];
    }
    case 'wrong':
      return [outcome.problem];
  }
}

/** One sentence for people; null where nobody looks. */
export function signatureWords(outcome: SignatureOutcome, { policy }: SignaturePolicy): string | null {
  if (policy === 'off') return null;
  switch (outcome.is) {
    case 'signed':
      return `signed by ${outcome.by} (${outcome.fingerprint.slice(0, 12)}…)`;
    case 'unsigned':
      return 'WARNING: not signed';
    case 'wrong':
      return `WARNING: its signature is not good: expected ${outcome.problem.expected}, found ${outcome.problem.found}`;
  }
}
