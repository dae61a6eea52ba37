import type { RouteRecord } from '../route';
import { endIncident } from './incident';
import type { Turn } from './turn';

/** Ids of degradations that the service made itself, from the router's own move to its fallback. */
export const FALLBACK_DEGRADATION = 'fallback/';
/** … and from who answers at an address that something else runs. */
export const FOREIGN_DEGRADATION = 'foreign/';

/**
 * Takes a record as the declared one. What was measured on the same version goes on under the new epoch, so that a
 * verdict that is held is not lost when only the fallback changed; what was measured on another version has no meaning
 * for this one. A higher epoch ends the router's own move to its fallback.
 */
export function declare(turn: Turn, record: RouteRecord, at: number): void {
  const { state } = turn;
  const moved = state.declared?.primary !== record.primary;
  state.declared = record;
  state.nextEpoch = Math.max(state.nextEpoch, record.epoch + 1);
  state.fallbackInUse = null;
  state.degradations = state.degradations
    .filter(({ version, id }) => version === record.primary && !id.startsWith(FALLBACK_DEGRADATION))
    .map((entry) => ({ ...entry, epoch: record.epoch }));
  if (!moved) return;
  state.routedAt = at;
  state.bake = null;
  // Readings of the version that was left say nothing of the one that serves now.
  state.tiers = [];
  // Nobody may approve a rollback from a version that does not serve any more.
  if (state.incident?.phase === 'awaiting-approval') endIncident(turn, `${record.primary} serves now`);
}
