import { namesInstance } from '../../domain/route';
import type { RouteRecord } from '../../domain/route';
import type { Effect } from '../../domain/service/commands';
import { nextWakeAt } from '../../domain/service/timers';
import type { ServiceState, VersionFacts } from '../../domain/service/state';
import type { Reduce, ServiceSimulator, Step } from './service-simulator';

/** A broken invariant, with the event that broke it. */
class InvariantBroken extends Error {
  override readonly name = 'InvariantBroken';
}

const changing = new Set<Effect['type']>([
  'start-operation',
  'order',
  'fence',
  'apply-route',
  'prepare-standby',
  'retire',
  'spare',
]);

/**
 * Watches a simulated service from outside: what it needs to know of the past it counts itself, from events and commands,
 * so that a reducer that forgets something cannot hide it by forgetting it in its state too.
 */
export class InvariantWatch {
  private highestEpoch = 0;
  private readonly records = new Map<number, string>();
  private cooldownUntil = 0;
  /** Automatic rollbacks that ended without a clear since, and the time of ok since the last of them. */
  private ended = 0;
  private okMs = 0;
  private okNow = false;
  private lastAt = 0;
  private rollbackInFlight: string | null = null;
  private readonly holdMoves = new Set<number>();
  private steps = 0;

  constructor(
    private readonly reduce: Reduce,
    private readonly everyNth = 12,
  ) {}

  readonly observe = (step: Step, simulator: ServiceSimulator): void => {
    try {
      this.check(step, simulator);
    } catch (error) {
      if (!(error instanceof InvariantBroken)) throw error;
      throw new InvariantBroken(`${error.message}\nafter ${JSON.stringify(step.event).slice(0, 600)}`);
    }
  };

  private check(step: Step, simulator: ServiceSimulator): void {
    const { before, after, commands, event, now } = step;
    this.steps += 1;
    this.passTime(step);
    // What the ledger never got is lost with the workflow; the reducer then assumes one rollback before now.
    if (event.type === 'started' && !event.ledgerReadable)
      this.ended = Math.min(this.ended, after.policy.breaker.consecutiveRollbacks - 1);
    for (const command of commands) if (command.kind === 'effect') this.effect(command.effect, step, simulator);
    this.durableFirst(step);
    if (event.type !== 'started') {
      holds(after.nextEpoch >= before.nextEpoch, 'I2: the next epoch fell');
      holds((after.declared?.epoch ?? 0) >= (before.declared?.epoch ?? 0), 'I2: the declared epoch fell');
    }
    holds(
      after.declared === null || after.declared.epoch < after.nextEpoch,
      'I2: a declared epoch is handed out again',
    );
    if (event.type === 'tick') {
      const wake = nextWakeAt(after);
      holds(wake === null || wake > now, `I9: woken for nothing, for ever (${String(wake)} at ${now})`);
    }
    if (event.type === 'tiers-reported' && event.report.unmeasuredSince !== null) this.neutral(step);
    this.braked(step);
    if (this.steps % this.everyNth === 0) this.deterministic(step);
  }

  private passTime({ event, now, after }: Step): void {
    if (this.okNow) this.okMs += now - this.lastAt;
    this.lastAt = now;
    if (this.okMs >= after.policy.breaker.calmMs) this.ended = 0;
    if (event.type === 'tiers-reported') this.okNow = event.report.tiers.every(({ kind }) => kind === 'ok');
    if (after.degradations.length > 0 || after.incident) this.okMs = 0;
  }

