import type { ChainedEntry } from '../../domain/ledger';
import { readinessOf } from '../../domain/service/readiness';
import type { ServiceState } from '../../domain/service/state';
import { ControllerMetrics, countedLedger } from '../../workers/metrics';
import type { ServiceStatus } from '../../workflows/contract/status';
import { MemoryLedger } from '../support/memory-ledger';
import { servicePolicy } from '../support/service-policy';
import { SERVICE, serviceWithStandby, START, type ServiceSimulator } from '../support/service-simulator';

function statusOf(state: ServiceState, now: number): ServiceStatus {
  const { outbox, answered: _answered, next: _next, ...rest } = state;
  const ledgerLag = { entries: outbox.length, oldestAt: outbox[0]?.at ?? null };
  return { service: SERVICE, readiness: readinessOf(state, now), state: rest, ledgerLag };
}

/** Metrics behind a ledger that gets what the simulated service decided, in order, each entry twice. */
class Rig {
  readonly ledger = new MemoryLedger();
  metrics = new ControllerMetrics(START);
  private counted = this.behind();
  private written = 0;

  private behind(): ReturnType<typeof countedLedger> {
    const { metrics } = this;
    return countedLedger(
      this.ledger,
      (entry) => metrics.countEntry(entry),
      (entry) => metrics.learn(entry),
    );
  }

  constructor(readonly simulator: ServiceSimulator) {}

  restart(): void {
    this.metrics = new ControllerMetrics(this.simulator.now);
    this.counted = this.behind();
  }

  /** Series by name and labels, after everything that was decided so far was written. */
  async read(): Promise<Map<string, number>> {
    const { simulator } = this;
    for (const entry of simulator.ledger.slice(this.written)) {
      await this.counted.append(entry);
      await this.counted.append(entry);
    }
    this.written = simulator.ledger.length;
    this.metrics.observe(SERVICE, statusOf(simulator.state, simulator.now), simulator.now);
    return seriesOf(await this.metrics.text());
  }

  async rollbacks(): Promise<Record<string, number>> {
    const found: Record<string, number> = {};
    for (const [series, value] of await this.read()) {
      const [, cause, tier, outcome] =
        /^lastgood_rollbacks_total\{service="mail-triage",cause="(.*)",tier="(.*)",outcome="(.*)"\}$/.exec(series) ??
        [];
      if (cause !== undefined) found[`${cause} ${tier} ${outcome}`] = value;
    }
    return found;
  }
}

function seriesOf(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line.startsWith('lastgood_'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );
}

function begin(policy = servicePolicy()): Rig {
  const simulator = serviceWithStandby(policy);
  simulator.say('deploy', { version: '1.2' });
  simulator.runOperation();
  simulator.tiers('ok');
  simulator.pass(60_000);
  return new Rig(simulator);
}

/** Every step of the rollback that runs fails until a person must say how to go on. */
function failUntilWaiting(simulator: ServiceSimulator): void {
  for (let tries = 0; tries < 8 && simulator.state.operation?.waiting === null; tries++) {
    const { child } = simulator;
    if (!child) throw new Error('no rollback runs');
    simulator.childStep(child, false);
    while (child.mail.length > 0) simulator.deliver(child);
  }
}

const mine = `service="${SERVICE}"`;

test('a rollback is counted once by cause, tier and outcome, its exposure, onset to restored, once in every stage', async () => {
  const rig = begin();
  const { simulator } = rig;
  simulator.verdict('v1', { tier: 'immediate', hard: true });
  const { child } = simulator;
  if (!child) throw new Error('no rollback runs');
  simulator.now += 100;
  simulator.step({
    type: 'step-reported',
    report: {
      operation: child.input.operation,
      no: (child.no += 1),
      at: simulator.now,
      what: { type: 'began', step: 'shift', version: '1.1', deadlineAt: simulator.now + 10_000 },
    },
  });
  simulator.now += 300;
  simulator.childStep(child, true);
  while (child.mail.length > 0) simulator.deliver(child);
  simulator.now += 2_000;
  simulator.runOperation();

  expect(await rig.rollbacks()).toEqual({ 'model immediate decided': 1, 'model immediate settled': 1 });
  const series = await rig.read();
  expect(series.get(`lastgood_verdicts_total{${mine},tier="immediate",metric="recall",what="began"}`)).toBe(1);
  const seconds = { detect: 4, decide: 0, prepare: 0.1, shift: 0.3, verify: 2, total: 4.4 };
  for (const [stage, value] of Object.entries(seconds)) {
    expect(series.get(`lastgood_exposure_seconds_sum{${mine},stage="${stage}"}`)).toBeCloseTo(value, 6);
    expect(series.get(`lastgood_exposure_seconds_count{${mine},stage="${stage}"}`)).toBe(1);
  }
});

