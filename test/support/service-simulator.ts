import type { Verdict } from '../../domain/detection/types';
import type { LedgerEntry } from '../../domain/ledger';
import type { ServicePolicy } from '../../domain/policy';
import type { Candidate, OperationInput, OperationOrder, StepReport } from '../../domain/rollback/operation';
import { instanceName, namesInstance } from '../../domain/route';
import type { Backend, FallbackInUse, ObservedRoute, RouteRecord } from '../../domain/route';
import type { Command, Effect } from '../../domain/service/commands';
import type { ServiceEvent } from '../../domain/service/events';
import { initialState } from '../../domain/service/initial-state';
import type { Answer, MessageName, OperatorMessage } from '../../domain/service/messages';
import type { RecoveredState } from '../../domain/service/recovery';
import { reduce as realReduce } from '../../domain/service/reduce';
import type { ServiceState, StoredVersion, VersionFacts } from '../../domain/service/state';
import { NEWEST_RULES } from '../../workflows/contract/inputs';
import { servicePolicy } from './service-policy';

export type Reduce = typeof realReduce;
export const SERVICE = 'mail-triage';
export const START = Date.UTC(2026, 2, 2, 8, 0, 0);

export function storedVersion(version: string, importedAt: number, good = true): StoredVersion {
  return {
    version,
    digest: `sha256:${version.padEnd(64, '0')}`,
    importedAt,
    evaluation: good ? { accuracy: 0.96, n: 1000, byClass: { spam: { n: 500, recall: 0.95, precision: 0.95 } } } : null,
    probes: 8,
    model: 'mail-triage',
  };
}

export function verdictOf(metric: string, tier: Verdict['tier'], now: number, hard = false): Verdict {
  return {
    kind: 'degraded',
    tier,
    metric,
    hard,
    observed: 0.2,
    expected: 0.01,
    ucl: 0.03,
    lcl: null,
    unit: 'ratio',
    samples: 200,
    sinceMs: now - 5_000,
    onsetMs: now - 4_000,
    onsetLowMs: now - 6_000,
    onsetHighMs: now - 3_000,
    statistic: { name: 'cusum', value: 12, threshold: 10, falseAlarmDays: 30 },
    sentence: `${metric} is 20 %, expected 1 % (limit 3 %)`,
    baseline: 'the last good hours',
  };
}

/** The child of an operation as the service sees it: it reports by numbers and writes to the router on its own. */
export interface Child {
  readonly input: OperationInput;
  /** Those of the decision, and after them whom a person chose. */
  readonly candidates: Candidate[];
  no: number;
  epoch: number;
  candidate: number;
  record: RouteRecord | null;
  readonly started: Map<string, string>;
  phase: 'trying' | 'shifted' | 'waiting' | 'ended';
  /** What it said when it began to wait for a person. */
  waits: StepReport['what'] | null;
  stop: string | null;
  readonly mail: StepReport[];
}

type EffectCommand = Extract<Command, { kind: 'effect' }>;
export interface Step {
  readonly before: ServiceState;
  readonly event: ServiceEvent;
  readonly after: ServiceState;
  readonly commands: readonly Command[];
  readonly now: number;
}

/**
 * One service with everything around it in memory: ledger with outages, router, children, host. Every effect is performed
 * by what the effect says, never by looking at what the reducer meant.
 */
export class ServiceSimulator {
  now = START;
  state: ServiceState;
  readonly ledger: LedgerEntry[] = [];
  readonly keys = new Map<string, string>();
  ledgerDown = false;
  router: { record: RouteRecord | null; floor: number; fallback: FallbackInUse | null } = {
    record: null,
    floor: 0,
    fallback: null,
  };
  readonly children = new Map<string, Child>();
  readonly running = new Set<string>();
  readonly preparing: Extract<Effect, { type: 'prepare-standby' }>[] = [];
  readonly retiring = new Map<string, Extract<Effect, { type: 'retire' }>['input']>();
  readonly asked: Extract<Effect, { type: 'ask-operation' }>[] = [];
  stored: StoredVersion[] = [
    storedVersion('1.0', START - 9e8),
    storedVersion('1.1', START - 8e8),
    storedVersion('1.2', START - 7e8),
    storedVersion('1.3', START - 6e8),
    storedVersion('0.9', START - 9.5e8, false),
  ];
  readonly alerts: Extract<Command, { kind: 'alert' }>['alert'][] = [];
  readonly effects: Effect[] = [];
  lastAnswer: Answer | null = null;
  private queue: EffectCommand[] = [];
  private requests = 0;

