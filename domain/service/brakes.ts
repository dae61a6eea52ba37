import { rankCandidates } from '../rollback/candidates';
import { makePlan, procedureFor } from '../rollback/plan';
import { machine } from './messages';
import { alertIncident, duration, usersNow } from './messages-for-people';
import { startOperation } from './operations';
import type { Incident, Operation } from './state';
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
  const { candidates, refused } = rankCandidates(state, now, 'hold');
  const best = candidates[0];
  const bestFacts = state.versions.find(({ version }) => version === best?.version);
  const liveIsHold =
    live !== undefined &&
    live.human !== null &&
    live.standing === 'validated' &&
    live.human.at >= (bestFacts?.human?.at ?? 0);
  const outcome = liveIsHold
    ? `${live.version} is live and is the version that ${live.human?.by} vouched for: nothing moves`
    : best
      ? `moves to ${best.version}: ${best.why}`
      : `no version that a person vouched for may take over (${refused.map(({ version, why }) => `${version}: ${why}`).join('; ')}): nothing moves`;
  if (!liveIsHold && best) {
    state.incident = { ...incident, phase: 'rolling-back', holdMove: true, target: best.version };
    const procedure = procedureFor('immediate', best.warm !== null);
    startOperation(turn, {
      id: `${incident.id}-hold`,
      kind: 'hold-move',
      incident: incident.id,
      procedure,
      plan: makePlan({ procedure, samples: false, policy: state.policy }),
      candidates,
      actor: machine,
      reason: 'the breaker opened: hold on the version that a person vouched for',
      summary: `hold move to ${best.version}: the breaker is open`,
      facts: { breakerEpoch: state.breaker.epoch },
      entry: 'rollback-decided',
      ledgerDown: 'proceed',
    });
  } else {
    turn.record('waiting-for-human', `breaker open; ${outcome}`, {}, { incident: incident.id });
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

/** `ok` in every tier that could measure for the whole calm time resets the count; unmeasured time freezes the clock. */
export function keepCalm(turn: Turn): void {
  const { state, now } = turn;
  if (state.degradations.length > 0 || state.incident !== null || state.declared === null) {
    state.calmSince = null;
    return;
  }
  // Unmeasured is neutral (I10): the clock stands still; `measuredAgain` moves it on by the time that was lost.
  if (state.unmeasuredSince !== null) return;
  state.calmSince ??= now;
  if (state.consecutive > 0 && !state.breaker.open && now - state.calmSince >= state.policy.breaker.calmMs) {
    state.consecutive = 0;
    turn.record(
      'standing-changed',
      `${duration(state.policy.breaker.calmMs)} of calm: the count of rollbacks starts anew`,
    );
  }
}

/** Takes the time in which nothing could be measured out of the calm. */
export function measuredAgain(turn: Turn): void {
  const { state, now } = turn;
  if (state.unmeasuredSince !== null && state.calmSince !== null) state.calmSince += now - state.unmeasuredSince;
  state.unmeasuredSince = null;
}
