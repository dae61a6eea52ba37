import type { Actor } from '../../domain/ledger';
import { hasRight, rolesWith, type Right, type Role } from '../../domain/roles';
import { ApiError } from '../problem';

/** Who asks, how that was proven, and what they may do. */
export interface Caller {
  readonly actor: Actor;
  /** May name paths of this machine. */
  readonly isLocalUser: boolean;
  readonly roles: readonly Role[];
  /** Null: every service. */
  readonly services: readonly string[] | null;
  /** A program that pushes values: the only metrics it may speak of (`labels` for true labels). Null: no such limit. */
  readonly metrics: readonly string[] | null;
}

/** @throws ApiError 403, which says who may. */
export function authorise(caller: Caller, right: Right, service: string | null): void {
  const { name } = caller.actor;
  if (service !== null && caller.services !== null && !caller.services.includes(service))
    throw new ApiError(403, 'Not for you', `${name} has no right to ${service}, only to ${caller.services.join(', ')}`);
  // What is about every service is not for who has the right to some.
  if (service === null && right !== 'look' && caller.services !== null)
    throw new ApiError(403, 'Not for you', `${right} is about every service, and ${name} has a right to some only`);
  if (right === 'observe' && caller.metrics !== null) return;
  if (hasRight(caller.roles, right)) return;
  const held = caller.roles.length === 0 ? 'no role' : `the role ${caller.roles.join(', ')}`;
  throw new ApiError(
    403,
    'Not for you',
    `${right} needs the role ${rolesWith(right).join(' or ')}; ${name} has ${held}`,
  );
}

/** @throws ApiError 403 for a metric that the caller's token is not bound to. */
export function authoriseMetrics({ actor, metrics }: Caller, about: Iterable<string>): void {
  if (metrics === null) return;
  for (const metric of about) {
    if (metrics.includes(metric)) continue;
    const may = metrics.join(', ') || 'none';
    throw new ApiError(403, 'Not for you', `${actor.name} may not speak of ${metric}; its token is bound to: ${may}`);
  }
}