test('a manual rollback is the decision of an operator, of no tier, and exposes nobody', async () => {
  const rig = begin();
  rig.simulator.say('rollback', {});
  rig.simulator.runOperation();
  expect(await rig.rollbacks()).toEqual({ 'operator none decided': 1, 'operator none settled': 1 });
  expect([...(await rig.read()).keys()].filter((name) => name.startsWith('lastgood_exposure_seconds_count'))).toEqual(
    [],
  );
});

test('a rollback that failed, and one that was stopped, keep the cause and the tier that they began with', async () => {
  const rig = begin();
  const { simulator } = rig;
  simulator.verdict('v1', { attribution: 'undetermined' });
  failUntilWaiting(simulator);
  expect(await rig.rollbacks()).toEqual({
    'undetermined short-window decided': 1,
    'undetermined short-window waiting-for-human': 1,
  });
  simulator.say('intervene', { incident: simulator.state.incident?.id ?? '', action: 'abort' });
  simulator.runOperation();
  expect(await rig.rollbacks()).toMatchObject({ 'undetermined short-window failed': 1 });

  simulator.verdictEnded('v1');
  simulator.verdict('v2', { tier: 'immediate' });
  simulator.say('cancel', {});
  simulator.runOperation();
  const counts = await rig.rollbacks();
  expect(counts).toMatchObject({ 'model immediate decided': 1, 'model immediate cancelled': 1 });
  expect(Object.values(counts).reduce((sum, count) => sum + count)).toBe(5);
});

test('an operation whose workflow is gone is abandoned; the failed deploy beside it is no rollback', async () => {
  const rig = begin();
  const { simulator } = rig;
  simulator.say('deploy', { version: '1.3' });
  failUntilWaiting(simulator);
  simulator.say('intervene', { incident: simulator.state.operation?.id ?? '', action: 'abort' });
  simulator.runOperation();
  expect(simulator.state.operation).toBeNull();
  expect(await rig.rollbacks()).toEqual({});
  simulator.verdict('v1');
  const { child } = simulator;
  if (!child) throw new Error('no rollback runs');
  child.phase = 'ended';
  simulator.pass(3_600_000);
  simulator.answerAsked();
  expect(await rig.rollbacks()).toMatchObject({ 'model short-window abandoned': 1 });
});

test('what the environment caused is refused, what a pause holds is held, each with the tier of its verdict', async () => {
  const rig = begin();
  const { simulator } = rig;
  simulator.verdict('v1', { tier: 'immediate', attribution: 'environment', metric: 'error-rate' });
  expect(await rig.rollbacks()).toEqual({ 'environment immediate refused': 1 });
  simulator.verdictEnded('v1');
  simulator.say('pause', { forMs: 3_600_000 });
  simulator.verdict('v2');
  expect(await rig.rollbacks()).toEqual({ 'environment immediate refused': 1, 'model short-window held': 1 });
  const series = await rig.read();
  expect(series.get(`lastgood_verdicts_total{${mine},tier="immediate",metric="error-rate",what="ended"}`)).toBe(1);
  expect(series.get(`lastgood_ready_to_roll_back{${mine}}`)).toBe(0);
});

test('a proposal that nobody approves is counted as proposed and refused, for the reason it was made', async () => {
  const approval = { tiers: ['short-window'], timeoutMs: 60_000, onTimeout: 'hold' } as const;
  const rig = begin(servicePolicy({ approval }));
  rig.simulator.verdict('v1');
  rig.simulator.pass(61_000);
  expect(await rig.rollbacks()).toEqual({ 'model short-window proposed': 1, 'model short-window refused': 1 });
});

