import { versionsInForce } from '../route';
import type { RouteRecord } from '../route';
import { endIncident } from './incident';
import type { Turn } from './turn';

/**
 * A share ends with the operation that made it: nobody is left to judge it. The router would end it by itself, but many
 * minutes later.
 */
export function withdrawShare(turn: Turn, operation: string): void {
  const { state, now } = turn;
  const { declared } = state;
  // A record that somebody else wrote stays until a person decides on it.
  if (!declared?.share || declared.share.drill !== undefined || state.pausedWhy !== null) return;
  // A higher epoch would end the router's own move to its fallback, and what is decided on it; the share ends by itself.
  if (state.fallbackInUse) return;
  const { share, ...rest } = declared;
  const inForce = versionsInForce(rest, now);
  const backends = Object.entries(rest.backends).filter(
    ([version]) => version !== share.version || inForce.includes(version),
  );
  const record = { ...rest, epoch: state.nextEpoch, backends: Object.fromEntries(backends) };
  declare(turn, record, now);
  turn.record('traffic-shifted', `${operation} is over, and the share of ${share.version} with it`, {
    epoch: record.epoch,
  });
  turn.effect({ type: 'apply-route', record });
}

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
  if (state.incident?.phase === 'on-fallback') endIncident(turn, 'a newer record ended the fallback');
  if (!moved) return;
  state.routedAt = at;
  state.bake = null;
  // Readings of the version that was left say nothing of the one that serves now.
  state.tiers = [];
  // Nobody may approve a rollback from a version that does not serve any more.
  if (state.incident?.phase === 'awaiting-approval') endIncident(turn, `${record.primary} serves now`);
}
