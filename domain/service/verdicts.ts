import { confirmIncident } from './reports';
import { measuredAgain } from './brakes';
import type { ServiceEvent } from './events';
import { mark } from './incident';
import { alertService, clock, usersNow } from './messages-for-people';
import type { StandingDegradation } from './state';
import type { Turn } from './turn';

/** A degradation began. One of another epoch is recorded and has no effect; a known one is only renewed. */
export function onDegradationBegan(turn: Turn, { report }: Extract<ServiceEvent, { type: 'degradation-began' }>): void {
  const { state, now } = turn;
  const { verdict } = report;
  const current = state.declared?.epoch === report.epoch && state.declared.primary === report.version;
  const known = state.degradations.find(({ id }) => id === report.id);
  if (!current) {
    if (!known)
      turn.record('degradation-began', `of another route (epoch ${report.epoch}), no effect: ${verdict.sentence}`, {
        epoch: report.epoch,
      });
    return;
  }
  const entry: StandingDegradation = {
    id: report.id,
    epoch: report.epoch,
    version: report.version,
    verdict,
    attribution: report.attribution,
    reasons: report.reasons.slice(0, 6),
    suppressed: report.suppressed,
    reportedAt: known?.reportedAt ?? now,
    decided: known && known.decided !== 'held' ? known.decided : 'open',
    heldBy: known?.heldBy ?? null,
  };
  state.degradations = [...state.degradations.filter(({ id }) => id !== report.id), entry].slice(-20);
  state.calmSince = null;
  if (!known)
    turn.record('degradation-began', verdict.sentence, {
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
      baseline: verdict.baseline,
      attribution: report.attribution,
      reasons: entry.reasons,
      suppressed: report.suppressed,
    });
}

export function onDegradationEnded(turn: Turn, { report }: Extract<ServiceEvent, { type: 'degradation-ended' }>): void {
  const { state } = turn;
  const known = state.degradations.find(({ id }) => id === report.id);
  if (!known) return;
  state.degradations = state.degradations.filter(({ id }) => id !== report.id);
  turn.record('degradation-ended', report.sentence, { id: report.id, at: report.at });
  // A proposal whose reason went away is taken back: nobody should approve yesterday's problem.
  if (state.incident?.phase === 'awaiting-approval' && state.degradations.length === 0) {
    turn.record('incident-ended', 'the degradation ended before anybody approved');
    state.incident = null;
  }
}

export function onTiersReported(turn: Turn, { report }: Extract<ServiceEvent, { type: 'tiers-reported' }>): void {
  const { state, now } = turn;
  state.tiers = report.tiers.slice(0, 60);
  state.environment = report.environment.slice(0, 10);
  if (report.unmeasuredSince === null) {
    if (state.unmeasuredSince !== null) measuredAgain(turn);
  } else if (state.unmeasuredSince === null) {
    state.unmeasuredSince = report.unmeasuredSince;
    alertService(turn, `unmeasured/${report.unmeasuredSince}`, {
      severity: 'ticket',
      title: `${state.service}: nothing can be measured`,
      wrong: `No telemetry since ${clock(report.unmeasuredSince)}.`,
      did: 'Nothing: what cannot be measured is neither good nor bad. Every tier waits.',
      users: usersNow(state),
      must: 'See whether the router runs and whether the service has traffic.',
      command: `lastgood doctor`,
    });
  }
  const { confirming } = state;
  if (confirming && !confirming.measured) {
    const measured = report.tiers.some(
      ({ metric, kind, at }) => metric === confirming.metric && kind === 'ok' && at > confirming.from,
    );
    if (measured) state.confirming = { ...confirming, measured };
  }
  if (state.confirming?.measured && now >= state.confirming.until && state.degradations.length === 0)
    confirmIncident(turn);
}

/** The hold that kept a degradation from being decided has ended; `decide` looks at it again. */
export function releaseHeld(turn: Turn): void {
  for (const entry of turn.state.degradations) if (entry.decided === 'held') mark(turn, entry.id, 'open', null);
}