  /** What moves users or copies. */
  private effect(effect: Effect, step: Step, simulator: ServiceSimulator): void {
    const { after, before, now } = step;
    switch (effect.type) {
      case 'start-operation':
        return this.startsOperation(effect, step, simulator);
      case 'apply-route':
        this.usesRecord(effect.record);
        return this.fallbackIsProven(effect.record, after);
      case 'retire': {
        const { instance, notBefore } = effect.input;
        const named = after.declared !== null && namesInstance(after.declared, instance, Math.max(now, notBefore));
        holds(!named, `I5: ${instance} is retired and the declared record names it`);
        holds(after.standby?.backend.instance !== instance, `I5: the standby ${instance} is retired`);
        return holds(after.confirming?.keep?.instance !== instance, `I5: the kept ${instance} is retired`);
      }
      case 'prepare-standby':
        return holds(copies(after) <= after.policy.copiesLoadedMax, `I7: ${copies(after)} copies are loaded`);
      case 'fence':
        this.highestEpoch = Math.max(this.highestEpoch, effect.epoch - 1);
        return holds(effect.epoch >= (before.declared?.epoch ?? 0), 'I2: the floor is below the declared epoch');
      case 'start-drill':
      case 'order-drill':
      case 'order':
      case 'spare':
      case 'cancel-preparation':
      case 'inspect-host':
      case 'ask-operation':
      case 'list-versions':
      case 'tell-detection':
      case 'end':
        return;
    }
  }

  private usesRecord(record: RouteRecord): void {
    const text = JSON.stringify(record);
    const known = this.records.get(record.epoch);
    holds(known === undefined || known === text, `I2: epoch ${record.epoch} has two contents`);
    holds(known !== undefined || record.epoch > this.highestEpoch, `I2: epoch ${record.epoch} was used before`);
    this.records.set(record.epoch, text);
    this.highestEpoch = Math.max(this.highestEpoch, record.epoch);
  }

  private fallbackIsProven(record: RouteRecord, state: ServiceState): void {
    if (record.fallback === undefined || state.foreign?.epoch === record.epoch - 1) return;
    const { standby } = state;
    if (standby?.version !== record.fallback) return;
    const facts = state.versions.find(({ version }) => version === record.fallback);
    holds(standby.proof === 'ok', 'I1: a fallback without a proof');
    holds(facts !== undefined && chosenByMachine(state, facts), `I8: ${record.fallback} is no fallback`);
    if (state.breaker.open) holds((facts?.human ?? null) !== null, 'I3: a fallback that is not the hold version');
  }

  private startsOperation(
    { input }: Extract<Effect, { type: 'start-operation' }>,
    { after, before, now }: Step,
    simulator: ServiceSimulator,
  ): void {
    const { kind, candidates, epochs } = input;
    holds(epochs.from > this.highestEpoch && epochs.to >= epochs.from, `I2: the block ${epochs.from} was used before`);
    this.highestEpoch = epochs.to;
    for (const child of simulator.children.values()) {
      const fenced = after.nextEpoch > child.input.epochs.to;
      holds(child.phase === 'ended' || fenced, `I2: ${child.input.operation} may still move the traffic`);
    }
    holds(candidates.length > 0 && candidates.length <= after.policy.attempts.maxCandidates, 'I7: too many attempts');
    holds(input.route === null || input.route.epoch < epochs.from, 'I2: a block below the declared epoch');
    for (const { version, warm } of candidates) {
      const facts = after.versions.find((other) => other.version === version);
      holds(facts?.evaluation.ok === true, `I1: ${version} is not validated`);
      holds(facts?.standing !== 'quarantined' && facts?.standing !== 'revoked', `I8: ${version} is barred`);
      if (warm)
        holds(after.standby?.proof === 'ok' && after.standby.version === version, `I1: ${version} has no proof`);
    }
    if (input.procedure === 'emergency')
      holds((candidates[0]?.warm ?? null) !== null, 'I1: an emergency without a proof');
    if (kind !== 'rollback' && kind !== 'hold-move') return;
    const first = after.versions.find(({ version }) => version === candidates[0]?.version);
    if (first) holds(chosenByMachine(after, first), `I8: ${first.version} while better is left`);
    if (kind === 'hold-move') {
      holds((first?.human ?? null) !== null, 'I3: a hold move to a version that nobody vouched for');
      holds(!before.breaker.open && after.breaker.open, 'I3: a hold move without an opening');
      holds(!this.holdMoves.has(after.breaker.epoch), 'I3: two hold moves');
      this.holdMoves.add(after.breaker.epoch);
      holds(after.mode === 'act' && after.pausedWhy === null, 'a hold move although a person decides');
      holds(after.pausedUntil === null || now >= after.pausedUntil, 'a hold move in a pause');
      return;
    }
    holds(!after.breaker.open, 'I3: an automatic rollback with the breaker open');
    holds(this.ended < after.policy.breaker.consecutiveRollbacks, 'I3: the breaker should be open');
    holds(now >= this.cooldownUntil, 'I7: an automatic rollback inside the cooldown');
    holds(after.mode !== 'observe', 'an automatic rollback in mode observe');
    holds(after.pausedUntil === null || now >= after.pausedUntil, 'an automatic rollback in a pause');
    holds(after.pausedWhy === null, 'an automatic rollback while the route is not known');
    this.rollbackInFlight = input.operation;
  }

