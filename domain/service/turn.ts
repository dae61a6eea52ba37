import type { Alert } from '../alert';
import type { Actor, Json, LedgerEntry, LedgerKind } from '../ledger';
import type { Command, DetachmentInput, Effect } from './commands';
import { machine } from './messages';
import type { Incident, ServiceState, VersionFacts } from './state';

type Facts = { readonly [key: string]: Json };
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * One event's worth of change: `state` is written freely, decisions are recorded, effects are asked for. `finish` gives
 * the commands in the order in which they must happen, with the changed facts attached to the entries (so that a service
 * workflow that starts without state finds them in the ledger).
 */
export class Turn {
  readonly state: Mutable<ServiceState>;
  private readonly entries: LedgerEntry[] = [];
  private readonly rest: Command[] = [];
  private whole = false;
  private over = false;

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

  /** Every fact goes into the ledger with this turn, changed or not: what older entries say of them is over. */
  restate(): void {
    this.whole = true;
  }

  /** Asks for an effect after everything that was recorded so far. */
  effect(effect: Effect, ledgerDown: 'proceed' | 'hold' = 'proceed'): void {
    this.rest.push({ kind: 'effect', effect, afterEntry: this.state.counters.ledger, ledgerDown });
  }

  /** The last turn of this service: nothing is decided after it. */
  end(input: DetachmentInput): void {
    this.effect({ type: 'end', input }, 'hold');
    this.over = true;
  }

  get isOver(): boolean {
    return this.over;
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

  /**
   * Everything of one event that must be durable is durable before its first effect: the entries of a turn are one batch,
   * and an effect that waited for some of them only could outrun the changed facts (I4).
   */
  finish(): { state: ServiceState; commands: Command[] } {
    for (const changes of packed(changedFacts(this.before, this.state, this.whole))) this.attach(changes);
    const upTo = this.state.counters.ledger;
    const { entries } = this;
    this.state.outbox = [...this.state.outbox, ...entries];
    const rest = this.rest.map((command) =>
      command.kind === 'effect' && entries.length > 0 ? { ...command, afterEntry: upTo } : command,
    );
    return { state: this.state, commands: [...entries.map((entry): Command => ({ kind: 'intent', entry })), ...rest] };
  }

  /** Puts changed facts on the first entry that has room for them, else on one of their own. */
  private attach(changes: Facts): void {
    const chars = JSON.stringify(changes).length;
    const fits = (entry: LedgerEntry): boolean =>
      entry.facts['changes'] === undefined && JSON.stringify(entry.facts).length + chars <= FACTS_LIMIT_CHARS;
    if (!this.entries.some(fits)) this.record('standing-changed', `changed: ${Object.keys(changes).join(', ')}`);
    const index = this.entries.findIndex(fits);
    const entry = this.entries[index];
    if (entry) this.entries[index] = { ...entry, facts: { ...entry.facts, changes } };
  }
}

/** Facts of one entry are at most 12 KiB; the rest is for what JSON needs around them. */
const FACTS_LIMIT_CHARS = 11_000;
/** One group of changes; small enough to find room beside the facts of most decisions. */
const CHANGES_LIMIT_CHARS = 6_000;

/** The slices that another service workflow would need to go on; whole new values of what changed, one fact a pair. */
function changedFacts(before: ServiceState, after: ServiceState, whole: boolean): [string, Json][] {
  const changes: [string, Json][] = [];
  const put = (name: string, value: unknown): void => {
    changes.push([name, JSON.parse(JSON.stringify(value ?? null)) as Json]);
  };
  if (whole || before.declared !== after.declared) put('route', after.declared);
  if (whole || before.cooldownUntil !== after.cooldownUntil) put('cooldownUntil', after.cooldownUntil);
  if (whole || before.breaker !== after.breaker) put('breaker', after.breaker);
  if (whole || before.consecutive !== after.consecutive) put('consecutive', after.consecutive);
  if (whole || before.mode !== after.mode) put('mode', after.mode);
  if (whole || before.bake !== after.bake) put('bake', after.bake);
  if (whole || before.pausedUntil !== after.pausedUntil) put('pausedUntil', after.pausedUntil);
  if (whole || before.confirming !== after.confirming) put('confirming', after.confirming);
  if (whole || before.standby?.backend.instance !== after.standby?.backend.instance)
    put('standby', after.standby ? { version: after.standby.version, backend: after.standby.backend } : null);
  if (whole || operationFacts(before) !== operationFacts(after)) put('operation', after.operation);
  if (whole || before.incident?.id !== after.incident?.id || before.incident?.phase !== after.incident?.phase)
    put('incident', after.incident);
  if (whole || before.counters.incident !== after.counters.incident) put('incidentCounter', after.counters.incident);
  if (whole || before.nextEpoch !== after.nextEpoch) put('nextEpoch', after.nextEpoch);
  for (const facts of changedVersions(before, after)) put('versions', [facts]);
  return changes;
}

/** What of an operation must survive the service workflow; its steps and deadlines come again by reports. */
function operationFacts({ operation }: ServiceState): string {
  return operation ? JSON.stringify([operation.id, operation.waiting, operation.stopping, operation.shifted]) : '';
}

/** Versions about which something was decided; one that is only known from the store is read there again. */
function changedVersions(before: ServiceState, after: ServiceState): readonly VersionFacts[] {
  if (before.versions === after.versions) return [];
  const known = new Map(before.versions.map((facts) => [facts.version, facts]));
  return after.versions.filter((facts) => {
    const { standing, human, lastGoodAt, deployedAt, version } = facts;
    const undecided = standing === 'candidate' && human === null && lastGoodAt === null && deployedAt === null;
    return known.get(version) !== facts && (known.has(version) || !undecided);
  });
}

/** Groups of changes that each fit into one entry; versions join the versions of their group. */
function packed(changes: readonly [string, Json][]): Facts[] {
  const groups: { [key: string]: Json }[] = [];
  let chars = Infinity;
  for (const [name, value] of changes) {
    const size = JSON.stringify(value).length + name.length + 4;
    if (chars + size > CHANGES_LIMIT_CHARS) {
      groups.push({});
      chars = 0;
    }
    const group = groups[groups.length - 1] ?? {};
    const there = group[name];
    group[name] = Array.isArray(there) && Array.isArray(value) ? [...(there as Json[]), ...(value as Json[])] : value;
    chars += size;
  }
  return groups;
}

/** `2026-11-23` of an instant, without a clock of our own. */
function isoDate(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10).replaceAll('-', '');
}