  constructor(
    readonly policy: ServicePolicy = servicePolicy(),
    private readonly reduce: Reduce = realReduce,
    private readonly observe: (step: Step, simulator: ServiceSimulator) => void = () => undefined,
    private readonly rules = NEWEST_RULES,
  ) {
    this.state = this.fresh();
    this.start(null, true);
  }

  private fresh(): ServiceState {
    return initialState({ service: SERVICE, host: 'local', policy: this.policy, rules: this.rules, samples: false });
  }

  private start(recovered: RecoveredState | null, ledgerReadable: boolean, routerReadable = true): void {
    const observed = routerReadable ? this.observed() : null;
    this.step({ type: 'started', recovered, ledgerReadable, observed, versions: this.stored });
  }

  step(event: ServiceEvent): Answer | null {
    const before = this.state;
    const { state, commands, answer } = this.reduce(before, event, this.now, this.rules);
    this.state = state;
    for (const command of commands) {
      if (command.kind === 'effect') this.queue.push(command);
      if (command.kind === 'alert') this.alerts.push(command.alert);
    }
    this.observe({ before, event, after: state, commands, now: this.now }, this);
    this.lastAnswer = answer ?? this.lastAnswer;
    if (event.type !== 'recorded') this.settle();
    return answer;
  }

  /** Writes what waits for the ledger, then performs what waited for it. */
  private settle(): void {
    if (!this.ledgerDown && this.state.outbox.length > 0) {
      for (const entry of this.state.outbox) this.append(entry);
      this.step({ type: 'recorded', upTo: this.state.counters.ledger });
    }
    for (let next = this.queue[0]; next; next = this.queue[0]) {
      if (this.ledgerDown && next.ledgerDown === 'hold') return;
      this.queue.shift();
      this.perform(next.effect);
    }
  }

  private append(entry: LedgerEntry): void {
    const content = JSON.stringify(entry);
    const known = this.keys.get(entry.key);
    if (known === content) return;
    if (known !== undefined) throw new Error(`I4: the key ${entry.key} has two contents`);
    this.keys.set(entry.key, content);
    this.ledger.push(entry);
  }

  setLedger(up: boolean): void {
    this.ledgerDown = !up;
    this.settle();
  }

  private perform(effect: Effect): void {
    this.effects.push(effect);
    switch (effect.type) {
      case 'start-operation':
        if (this.children.has(effect.input.operation)) throw new Error(`I2: ${effect.input.operation} started twice`);
        this.children.set(effect.input.operation, childOf(effect.input));
        return;
      case 'order':
        return this.order(effect.operation, effect.order);
      case 'fence':
        this.router.floor = Math.max(this.router.floor, effect.epoch);
        return;
      case 'apply-route': {
        const applied = this.apply(effect.record);
        return void this.later({ type: 'route-applied', epoch: effect.record.epoch, applied, why: 'refused' });
      }
      case 'prepare-standby':
        this.preparing.push(effect);
        return;
      case 'cancel-preparation': {
        const cancelled = this.preparing.findIndex(({ instance }) => instance === effect.instance);
        const [{ version } = { version: '?' }] = this.preparing.splice(cancelled, 1);
        const { instance } = effect;
        return this.later({ type: 'standby-prepared', version, instance, backend: null, why: 'given up' });
      }
      case 'inspect-host': {
        const instances = [...this.running].map((instance) => ({ version: versionOf(instance), instance }));
        return this.later({ type: 'instances-inspected', instances });
      }
      case 'retire':
        this.retiring.set(effect.input.instance, effect.input);
        return;
      case 'spare': {
        const input = this.retiring.get(effect.instance);
        if (!input) return;
        this.retiring.delete(effect.instance);
        return this.retirementEnded(input.version, input.instance, 'spared');
      }
      case 'ask-operation':
        this.asked.push(effect);
        return;
      case 'list-versions':
        return void this.later({ type: 'versions-listed', versions: this.stored });
      // What a drill's workflow would do is said by the test.
      case 'start-drill':
      case 'order-drill':
      case 'tell-detection':
      case 'end':
        return;
    }
  }

