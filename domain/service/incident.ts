import type { Json } from '../ledger';
import { retire } from './retiring';
import type { Incident, StandingDegradation } from './state';
import type { Turn } from './turn';

/** Opens the incident of a degradation, or goes on with the one that is open. */
export function openIncident(turn: Turn, entry: StandingDegradation, phase: Incident['phase'] = 'rolling-back'): void {
  const { state, now } = turn;
  if (state.incident?.phase === 'confirming') endIncident(turn, 'reopened: it degraded again before it was confirmed');
  if (phase !== 'on-fallback') mark(turn, entry.id, 'acted', null);
  if (state.incident) {
    turn.updateIncident({ phase, attribution: entry.attribution });
    return;
  }
  const { verdict } = entry;
  state.incident = {
    id: turn.nextIncidentId(),
    phase,
    tier: verdict.tier,
    metric: verdict.metric,
    hard: verdict.hard,
    from: entry.version,
    target: null,
    attribution: entry.attribution,
    onsetAt: verdict.onsetMs,
    detectedAt: entry.reportedAt,
    decidedAt: now,
    preparedAt: null,
    shiftedAt: null,
    settledAt: null,
    approvalUntil: null,
    sentence: verdict.sentence,
    dropped: [],
    automatic: true,
    holdMove: false,
  };
}

/** The incident is over; its whole story is in the ledger. */
export function endIncident(turn: Turn, why: string): void {
  const { incident } = turn.state;
  if (!incident) return;
  turn.record('incident-ended', why, { from: incident.from, target: incident.target }, { incident: incident.id });
  const keep = turn.state.confirming?.keep ?? null;
  turn.state.incident = null;
  turn.state.confirming = null;
  if (keep) retire(turn, keep.version, keep.instance, `incident ${incident.id} is over`);
}

/** A proposal whose reason went away is taken back: nobody should approve yesterday's problem. */
export function endWhereNothingStands(turn: Turn, why: string): void {
  const { degradations, operation, fallbackInUse, incident } = turn.state;
  if (degradations.length > 0 || operation || fallbackInUse) return;
  const phase = incident?.phase;
  if (phase === 'awaiting-approval' || phase === 'waiting-for-human' || phase === 'on-fallback') endIncident(turn, why);
}

/** Notes what was decided on a standing degradation, so that it is decided once. */
export function mark(turn: Turn, id: string, decided: StandingDegradation['decided'], heldBy: string | null): void {
  turn.state.degradations = turn.state.degradations.map((entry) =>
    entry.id === id ? { ...entry, decided, heldBy } : entry,
  );
}

/** The metrics that a decision was taken on, as JSON for the ledger. */
export function verdictFacts(entry: StandingDegradation): { readonly [key: string]: Json } {
  const { verdict } = entry;
  return JSON.parse(
    JSON.stringify({ verdict: { ...verdict }, version: entry.version, epoch: entry.epoch, reasons: entry.reasons }),
  ) as { readonly [key: string]: Json };
}