  /** Counts the brakes from outside. */
  private braked({ before, after, event, commands, now }: Step): void {
    const { rollbackInFlight } = this;
    const inFlight = before.operation?.id === rollbackInFlight;
    if (rollbackInFlight !== null && inFlight && after.operation?.id !== rollbackInFlight) {
      this.rollbackInFlight = null;
      if (event.type === 'step-reported' && event.report.what.type === 'ended') {
        const { outcome } = event.report.what;
        const moved = after.declared?.primary !== before.operation?.from || before.operation?.shifted;
        if (outcome === 'settled' && moved) this.cooldownUntil = now + after.policy.cooldownMs;
        if (outcome !== 'cancelled') this.countEnded(after);
      }
    }
    if (commands.some((command) => command.kind === 'intent' && command.entry.kind === 'breaker-cleared')) {
      holds(event.type === 'message' && event.message.name === 'clearBreaker', 'I3: the breaker cleared itself');
      if (event.type === 'message' && event.message.name === 'clearBreaker')
        holds(event.message.breakerEpoch === before.breaker.epoch, 'I3: a clear of another epoch');
      holds(before.operation === null || before.operation.kind === 'deploy', 'I3: a clear in mid-rollback');
      this.ended = 0;
      this.cooldownUntil = now + after.policy.cooldownMs;
    }
    if (before.breaker.open && !after.breaker.open && event.type !== 'started')
      holds(event.type === 'message', 'I3: the breaker closed without a clear');
    if (event.type !== 'started' && before.consecutive > 0 && after.consecutive === 0 && event.type !== 'message')
      holds(this.okMs >= after.policy.breaker.calmMs, `I10: the count was reset after ${this.okMs} ms of ok`);
    if (event.type === 'tick' && after.cooldownUntil === null)
      holds(this.cooldownUntil <= now, 'I7: the cooldown ended too early');
  }

  private countEnded(after: ServiceState): void {
    const { consecutiveRollbacks } = after.policy.breaker;
    this.ended += 1;
    this.okMs = 0;
    if (this.ended >= consecutiveRollbacks)
      holds(after.breaker.open, 'I3: the second rollback did not open the breaker');
  }

  private neutral({ before, after, commands }: Step): void {
    holds(before.cooldownUntil === after.cooldownUntil, 'I10: unmeasured changed the cooldown');
    holds(before.consecutive === after.consecutive, 'I10: unmeasured changed the count');
    holds(before.degradations.length === after.degradations.length, 'I10: unmeasured ended a verdict');
    const acts = commands.some((command) => command.kind === 'effect' && command.effect.type === 'start-operation');
    holds(!acts || before.degradations.length > 0, 'I10: unmeasured triggered');
  }