  private readonly inbox: ServiceEvent[] = [];
  private later(event: ServiceEvent): void {
    this.inbox.push(event);
  }

  /** What effects answered, in order. */
  drain(): void {
    for (let event = this.inbox.shift(); event; event = this.inbox.shift()) this.step(event);
  }

  /** The router: a record below the one in force or below the floor is refused; a higher epoch ends the fallback. */
  apply(record: RouteRecord): boolean {
    const { router } = this;
    if (record.epoch < Math.max(router.floor, router.record?.epoch ?? 0)) return false;
    if (record.epoch === router.record?.epoch) return true;
    this.router = { ...router, record, fallback: null };
    return true;
  }

  observed(): ObservedRoute {
    return { ...this.router, pinned: {} };
  }

  private order(operation: string, order: OperationOrder): void {
    const child = this.children.get(operation);
    if (!child || child.phase === 'ended') return;
    if (order.type === 'stop') child.stop = order.why;
    else if (child.phase === 'waiting') {
      if (order.type === 'abort') this.end(child, 'failed', 'aborted');
      else if (order.type === 'accept') this.end(child, 'settled', 'accepted');
      else {
        if (order.type === 'choose') child.candidate = child.candidates.push(order.candidate) - 1;
        child.phase = 'trying';
        this.report(child, { type: 'began', step: 'probe', version: null, deadlineAt: this.now + 60_000 });
      }
    }
  }

  /** One step of a child: what it does next, well or not. */
  childStep(child: Child, well: boolean): void {
    if (child.phase === 'ended') return;
    if (child.stop !== null) return this.end(child, child.record ? 'failed' : 'cancelled', child.stop);
    if (child.phase === 'waiting') return;
    if (child.phase === 'shifted') return this.childVerify(child, well);
    const candidate = child.candidates[child.candidate];
    if (!candidate) return this.wait(child, 'select');
    if (!well) {
      const next = child.candidates[child.candidate + 1]?.version ?? null;
      this.report(child, { type: 'dropped', version: candidate.version, step: 'probe', why: 'probes failed', next });
      child.candidate += 1;
      return next === null ? this.wait(child, 'probe') : undefined;
    }
    const instance = candidate.warm?.instance ?? instanceName(SERVICE, candidate.version, child.input.operation);
    if (!candidate.warm) child.started.set(instance, candidate.version);
    this.running.add(instance);
    this.report(child, { type: 'succeeded', step: 'probe', version: candidate.version, ms: 10, note: '' });
    const { epochs } = child.input;
    const { operation } = this.state;
    // The shift reads the service's decisions once more; a router below the floor refuses.
    const granted = operation?.id === child.input.operation && child.epoch <= epochs.to;
    if (!granted && !this.serviceGone) return this.end(child, 'cancelled', 'not granted any more');
    const backend: Backend = { address: 'http://127.0.0.1:9', instance, digest: candidate.digest };
    this.childShift(child, candidate.version, backend);
  }

  /** The old copy is stopped first: nobody serves until the next shift. */
  childGap(child: Child): void {
    const { route, stopFirst } = child.input;
    const base = child.record ?? route;
    if (!base || !stopFirst) throw new Error(`${child.input.operation} has nothing to stop first`);
    const since = this.now;
    const gap = { since, until: since + stopFirst.maxMs, expectedAt: since + stopFirst.expectedMs };
    const record = { service: SERVICE, epoch: child.epoch, primary: base.primary, pins: [], backends: {}, gap };
    child.epoch += 1;
    if (!this.apply(record)) return this.end(child, 'cancelled', 'the router refused');
    child.record = record;
    this.report(child, { type: 'shifted', record, note: 'read back' });
  }

