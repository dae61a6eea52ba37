import type { VersionInfo } from '../../domain/version';

/** With fewer ways back, one bad release and one bad candidate leave nobody to roll back to. */
export const keptAtLeast = 3;

export interface PruneOptions {
  /** How many versions that could still be chosen stay at least; never below {@link keptAtLeast}. */
  readonly keep: number;
  /** Whether a rollback could still choose the version; the caller knows its standing. */
  readonly choosable: (version: VersionInfo) => boolean | Promise<boolean>;
  /** Versions that stay whatever their age: live, standby, named by a route or an open incident. */
  readonly inUse?: (version: VersionInfo) => boolean | Promise<boolean>;
  readonly dryRun: boolean;
}

export interface PruneResult {
  readonly removed: readonly { version: string; digest: string; bytes: number }[];
  readonly kept: readonly { version: string; why: string }[];
  readonly freedBytes: number;
}

/**
 * Which versions go: those imported before the `keep`-th newest version that could still be chosen. With fewer than
 * `keep` such versions nothing goes: twenty quarantined ones never push out the last good one.
 */
export async function planPrune(oldestFirst: readonly VersionInfo[], options: PruneOptions): Promise<PruneResult> {
  const keep = Math.max(keptAtLeast, Math.floor(options.keep));
  const removed: { version: string; digest: string; bytes: number }[] = [];
  const kept: { version: string; why: string }[] = [];
  let chosen = 0;
  for (const info of [...oldestFirst].reverse()) {
    const { version, digest, bytes } = info;
    const enough = chosen >= keep;
    const choosable = await options.choosable(info);
    if (choosable && !enough) chosen++;
    if (!enough) kept.push({ version, why: choosable ? `choosable ${chosen} of ${keep}` : 'newer than what is kept' });
    else if (await options.inUse?.(info)) kept.push({ version, why: 'in use' });
    else removed.push({ version, digest, bytes });
  }
  return { removed, kept, freedBytes: removed.reduce((sum, { bytes }) => sum + bytes, 0) };
}
