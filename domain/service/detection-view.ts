import type { RouteChanged } from './events';
import { ownCopies } from './revival';
import type { ServiceState } from './state';
import type { Turn } from './turn';

/** Everything that detection must know, whole each time; null while nothing is live. */
export function detectionView(state: ServiceState): RouteChanged | null {
  const { declared, bake, standby } = state;
  if (!declared) return null;
  const facts = state.versions.find(({ version }) => version === declared.primary);
  const baking = bake?.version === declared.primary ? bake : null;
  return {
    ...(state.begunAt !== undefined && { incarnation: state.begunAt }),
    epoch: declared.epoch,
    version: declared.primary,
    model: facts?.model ?? state.service,
    routedAt: state.routedAt,
    deployedAt: facts?.deployedAt ?? null,
    bakeUntil: baking?.until ?? null,
    judgedBy: baking?.previous ?? declared.primary,
    cooldownUntil: state.cooldownUntil,
    breakerOpen: state.breaker.open,
    inIncident: state.incident !== null || state.operation !== null,
    drill: declared.share?.drill ?? null,
    confirming: state.confirming
      ? {
          incident: state.confirming.incident,
          metric: state.confirming.metric,
          from: state.confirming.from,
          until: state.confirming.until,
        }
      : null,
    standby: standby ? { version: standby.version, backend: standby.backend } : null,
    live: declared.backends[declared.primary]?.[0] ?? null,
    ...(ownCopies(state).length > 0 && { copies: declared.backends[declared.primary] ?? [] }),
    policy: state.policy,
  };
}

/** Tells detection when, and only when, what it must know has changed. */
export function tellDetection(turn: Turn, before: ServiceState): void {
  const message = detectionView(turn.state);
  if (!message) return;
  if (JSON.stringify(message) !== JSON.stringify(detectionView(before)))
    turn.effect({ type: 'tell-detection', message });
}