test('the second rollback opens the breaker; its hold move is told apart and counts no exposure a second time', async () => {
  const rig = begin();
  const { simulator } = rig;
  simulator.say('vouch', { version: '1.0' });
  simulator.verdict('v1');
  simulator.runOperation();
  simulator.tiers('ok');
  const calm = await rig.read();
  expect(calm.get(`lastgood_breaker_open{${mine}}`)).toBe(0);
  expect(calm.get(`lastgood_cooldown_seconds{${mine}}`)).toBe(30 * 60);
  expect(calm.get(`lastgood_consecutive_rollbacks{${mine}}`)).toBe(1);
  simulator.pass(31 * 60_000);
  simulator.say('deploy', { version: '1.3' });
  simulator.runOperation();
  simulator.verdict('v2', { tier: 'immediate' });
  simulator.runOperation();

  const series = await rig.read();
  expect(simulator.state.breaker.open).toBe(true);
  expect(series.get(`lastgood_breaker_open{${mine}}`)).toBe(1);
  expect(series.get(`lastgood_consecutive_rollbacks{${mine}}`)).toBe(2);
  expect(await rig.rollbacks()).toMatchObject({
    'model short-window settled': 1,
    'model immediate settled': 1,
    'model immediate hold-move-decided': 1,
    'model immediate hold-move-settled': 1,
  });
  expect(series.get(`lastgood_exposure_seconds_count{${mine},stage="total"}`)).toBe(2);
  expect(series.get(`lastgood_route{${mine},role="primary",version="1.0"}`)).toBe(1);
});

test('a process that starts in the middle of a rollback counts its end with the reason from the ledger, and only that', async () => {
  const rig = begin();
  const { simulator } = rig;
  simulator.verdict('v1', { tier: 'immediate' });
  failUntilWaiting(simulator);
  await rig.read();
  rig.restart();
  simulator.say('intervene', { incident: simulator.state.incident?.id ?? '', action: 'abort' });
  simulator.runOperation();
  expect(await rig.rollbacks()).toEqual({ 'model immediate failed': 1 });
});

test('an entry is written also when the older ones cannot be read', async () => {
  const rig = begin();
  const [first] = rig.simulator.ledger;
  if (!first) throw new Error('no entry');
  const ledger = new MemoryLedger();
  const read = jest.spyOn(ledger, 'read').mockRejectedValue(new Error('busy'));
  const counted: string[] = [];
  await countedLedger(ledger, ({ kind }) => counted.push(kind)).append(first);
  expect(read).toHaveBeenCalledTimes(1);
  expect(ledger.entries(SERVICE)).toHaveLength(1);
  expect(counted).toEqual([first.kind]);
});

test('assessments are dated by what was measured, time without measurements is counted once', async () => {
  const rig = begin();
  const { simulator } = rig;
  simulator.tiers('ok');
  const measuredAt = simulator.now / 1000;
  await rig.read();
  const since = simulator.now;
  simulator.now += 10_000;
  simulator.tiers('unmeasured');
  simulator.state = { ...simulator.state, unmeasuredSince: since };
  for (let polls = 0; polls < 3; polls++) {
    await rig.read();
    simulator.now += 5_000;
  }
  const series = await rig.read();
  for (const tier of ['immediate', 'short-window'])
    expect(series.get(`lastgood_last_assessment_timestamp_seconds{${mine},tier="${tier}"}`)).toBe(measuredAt);
  expect(series.get(`lastgood_unmeasured_seconds_total{${mine}}`)).toBe(25);
  // The process before this one counted what was before its end.
  rig.restart();
  simulator.now += 1_000;
  expect((await rig.read()).get(`lastgood_unmeasured_seconds_total{${mine}}`)).toBe(1);
});

test('the ledger lag is the age of the oldest decision that waits, and nobody who is silent is ready', async () => {
  const rig = begin();
  const { simulator } = rig;
  simulator.prepared(true);
  simulator.proof(true);
  expect((await rig.read()).get(`lastgood_ready_to_roll_back{${mine}}`)).toBe(1);
  simulator.setLedger(false);
  simulator.say('pause', { forMs: 60_000 });
  simulator.now += 7_000;
  expect((await rig.read()).get(`lastgood_ledger_lag_seconds{${mine}}`)).toBe(7);
  simulator.setLedger(true);
  expect((await rig.read()).get(`lastgood_ledger_lag_seconds{${mine}}`)).toBe(0);
  simulator.say('resume', {});
  expect((await rig.read()).get(`lastgood_ready_to_roll_back{${mine}}`)).toBe(1);
  rig.metrics.observe(SERVICE, null, simulator.now);
  const series = seriesOf(await rig.metrics.text());
  expect(series.get(`lastgood_decisions_reachable{${mine}}`)).toBe(0);
  expect(series.get(`lastgood_ready_to_roll_back{${mine}}`)).toBe(0);
});

