import type { ServiceState } from './state';

/**
 * Another version's copy on the same host that failed its proof when the degradation began: it points to what both share.
 * The failure of a copy that was replaced meanwhile counts until another copy holds its proof.
 */
export function failedTogether(
  state: ServiceState,
  onset: number,
): { readonly version: string; readonly why: string } | null {
  const { standby, policy, unprepared, versions } = state;
  const together = (at: number): boolean => Math.abs(at - onset) <= 2 * policy.standby.proofIntervalMs;
  if (standby?.proof === 'ok') return null;
  if (standby?.proof === 'failed' && standby.failedAt !== null)
    return together(standby.failedAt) ? { version: standby.version, why: standby.why } : null;
  const before = unprepared.find(({ version, at, proofFailed }) => {
    const standing = versions.find((facts) => facts.version === version)?.standing ?? 'revoked';
    // A copy that could not be made ready may have a bad artifact: nothing that it shares with the live one.
    return proofFailed === true && together(at) && standing !== 'revoked' && standing !== 'quarantined';
  });
  return before ? { version: before.version, why: before.why } : null;
}