  private durableFirst({ before, after, commands }: Step): void {
    const intents = commands.filter((command) => command.kind === 'intent');
    const upTo = after.counters.ledger;
    const first = commands.findIndex((command) => command.kind === 'effect');
    holds(first === -1 || intents.every((intent) => commands.indexOf(intent) < first), 'I4: an intent after an effect');
    const written = new Set<string>();
    for (const { entry } of intents) {
      for (const name of Object.keys((entry.facts['changes'] ?? {}) as object)) written.add(name);
      holds(JSON.stringify(entry.facts).length <= 12 * 1024, `I15: facts of ${entry.kind} are too large`);
    }
    for (const command of commands) {
      if (command.kind !== 'effect' || !changing.has(command.effect.type)) continue;
      holds(intents.length > 0 && command.afterEntry === upTo, `I4: ${command.effect.type} without its intent`);
    }
    const changed = (name: string, was: unknown, is: unknown): void =>
      holds(JSON.stringify(was) === JSON.stringify(is) || written.has(name), `I4: ${name} changed without an entry`);
    changed('route', before.declared, after.declared);
    changed('breaker', before.breaker, after.breaker);
    changed('cooldownUntil', before.cooldownUntil, after.cooldownUntil);
    changed('consecutive', before.consecutive, after.consecutive);
    changed('mode', before.mode, after.mode);
    changed('pausedUntil', before.pausedUntil, after.pausedUntil);
    changed('nextEpoch', before.nextEpoch, after.nextEpoch);
    const barred = (state: ServiceState): unknown =>
      state.versions
        .filter(({ standing }) => standing !== 'candidate')
        .map(({ version, standing }) => [version, standing]);
    changed('versions', barred(before), barred(after));
  }

  /** Reduced twice the same comes out; the same event again changes nothing more in the world (I11). */
  private deterministic({ before, after, event, commands, now }: Step): void {
    const again = this.reduce(before, event, now, before.rules);
    holds(
      text(again.state) === text(after) && text(again.commands) === text(commands),
      'I13: reduced twice, two results',
    );
    if (event.type === 'started') return;
    const second = this.reduce(after, event, now, after.rules);
    for (const command of second.commands) {
      if (command.kind !== 'effect' || !changing.has(command.effect.type)) continue;
      const same = commands.some((other) => other.kind === 'effect' && text(other.effect) === text(command.effect));
      holds(same, `I11: the same event again asked for ${command.effect.type}: ${text(command.effect).slice(0, 300)}`);
    }
    holds(text(second.state.declared) === text(after.declared), 'I11: the same event again changed the route');
    holds(second.state.consecutive === after.consecutive, 'I11: counted twice');
  }
}

function text(value: unknown): string {
  return JSON.stringify(value);
}

function holds(condition: boolean, words: string): void {
  if (!condition) throw new InvariantBroken(words);
}

/** May the machine choose it now? Said from the design's words, not by the code under test. */
function chosenByMachine(state: ServiceState, facts: VersionFacts): boolean {
  const barred = ({ standing, evaluation }: VersionFacts): boolean =>
    standing === 'quarantined' || standing === 'revoked' || !evaluation.ok;
  if (barred(facts)) return false;
  if (facts.standing !== 'suspect') return true;
  const live = state.versions.find(({ version }) => version === state.declared?.primary);
  return !state.versions.some(
    (other) =>
      other.version !== live?.version &&
      other.standing !== 'suspect' &&
      !barred(other) &&
      (other.lastGoodAt !== null || other.human !== null || other.importedAt < (live?.importedAt ?? 0)) &&
      !(state.incident?.dropped ?? []).includes(other.version),
  );
}

function copies(state: ServiceState): number {
  const named = Object.values(state.declared?.backends ?? {})
    .flat()
    .map(({ instance }) => instance);
  const others = [
    state.standby?.backend.instance,
    state.preparing?.instance,
    state.confirming?.keep?.instance,
    ...state.retiring.map(({ instance }) => instance),
  ].filter((instance) => instance !== undefined);
  return new Set([...named, ...others]).size;
}