test('who waits for a person, who is paused and since when nothing is measured is told, and that it is over', async () => {
  const approval = { tiers: ['short-window'], timeoutMs: 60_000, onTimeout: 'hold' } as const;
  const rig = begin(servicePolicy({ approval }));
  const { simulator } = rig;
  const read = async (name: string): Promise<number | undefined> => (await rig.read()).get(`lastgood_${name}{${mine}}`);
  expect([await read('waiting_for_human'), await read('paused')]).toEqual([0, 0]);
  expect(await read('unmeasured_since_timestamp_seconds')).toBe(0);
  simulator.verdict('v1');
  expect(await read('waiting_for_human')).toBe(1);
  simulator.pass(61_000);
  expect(await read('waiting_for_human')).toBe(0);
  simulator.say('pause', { forMs: 3_600_000 });
  expect(await read('paused')).toBe(1);
  simulator.pass(3_601_000);
  expect(await read('paused')).toBe(0);
  simulator.state = { ...simulator.state, unmeasuredSince: simulator.now };
  expect(await read('unmeasured_since_timestamp_seconds')).toBe(simulator.now / 1000);
});

test('what reached a place and what did not are counted apart, and whether Temporal answers is told', async () => {
  const { metrics } = begin();
  metrics.countAlert('slack 1', true);
  metrics.countAlert('slack 1', false);
  metrics.observeTemporal(false);
  const series = seriesOf(await metrics.text());
  expect(series.get('lastgood_alerts_total{sink="slack 1",outcome="delivered"}')).toBe(1);
  expect(series.get('lastgood_alerts_total{sink="slack 1",outcome="failed"}')).toBe(1);
  expect(series.get('lastgood_temporal_reachable')).toBe(0);
});

test('1,000 versions, odd names and odd facts make no series without an end', async () => {
  const rig = begin();
  await rig.read();
  const { simulator, metrics } = rig;
  const { declared } = simulator.state;
  if (!declared) throw new Error('no route');
  const odd = ['\n', '"}', 'ü'.repeat(500), '', 'a{b="c"}', '\u0000'];
  for (let index = 0; index < 1_000; index++) {
    const primary = `9.${index}${odd[index % odd.length] ?? ''}`;
    const state = { ...simulator.state, declared: { ...declared, primary, fallback: `8.${index}` } };
    metrics.observe(SERVICE, statusOf(state, simulator.now), simulator.now);
    const facts = { id: primary, metric: `${primary}:x`, tier: primary, attribution: primary, outcome: primary };
    const [template] = simulator.ledger;
    if (!template) throw new Error('no entry');
    const entry = { ...template, key: `service/${SERVICE}/9${index}`, incident: primary };
    for (const kind of [
      'degradation-began',
      'degradation-ended',
      'rollback-held',
      'settled',
      'rollback-decided',
    ] as const)
      metrics.countEntry({ ...entry, kind, facts });
    metrics.countEntry({ ...entry, kind: 'incident-ended', summary: `${primary} failed: x`, facts: {} });
    metrics.countEntry({ ...entry, kind: 'degradation-began', facts: { ...facts, metric: `m${index}` } });
  }
  const lines = (await metrics.text()).split('\n').filter((line) => line.startsWith('lastgood_'));
  const of = (name: string): string[] => lines.filter((line) => line.startsWith(`${name}{`));
  expect(of('lastgood_route')).toHaveLength(2);
  expect(of('lastgood_verdicts_total').length).toBeLessThanOrEqual(2 * 51 + 3);
  expect(of('lastgood_rollbacks_total').length).toBeLessThan(10);
  expect(lines.length).toBeLessThan(250);
  for (const line of lines) expect(line).toMatch(/^lastgood_\w+(\{[^\n]*\})? -?[\d.e+]+$/);
});

test('the entries that an operation writes beside its service are not counted a second time', async () => {
  const rig = begin();
  const entry: Omit<ChainedEntry, 'seq' | 'hash' | 'previousHash'> = {
    service: SERVICE,
    key: `rollback/${SERVICE}/x/1`,
    at: START,
    kind: 'waiting-for-human',
    incident: 'x',
    actor: { name: 'lastgood', proof: 'lastgood', from: 'rollback' },
    summary: 'waits',
    facts: { step: 'probe' },
  };
  rig.metrics.countEntry(entry);
  expect(await rig.rollbacks()).toEqual({});
});