  /** While nobody decides, a child cannot read the standing; what it may still do is bounded by its epochs. */
  serviceGone = false;

  private childShift(child: Child, version: string, backend: Backend): void {
    const left = child.input.route?.primary;
    const kept = left === undefined ? undefined : (child.record ?? child.input.route)?.backends[left];
    const backends = { ...(left !== undefined && kept ? { [left]: kept } : {}), [version]: [backend] };
    const record: RouteRecord = { service: SERVICE, epoch: child.epoch, primary: version, pins: [], backends };
    child.epoch += 1;
    if (!this.apply(record)) return this.end(child, 'cancelled', 'the router refused');
    child.record = record;
    child.phase = 'shifted';
    if (!this.ledgerDown) this.childEntry(child, record);
    this.report(child, { type: 'shifted', record, note: 'read back' });
  }

  private childEntry(child: Child, record: RouteRecord): void {
    const key = `rollback/${SERVICE}/${child.input.operation}/${record.epoch}`;
    const facts = { changes: { route: JSON.parse(JSON.stringify(record)) as never } };
    const actor = { name: 'lastgood', proof: 'lastgood', from: 'rollback' } as const;
    const { incident } = child.input;
    this.append({ service: SERVICE, key, at: this.now, kind: 'traffic-shifted', incident, actor, summary: 's', facts });
  }

  private childVerify(child: Child, well: boolean): void {
    if (well) return this.end(child, 'settled', 'verified');
    const { route, safest } = child.input;
    if (route && safest === 'previous' && (route.backends[route.primary] ?? []).length > 0) {
      const { fallback: _fallback, ...rest } = route;
      const record = { ...rest, epoch: child.epoch };
      child.epoch += 1;
      if (this.apply(record)) {
        child.record = record;
        this.report(child, { type: 'shifted', record, note: 'back' });
      }
    }
    this.wait(child, 'verify');
  }

  private wait(child: Child, step: string): void {
    child.phase = 'waiting';
    const { primary = '?' } = child.record ?? child.input.route ?? {};
    child.waits = { type: 'waiting', step, why: 'it failed', primary };
    this.report(child, child.waits);
  }

  private end(child: Child, outcome: 'settled' | 'failed' | 'cancelled', why: string): void {
    child.phase = 'ended';
    const carrying = Object.values(child.record?.backends ?? {}).flat();
    const idle = [...child.started]
      .filter(([instance]) => !carrying.some((backend) => backend.instance === instance))
      .map(([instance, version]) => ({ version, instance }));
    this.report(child, { type: 'ended', outcome, record: child.record, why, idle, verified: null });
  }

  private report(child: Child, what: StepReport['what']): void {
    child.no += 1;
    child.mail.push({ operation: child.input.operation, no: child.no, at: this.now, what });
  }

  get child(): Child | null {
    return [...this.children.values()].findLast((child) => child.phase !== 'ended' || child.mail.length > 0) ?? null;
  }

  deliver(child: Child, index = 0, keep = false): void {
    const report = child.mail[Math.min(index, child.mail.length - 1)];
    if (!report) return;
    if (!keep) child.mail.splice(child.mail.indexOf(report), 1);
    this.step({ type: 'step-reported', report });
    this.drain();
  }

  /** Runs the operation in flight to its end, everything going well, reports in order. */
  runOperation(): void {
    for (let rounds = 0; rounds < 50 && this.state.operation && this.state.operation.waiting === null; rounds++) {
      const child = this.children.get(this.state.operation.id);
      if (!child) return;
      if (child.mail.length > 0) this.deliver(child);
      else this.childStep(child, true);
    }
  }

  prepared(ok: boolean): void {
    const effect = this.preparing.shift();
    if (!effect) return;
    const { version, instance, digest } = effect;
    if (ok) this.running.add(instance);
    const backend = ok ? { address: 'http://127.0.0.1:8', instance, digest } : null;
    this.step({ type: 'standby-prepared', version, instance, backend, why: ok ? '' : 'it did not become ready' });
    this.drain();
  }

