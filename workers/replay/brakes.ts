import type { ServicePolicy } from '../../domain/policy';

/** The brakes of a replay: what the service workflow keeps, with a rollback that takes no time and always settles. */
export interface ReplayBrakes {
  readonly cooldownUntil: number | null;
  /** Rollbacks without the calm time of the policy between them. */
  readonly consecutive: number;
  readonly breakerOpenedAt: number | null;
  /** Since when nothing has stood; null while something does. */
  readonly calmSince: number | null;
}

export const releasedBrakes: ReplayBrakes = {
  cooldownUntil: null,
  consecutive: 0,
  breakerOpenedAt: null,
  calmSince: null,
};

/** Why nothing may be moved now; null when it may. */
export function heldBy({ breakerOpenedAt, cooldownUntil }: ReplayBrakes, now: number): string | null {
  if (breakerOpenedAt !== null) return 'the breaker is open';
  return cooldownUntil !== null && now < cooldownUntil ? 'cooldown' : null;
}

export function afterRollback(brakes: ReplayBrakes, policy: ServicePolicy, now: number): ReplayBrakes {
  const consecutive = brakes.consecutive + 1;
  const opens = consecutive >= policy.breaker.consecutiveRollbacks;
  return {
    cooldownUntil: now + policy.cooldownMs,
    consecutive,
    breakerOpenedAt: brakes.breakerOpenedAt ?? (opens ? now : null),
    calmSince: null,
  };
}

/** Lets the calm time run, or ends it; an open breaker stays open, as it is a person who clears it. */
export function keepCalm(brakes: ReplayBrakes, policy: ServicePolicy, now: number, isCalm: boolean): ReplayBrakes {
  if (!isCalm) return brakes.calmSince === null ? brakes : { ...brakes, calmSince: null };
  const calmSince = brakes.calmSince ?? now;
  const over = now - calmSince >= policy.breaker.calmMs && brakes.breakerOpenedAt === null;
  return { ...brakes, calmSince, consecutive: over ? 0 : brakes.consecutive };
}
