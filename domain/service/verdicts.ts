import { FALLBACK_DEGRADATION, FOREIGN_DEGRADATION } from './declared-route';
import { confirmIncident } from './operation-ended';
import type { Verdict } from '../detection/types';
import type { ServiceEvent } from './events';
import { endIncident, endWhereNothingStands, mark } from './incident';
import { alertService, clock, usersNow } from './messages-for-people';
import type { StandingDegradation } from './state';
import { isNews, stillSo, stillSoOf } from './told';
import type { Turn } from './turn';

const UNMEASURED = 'unmeasured';
/** More that stand at once are one outage; the newest are kept (I15). */
export const STANDING_LIMIT = 12;

/** A degradation began. One of another epoch is recorded and has no effect; a known one is only renewed. */
export function onDegradationBegan(turn: Turn, { report }: Extract<ServiceEvent, { type: 'degradation-began' }>): void {
  const { state, now } = turn;
  const { verdict } = report;
  const current = state.declared?.epoch === report.epoch && state.declared.primary === report.version;
  const known = state.degradations.find(({ id }) => id === report.id);
  if (!current) {
    if (!known)
      turn.record(
        'degradation-began',
        `of another route (epoch ${report.epoch}), no effect: ${verdict.sentence.slice(0, 600)}`,
        {
          epoch: report.epoch,
          id: report.id,
        },
      );
    return;
  }
  const entry: StandingDegradation = {
    id: report.id,
    epoch: report.epoch,
    version: report.version,
    verdict: shortened(verdict),
    attribution: report.attribution,
    reasons: report.reasons.slice(0, 4).map((reason) => reason.slice(0, 200)),
    suppressed: report.suppressed,
    reportedAt: known?.reportedAt ?? now,
    decided: known?.decided ?? 'open',
    heldBy: known?.heldBy ?? null,
  };
  state.degradations = [...state.degradations.filter(({ id }) => id !== report.id), entry].slice(-STANDING_LIMIT);
  state.calmSince = null;
  if (!known)
    turn.record('degradation-began', entry.verdict.sentence, {
      id: report.id,
      metric: verdict.metric,
      tier: verdict.tier,
      version: report.version,
      epoch: report.epoch,
      observed: verdict.observed,
      expected: verdict.expected,
      ucl: verdict.ucl,
      lcl: verdict.lcl,
      samples: verdict.samples,
      onsetAt: verdict.onsetMs,
      onsetLow: verdict.onsetLowMs,
      onsetHigh: verdict.onsetHighMs,
      statistic: { ...verdict.statistic },
      baseline: entry.verdict.baseline,
      attribution: report.attribution,
      reasons: entry.reasons,
      suppressed: report.suppressed,
    });
}

/** Words of other processes are bounded before they enter state and ledger (I15). */
function shortened(verdict: Verdict): Verdict {
  return { ...verdict, sentence: verdict.sentence.slice(0, 400), baseline: verdict.baseline.slice(0, 200) };
}

export function onDegradationEnded(turn: Turn, { report }: Extract<ServiceEvent, { type: 'degradation-ended' }>): void {
  const { state } = turn;
  const known = state.degradations.find(({ id }) => id === report.id);
  if (!known) return;
  state.degradations = state.degradations.filter(({ id }) => id !== report.id);
  stillSoOf(turn, known);
  turn.record('degradation-ended', report.sentence.slice(0, 600), { id: report.id, at: report.at });
  endWhereNothingStands(turn, 'the degradation ended by itself');
}

/**
 * Detection lost its state: nobody measures what it had reported, and nobody will ever report its end. What still stands
 * is found again; until then nothing moves because of it. What the router or the address itself said stands.
 */
export function forgetVerdicts(turn: Turn): void {
  const { state } = turn;
  const ownWord = ({ id }: StandingDegradation): boolean =>
    id.startsWith(FALLBACK_DEGRADATION) || id.startsWith(FOREIGN_DEGRADATION);
  const lost = state.degradations.filter((entry) => !ownWord(entry));
  if (lost.length === 0) return;
  state.degradations = state.degradations.filter(ownWord);
  // It was measured good before what stood now, and nobody can say when that ends: it is measured anew.
  if (state.confirming) state.confirming = { ...state.confirming, measured: false };
  for (const entry of lost) {
    const { id, verdict } = entry;
    stillSoOf(turn, entry);
    turn.record('degradation-ended', `detection started anew and measures ${verdict.metric} from the beginning`, {
      id,
      at: turn.now,
    });
  }
  if (state.incident?.phase === 'awaiting-approval')
    endIncident(turn, 'detection started anew: the proposal is made again when the verdict is');
}

export function onTiersReported(turn: Turn, { report }: Extract<ServiceEvent, { type: 'tiers-reported' }>): void {
  const { state, now } = turn;
  state.tiers = report.tiers.slice(0, 60);
  state.environment = report.environment.slice(0, 10);
  if (report.unmeasuredSince === null) {
    if (state.unmeasuredSince !== null) {
      // The calm that stood still goes on from here; see `keepCalm`.
      if (state.calmSince !== null)
        state.calmFrozenAt ??= Math.max(state.calmSince, Math.min(now, state.unmeasuredSince));
      state.unmeasuredSince = null;
      stillSo(turn, UNMEASURED);
    }
  } else if (state.unmeasuredSince === null) {
    state.unmeasuredSince = report.unmeasuredSince;
    tellUnmeasured(turn, report.unmeasuredSince);
  }
  const { confirming } = state;
  if (confirming && !confirming.measured && report.version === state.declared?.primary) {
    const measured = report.tiers.some(
      ({ metric, kind, at }) => metric === confirming.metric && kind === 'ok' && at > confirming.from,
    );
    if (measured) state.confirming = { ...confirming, measured };
  }
  if (state.confirming?.measured && now >= state.confirming.until && state.degradations.length === 0)
    confirmIncident(turn);
}

function tellUnmeasured(turn: Turn, since: number): void {
  const { state } = turn;
  if (!isNews(turn, UNMEASURED, false)) return;
  alertService(turn, `unmeasured/${since}`, {
    severity: 'ticket',
    title: `${state.service}: nothing can be measured`,
    wrong: `No telemetry since ${clock(since)}.`,
    did: 'Nothing: what cannot be measured is neither good nor bad. Every tier waits.',
    users: usersNow(state),
    must: 'See whether the router runs and whether the service has traffic.',
    command: `lastgood doctor`,
  });
}

/** What was given up or left undecided on the live version is decided again: a person changed what the machine may do. */
export function reopen(turn: Turn): void {
  const { state } = turn;
  const settled = state.incident === null && state.operation === null;
  for (const { id, decided } of state.degradations)
    if (decided === 'refused' || decided === 'held' || (decided === 'acted' && settled)) mark(turn, id, 'open', null);
}

/** The hold that kept a degradation from being decided has ended; `decide` looks at it again. */
export function releaseHeld(turn: Turn): void {
  for (const entry of turn.state.degradations) if (entry.decided === 'held') mark(turn, entry.id, 'open', null);
}
