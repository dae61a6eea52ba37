import { restsOnEstimates } from '../detection/estimated-metrics';
import { rankCandidates } from '../rollback/candidates';
import { considered } from '../rollback/considered';
import { procedureFor } from '../rollback/plan';
import { planFor } from './gap';
import { itemsOf } from './items';
import { machine } from './messages';
import { alertIncident, duration, usersNow } from './messages-for-people';
import { startOperation } from './operations';
import { pausedBy } from './readiness';
import type { TierReading } from './events';
import type { Incident, Operation, ServiceState } from './state';
import type { Turn } from './turn';

/**
 * The brakes after an automatic rollback that settled or failed: counts it, and the transition that records the second
 * consecutive one opens the breaker **and** decides the one hold move of the same incident.
 * Manual rollbacks, drills and hold moves are not counted. Returns true when the breaker opened now.
 */
export function countRollback(turn: Turn, operation: Operation): boolean {
  const { state, now } = turn;
  if (operation.kind !== 'rollback') return false;
  state.consecutive += 1;
  state.calmSince = null;
  if (state.breaker.open || state.consecutive < state.policy.breaker.consecutiveRollbacks) return false;
  state.breaker = { open: true, epoch: state.breaker.epoch + 1, openedAt: now, incident: operation.incident };
  turn.record(
    'breaker-opened',
    `${state.consecutive} automatic rollbacks without ${duration(state.policy.breaker.calmMs)} of calm between them`,
    { consecutive: state.consecutive, breakerEpoch: state.breaker.epoch },
    { incident: operation.incident },
  );
  return true;
}

/** Cooldown from settle, in workflow time. */
export function startCooldown(turn: Turn, why: string): void {
  const { state, now } = turn;
  state.cooldownUntil = now + state.policy.cooldownMs;
  turn.record('cooldown-started', `${duration(state.policy.cooldownMs)} without an automatic rollback: ${why}`, {
    until: state.cooldownUntil,
  });
}

/** The one move that an opening breaker makes: to the newest version that a person vouched for, if there is one. */
export function holdMove(turn: Turn, incident: Incident): void {
  const { state, now } = turn;
  const live = state.versions.find(({ version }) => version === state.declared?.primary);
  const ranking = rankCandidates(state, now, 'hold');
  const { candidates, refused } = ranking;
  const best = candidates[0];
  const bestFacts = state.versions.find(({ version }) => version === best?.version);
  const liveIsHold =
    live !== undefined &&
    live.human !== null &&
    !['quarantined', 'suspect', 'revoked'].includes(live.standing) &&
    live.human.at >= (bestFacts?.human?.at ?? 0);
  // A person who watches, proposes or has paused lastgood is not overruled by a brake.
  const heldBack = state.mode !== 'act' ? `mode ${state.mode}` : pausedBy(state, now);
  const reasons = refused
    .slice(0, 5)
    .map(({ version, why }) => `${version}: ${why}`)
    .join('; ');
  const outcome = liveIsHold
    ? `${live.version} is live and is the version that ${live.human?.by} vouched for: nothing moves`
    : best && heldBack !== null
      ? `${best.version} would be the hold version; ${heldBack}: nothing moves`
      : best
        ? `moves to ${best.version}: ${best.why}`
        : `no version that a person vouched for may take over (${reasons || 'there is no other version'}): nothing moves`;
  if (!liveIsHold && best && heldBack === null) {
    state.incident = { ...incident, phase: 'rolling-back', holdMove: true, target: best.version };
    const procedure = procedureFor('immediate', best.warm !== null);
    const items = itemsOf(state, incident);
    startOperation(turn, {
      id: `${incident.id}-hold`,
      kind: 'hold-move',
      incident: incident.id,
      procedure,
      plan: planFor(state, procedure, false, items),
      candidates,
      actor: machine,
      reason: 'the breaker opened: hold on the version that a person vouched for',
      summary: `hold move to ${best.version}: the breaker is open`,
      facts: { breakerEpoch: state.breaker.epoch, ...considered(state, ranking, now) },
      entry: 'rollback-decided',
      ledgerDown: 'proceed',
      ...(items && { items }),
    });
  } else {
    turn.record('waiting-for-human', `breaker open; ${outcome}`, {}, { incident: incident.id });
    // Settled ones are confirmed by themselves; a failed one is a person's from now on.
    if (state.incident && state.incident.phase !== 'confirming') turn.updateIncident({ phase: 'waiting-for-human' });
  }
  alertIncident(turn, 'breaker', incident, {
    severity: 'page',
    title: `${state.service}: the breaker is open after ${state.consecutive} rollbacks`,
    did: `No automatic rollback from now on; ${outcome}.`,
    users: usersNow(state),
    must: 'Find out why versions fail one after the other; then clear the breaker.',
    command: `lastgood breaker clear ${state.service} --epoch ${state.breaker.epoch} --reason '…'`,
  });
}

/** Something was measured, and it says that all is well: at least one metric is `ok` and none is degraded. */
export function measuresOk(state: ServiceState): boolean {
  if (state.unmeasuredSince !== null) return false;
  return counted(state).some(({ kind }) => kind === 'ok') && !state.tiers.some(({ kind }) => kind === 'degraded');
}

/** An estimate may accuse; it neither proves that all is well nor keeps what was counted from proving it. */
function counted({ tiers }: ServiceState): readonly TierReading[] {
  return tiers.filter(({ metric }) => !restsOnEstimates(metric));
}

/** Every tier that could measure is `ok`; one that is only undecided could measure, and is not `ok`. */
function everyTierOk(state: ServiceState): boolean {
  const measured = counted(state).filter(({ kind }) => kind !== 'unmeasured');
  return (
    measuresOk(state) && measured.every(({ tier }) => measured.some((one) => one.tier === tier && one.kind === 'ok'))
  );
}

/** When the calm will have lasted long enough, if it goes on; null while it stands still or nothing is counted. */
export function calmEndsAt(state: ServiceState): number | null {
  if (state.consecutive === 0 || state.breaker.open || state.calmSince === null || state.calmFrozenAt !== null)
    return null;
  return state.calmSince + state.policy.breaker.calmMs;
}

/**
 * `ok` in every tier that could measure for the whole calm time resets the count. A degradation or an incident begins it
 * anew; time in which nothing says `ok` is neutral (I10): the clock stands still and goes on where it stood.
 */
export function keepCalm(turn: Turn): void {
  const { state, now } = turn;
  if (state.degradations.length > 0 || state.incident !== null || state.declared === null) {
    state.calmSince = null;
    state.calmFrozenAt = null;
    return;
  }
  if (!everyTierOk(state)) {
    if (state.calmSince !== null) state.calmFrozenAt ??= Math.max(state.calmSince, state.unmeasuredSince ?? now);
    return;
  }
  if (state.calmSince !== null && state.calmFrozenAt !== null) state.calmSince += now - state.calmFrozenAt;
  state.calmFrozenAt = null;
  state.calmSince ??= now;
  const endsAt = calmEndsAt(state);
  if (endsAt === null || now < endsAt) return;
  state.consecutive = 0;
  turn.record(
    'standing-changed',
    `${duration(state.policy.breaker.calmMs)} of calm: the count of rollbacks starts anew`,
  );
}
