import type { Alert } from '../alert';
import type { Actor, Json, LedgerEntry, LedgerKind } from '../ledger';
import type { Command, Effect } from './commands';
import { machine } from './messages';
import type { Incident, ServiceState } from './state';

type Facts = { readonly [key: string]: Json };
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * One event's worth of change: `state` is written freely, decisions are recorded, effects are asked for. `finish` gives
 * the commands in the order in which they must happen, with the changed facts attached to the first entry (so that a
 * service workflow that starts without state finds them in the ledger).
 */
export class Turn {
  readonly state: Mutable<ServiceState>;
  private readonly entries: LedgerEntry[] = [];
  private readonly rest: Command[] = [];

  constructor(
    private readonly before: ServiceState,
    readonly now: number,
  ) {
    this.state = { ...before };
  }

  /** Writes a decision; it is durable before any effect that is asked for after it. */
  record(
    kind: LedgerKind,
    summary: string,
    facts: Facts = {},
    by: { actor?: Actor; incident?: string | null } = {},
  ): void {
    const { state } = this;
    const count = state.counters.ledger + 1;
    state.counters = { ...state.counters, ledger: count };
    this.entries.push({
      service: state.service,
      key: `service/${state.service}/${count}`,
      at: this.now,
      kind,
      incident: by.incident === undefined ? (state.incident?.id ?? null) : by.incident,
      actor: by.actor ?? machine,
      summary: summary.slice(0, 1000),
      facts,
    });
  }

  /** Asks for an effect after everything that was recorded so far. */
  effect(effect: Effect, ledgerDown: 'proceed' | 'hold' = 'proceed'): void {
    this.rest.push({ kind: 'effect', effect, afterEntry: this.state.counters.ledger, ledgerDown });
  }

  alert(alert: Omit<Alert, 'service' | 'at' | 'incident'> & { incident?: string | null }): void {
    const { state } = this;
    const incident = alert.incident === undefined ? (state.incident?.id ?? null) : alert.incident;
    this.rest.push({ kind: 'alert', alert: { ...alert, incident, service: state.service, at: this.now } });
  }

  annotate(version: string, text: string): void {
    this.rest.push({ kind: 'annotate', version, text });
  }

  nextIncidentId(): string {
    const incident = this.state.counters.incident + 1;
    this.state.counters = { ...this.state.counters, incident };
    return `${isoDate(this.now)}-${incident}`;
  }

  nextOperationId(prefix: string): string {
    const operation = this.state.counters.operation + 1;
    this.state.counters = { ...this.state.counters, operation };
    return `${prefix}-${operation}`;
  }

  nextInstanceId(): string {
    const instance = this.state.counters.instance + 1;
    this.state.counters = { ...this.state.counters, instance };
    return `s${instance}`;
  }

  updateIncident(change: Partial<Incident>): void {
    if (this.state.incident) this.state.incident = { ...this.state.incident, ...change };
  }

  finish(): { state: ServiceState; commands: Command[] } {
    const changes = changedFacts(this.before, this.state);
    if (Object.keys(changes).length > 0 && this.entries.length === 0)
      this.record('standing-changed', `changed: ${Object.keys(changes).join(', ')}`);
    const [first, ...others] = this.entries;
    const entries = first ? [{ ...first, facts: { ...first.facts, changes } }, ...others] : [];
    this.state.outbox = [...this.state.outbox, ...entries];
    return {
      state: this.state,
      commands: [...entries.map((entry): Command => ({ kind: 'intent', entry })), ...this.rest],
    };
  }
}

/** The slices that another service workflow would need to go on; whole new values of what changed. */
function changedFacts(before: ServiceState, after: ServiceState): Facts {
  const changes: { [key: string]: Json } = {};
  const put = (name: string, value: unknown): void => {
    changes[name] = JSON.parse(JSON.stringify(value ?? null)) as Json;
  };
  if (before.declared !== after.declared) put('route', after.declared);
  if (before.cooldownUntil !== after.cooldownUntil) put('cooldownUntil', after.cooldownUntil);
  if (before.breaker !== after.breaker) put('breaker', after.breaker);
  if (before.consecutive !== after.consecutive) put('consecutive', after.consecutive);
  if (before.mode !== after.mode) put('mode', after.mode);
  if (before.bake !== after.bake) put('bake', after.bake);
  if (
    (before.incident?.id ?? null) !== (after.incident?.id ?? null) ||
    before.incident?.phase !== after.incident?.phase
  )
    put('incident', after.incident ? { id: after.incident.id, phase: after.incident.phase } : null);
  if (before.counters.incident !== after.counters.incident) put('incidentCounter', after.counters.incident);
  if (before.nextEpoch !== after.nextEpoch) put('nextEpoch', after.nextEpoch);
  if (before.versions !== after.versions) {
    const known = new Map(before.versions.map((facts) => [facts.version, facts]));
    const changed = after.versions.filter((facts) => known.get(facts.version) !== facts);
    if (changed.length > 0) put('versions', changed.slice(0, 20));
  }
  return changes;
}

/** `2026-11-23` of an instant, without a clock of our own. */
function isoDate(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10).replaceAll('-', '');
}
