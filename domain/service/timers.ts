import { calmEndsAt, measuresOk } from './brakes';
import { actOnIncident, proceedsUnanswered } from './decide';
import { endOverdueDrill } from './drills';
import { endIncident, mark } from './incident';
import { blockedBy } from './readiness';
import { gapOverdueAt, tellOverdueGap } from './gap';
import { confirmIncident, giveUpDegradations } from './operation-ended';
import { alertIncident, alertService, duration, usersNow } from './messages-for-people';
import { joinWakesAt } from './replicas';
import { revivalWakesAt } from './revival';
import { failedStandbyReplacedAt } from './standby-keeping';
import { changeVersion, setStanding } from './standing';
import type { ServiceState } from './state';
import { leftToPerson } from './target-choice';
import type { Turn } from './turn';
import { releaseHeld } from './verdicts';

/**
 * The next moment at which time alone changes something; null when nothing is due. Only what the tick at that moment
 * will consume may stand here: a moment that stays in the past would wake the service for ever.
 */
export function nextWakeAt(state: ServiceState): number | null {
  const { confirming, incident, preparing, operation } = state;
  const calm = state.degradations.length === 0;
  const due = [
    state.cooldownUntil,
    state.pausedUntil,
    calm && incident === null && measuresOk(state) ? state.bake?.until : null,
    incident?.phase === 'awaiting-approval' ? incident.approvalUntil : null,
    operation?.deadlineAt,
    state.drill?.deadlineAt,
    confirming?.measured && incident?.phase === 'confirming' && calm ? confirming.until : null,
    confirming && incident && !confirming.alerted ? confirming.from + state.policy.verify.confirmMaxMs : null,
    preparing ? preparing.until + 60_000 : null,
    !operation && state.pausedWhy === null ? failedStandbyReplacedAt(state) : null,
    revivalWakesAt(state),
    joinWakesAt(state),
    calmEndsAt(state),
    gapOverdueAt(state),
  ].filter((at): at is number => typeof at === 'number' && at < Number.MAX_SAFE_INTEGER);
  return due.length ? Math.min(...due) : null;
}

/** Everything that is due by now. Each branch is idempotent: a second tick at the same time changes nothing. */
export function onTick(turn: Turn): void {
  endCooldown(turn);
  endPause(turn);
  endBake(turn);
  endApproval(turn);
  confirmOrAlert(turn);
  endOverdueDrill(turn);
  askSilentOperation(turn);
  giveUpPreparation(turn);
  tellOverdueGap(turn);
}

function endCooldown(turn: Turn): void {
  const { state, now } = turn;
  if (state.cooldownUntil === null || now < state.cooldownUntil) return;
  state.cooldownUntil = null;
  turn.record('cooldown-ended', 'what still stands is decided now');
  releaseHeld(turn);
}

function endPause(turn: Turn): void {
  const { state, now } = turn;
  if (state.pausedUntil === null || now < state.pausedUntil) return;
  state.pausedUntil = null;
  turn.record('standing-changed', 'the pause ended by itself');
  releaseHeld(turn);
}

function endBake(turn: Turn): void {
  const { state, now } = turn;
  if (!state.bake || now < state.bake.until || state.incident || state.degradations.length > 0) return;
  // What was not measured was not judged good (I10): the bake period lasts until something says so.
  if (!measuresOk(state)) return;
  const { version, previous } = state.bake;
  state.bake = null;
  changeVersion(turn, version, { lastGoodAt: now });
  const facts = state.versions.find((candidate) => candidate.version === version);
  if (facts?.standing === 'suspect') setStanding(turn, version, 'validated', 'served well for its bake period');
  turn.record('bake-ended', `${version} served well for its bake period; its own history makes the limits now`, {
    version,
    previous,
  });
}

function endApproval(turn: Turn): void {
  const { state, now } = turn;
  const { incident } = state;
  if (incident?.phase !== 'awaiting-approval' || incident.approvalUntil === null || now < incident.approvalUntil)
    return;
  // The live version may have been started again meanwhile: two operations at a time there never are (I2).
  const blocked = state.operation ? `${state.operation.id} is in flight` : blockedBy(state, now);
  const unfit = leftToPerson(state, now, incident);
  const proceeds = proceedsUnanswered(state.policy, incident.metric) && state.mode === 'act' && unfit === null;
  if (proceeds && blocked !== null) {
    // Proposed before, and what holds now came since: it is decided anew when that ends, not carried out by a timer (I3).
    endIncident(turn, `nobody answered, and it may not go ahead by itself: ${blocked}`);
    for (const { id, version, decided } of state.degradations)
      if (version === incident.from && decided === 'acted') mark(turn, id, 'open', null);
    return;
  }
  if (proceeds) {
    turn.record(
      'operator-act',
      `nobody answered in ${duration(state.policy.approval.timeoutMs)}; the policy says: proceed`,
    );
    return actOnIncident(turn, null);
  }
  turn.record(
    'rollback-refused',
    `nobody approved in ${duration(state.policy.approval.timeoutMs)}; ${unfit ?? 'the policy says: hold'}`,
  );
  endIncident(turn, 'no approval in time');
  giveUpDegradations(turn, 'nobody approved in time');
}

function confirmOrAlert(turn: Turn): void {
  const { state, now } = turn;
  const { confirming, incident } = state;
  if (!confirming || !incident) return;
  if (confirming.measured && now >= confirming.until && state.degradations.length === 0) return confirmIncident(turn);
  if (confirming.alerted || now < confirming.from + state.policy.verify.confirmMaxMs) return;
  state.confirming = { ...confirming, alerted: true };
  const [standing] = state.degradations;
  const why = standing
    ? `${standing.verdict.metric} is degraded on ${standing.version}`
    : confirming.measured
      ? `${confirming.metric} was degraded again meanwhile`
      : `${confirming.metric} could not be measured`;
  turn.record('waiting-for-human', `settled ${duration(now - confirming.from)} ago and not confirmed: ${why}`);
  const kept = confirming.keep ? `; ${confirming.keep.version} stays warm` : '';
  alertIncident(turn, 'unconfirmed', incident, {
    severity: 'ticket',
    title: `${state.service}: the rollback is settled but not confirmed`,
    did: `Not confirmed for ${duration(now - confirming.from)}: ${why}${kept}.`,
    users: usersNow(state),
    must: standing
      ? `See why ${standing.version} is degraded too: another version, or what all of them share.`
      : 'See why the metric is not measured (labels late? no traffic?).',
  });
}

function askSilentOperation(turn: Turn): void {
  const { state, now } = turn;
  const { operation } = state;
  if (!operation || now < operation.deadlineAt) return;
  state.operation = { ...operation, deadlineAt: now + 30_000 };
  turn.effect({ type: 'ask-operation', operation: operation.id, knownToWait: operation.waiting !== null });
}

function giveUpPreparation(turn: Turn): void {
  const { state, now } = turn;
  if (!state.preparing || now < state.preparing.until + 60_000) return;
  const { version } = state.preparing;
  state.preparing = null;
  state.unprepared = [...state.unprepared, { version, at: now, why: 'nobody answered in time' }].slice(-10);
  turn.record('standby-changed', `gave up making ${version} ready: nobody answered in time`);
  alertService(turn, `standby/${version}/unanswered`, {
    severity: 'ticket',
    title: `${state.service}: the host does not answer`,
    wrong: `${version} should have become the standby; its host gave no answer.`,
    did: 'Serving goes on. Tries again.',
    users: usersNow(state),
    must: 'Check the host worker.',
    command: 'lastgood doctor',
  });
}