  proof(ok: boolean): void {
    const { standby } = this.state;
    if (!standby) return;
    const { version, backend } = standby;
    const why = ok ? '' : 'golden probe 3 failed';
    this.step({ type: 'standby-reported', report: { version, instance: backend.instance, ok, at: this.now, why } });
    this.drain();
  }

  /** What the guard of the live copies tells. */
  live(condition: 'answers' | 'silent' | 'dead'): void {
    const { declared } = this.state;
    const version = declared?.primary ?? '?';
    const instances = (declared?.backends[version] ?? []).map(({ instance }) => instance);
    const why = condition === 'answers' ? '' : 'SIGKILL';
    this.step({ type: 'live-reported', report: { version, instances, condition, at: this.now, why } });
    this.drain();
  }

  verdict(
    id: string,
    change: Partial<Verdict> & {
      epoch?: number;
      attribution?: 'model' | 'environment' | 'undetermined';
      reasons?: string[];
    } = {},
  ): void {
    const {
      epoch,
      attribution = 'model',
      reasons = ['the same inputs are right on the previous version'],
      ...verdict
    } = change;
    const { declared, cooldownUntil } = this.state;
    const report = {
      id,
      epoch: epoch ?? declared?.epoch ?? 0,
      version: declared?.primary ?? '?',
      verdict: { ...verdictOf('recall:bulk', 'short-window', this.now), ...verdict },
      attribution,
      reasons,
      suppressed: cooldownUntil !== null,
    };
    this.step({ type: 'degradation-began', report });
    this.drain();
  }

  verdictEnded(id: string): void {
    const epoch = this.state.declared?.epoch ?? 0;
    this.step({ type: 'degradation-ended', report: { id, epoch, at: this.now, sentence: `${id} is over` } });
    this.drain();
  }

  tiers(kind: 'ok' | 'unmeasured' | 'inconclusive'): void {
    const { declared, unmeasuredSince } = this.state;
    const reading = {
      metric: 'recall:bulk',
      kind,
      observed: 0.9,
      expected: 0.9,
      limit: 0.8,
      samples: 100,
      at: this.now,
    };
    this.step({
      type: 'tiers-reported',
      report: {
        epoch: declared?.epoch ?? 0,
        version: declared?.primary ?? '?',
        at: this.now,
        tiers: [
          { ...reading, tier: 'short-window' },
          { ...reading, tier: 'immediate', metric: 'error-rate' },
        ],
        unmeasuredSince: kind === 'unmeasured' ? (unmeasuredSince ?? this.now) : null,
        environment: [],
      },
    });
    this.drain();
  }

  look(): void {
    this.step({ type: 'route-observed', report: { observed: this.observed(), at: this.now } });
    this.drain();
  }

  pass(ms: number): void {
    this.now += ms;
    this.step({ type: 'tick' });
    this.drain();
  }

  primaryDies(): void {
    const { record, fallback } = this.router;
    if (record?.fallback === undefined || fallback) return;
    const version = record.fallback;
    this.router.fallback = { version, since: this.now, epoch: record.epoch, reason: 'connection refused' };
  }

  answerAsked(alive?: boolean): void {
    const asked = this.asked.shift();
    if (asked === undefined) return;
    const { operation, knownToWait } = asked;
    const child = this.children.get(operation);
    const running = alive ?? (child !== undefined && child.phase !== 'ended');
    if (child?.phase === 'waiting' && child.waits !== null && knownToWait !== true) this.report(child, child.waits);
    this.step({ type: 'operation-asked', operation, running, observed: this.observed() });
    this.drain();
  }

  retirementDone(instance: string): void {
    const input = this.retiring.get(instance);
    if (!input || this.now < input.notBefore) return;
    // The host asks the router in the same activity: what a record in force names is not stopped.
    if (this.router.record && namesInstance(this.router.record, instance, this.now)) return;
    this.retiring.delete(instance);
    this.running.delete(instance);
    this.retirementEnded(input.version, instance, 'stopped');
  }

  private retirementEnded(version: string, instance: string, outcome: 'stopped' | 'spared'): void {
    this.later({ type: 'retirement-ended', report: { version, instance, outcome, at: this.now, why: '' } });
  }

  say<N extends MessageName>(
    name: N,
    fields: Omit<Extract<OperatorMessage, { name: N }>, 'name' | 'requestId' | 'reason'> & { requestId?: string },
  ): Answer {
    this.requests += 1;
    const actor = { name: 'ada', proof: 'token', from: 'test' } as const;
    const envelope = { requestId: `r${this.requests}`, reason: 'because', actor, ...fields, name };
    const answer = this.step({ type: 'message', message: envelope as unknown as OperatorMessage });
    this.drain();
    if (!answer) throw new Error(`${name} was not answered`);
    return answer;
  }

  /** The service workflow is terminated and started again by the controller; children go on. */
  loseService(how: { readonly minimal?: boolean; readonly routerReadable?: boolean } = {}): void {
    this.queue = [];
    this.inbox.length = 0;
    this.state = this.fresh();
    // The controller looks every minute; nobody starts it twice within a second.
    this.now += 1_000;
    const recovered = this.ledgerDown ? null : this.recover(how.minimal ?? false);
    this.start(recovered, !this.ledgerDown, how.routerReadable ?? true);
    this.drain();
  }

  /** The fold of the ledger's `facts.changes`; `minimal` leaves out what older readers of the ledger do not know. */
  recover(minimal: boolean): RecoveredState | null {
    const last = this.ledger.at(-1);
    if (!last) return null;
    const newest: Record<string, unknown> = {};
    const versions = new Map<string, VersionFacts>();
    let highestEpoch = 0;
    for (const { facts } of this.ledger) {
      const changes = (facts['changes'] ?? {}) as Record<string, unknown>;
      Object.assign(newest, changes);
      for (const facts of (changes['versions'] ?? []) as VersionFacts[]) versions.set(facts.version, facts);
      const route = changes['route'] as RouteRecord | null | undefined;
      highestEpoch = Math.max(highestEpoch, route?.epoch ?? 0, ((changes['nextEpoch'] as number | undefined) ?? 1) - 1);
    }
    const get = <T>(name: string, otherwise: T): T => (newest[name] as T | undefined) ?? otherwise;
    const incident = get<RecoveredState['incident']>('incident', null);
    const core: RecoveredState = {
      seq: this.ledger.length,
      at: last.at,
      route: get<RouteRecord | null>('route', null),
      highestEpoch,
      versions: [...versions.values()].sort((a, b) => a.importedAt - b.importedAt),
      cooldownUntil: get<number | null>('cooldownUntil', null),
      breaker: get('breaker', { open: false, epoch: 0, openedAt: null, incident: null }),
      consecutive: get('consecutive', 0),
      openIncident: incident?.id ?? null,
      incidentCounter: get('incidentCounter', 0),
      mode: get<RecoveredState['mode']>('mode', null),
    };
    if (minimal) return core;
    return {
      ...core,
      incident: incident ?? null,
      operation: get<RecoveredState['operation']>('operation', null) ?? null,
      bake: get<RecoveredState['bake']>('bake', null) ?? null,
      confirming: get<RecoveredState['confirming']>('confirming', null) ?? null,
      pausedUntil: get<number | null>('pausedUntil', null),
      standby: get<RecoveredState['standby']>('standby', null) ?? null,
    };
  }
}

function versionOf(instance: string): string {
  return /@(.*)#/.exec(instance)?.[1] ?? '?';
}

function childOf(input: OperationInput): Child {
  return {
    input,
    candidates: [...input.candidates],
    no: 0,
    epoch: input.epochs.from,
    candidate: 0,
    record: null,
    started: new Map(),
    phase: 'trying',
    waits: null,
    stop: null,
    mail: [],
  };
}

/** A service with 1.1 live, 1.0 as its proven standby and fallback, everything measured and good. */
export function serviceWithStandby(policy?: ServicePolicy, reduce?: Reduce): ServiceSimulator {
  const simulator = new ServiceSimulator(policy, reduce);
  for (const version of ['1.0', '1.1']) {
    simulator.say('deploy', { version });
    simulator.runOperation();
    simulator.tiers('ok');
    simulator.pass(60_000);
  }
  simulator.proof(true);
  return simulator;
}
