import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ObservedRoute } from '../../../domain/route';
import { Sessions } from '../../../gateway/sessions';
import { Storage } from '../../../gateway/storage';
import { hour } from '../../support/service-policy';
import { serviceWithStandby, ServiceSimulator, storedVersion, START, verdictOf } from '../../support/service-simulator';
import { servicePolicy } from '../../support/service-policy';
import type { Effect } from '../../../domain/service/commands';

function performed<T extends Effect['type']>(simulator: ServiceSimulator, type: T): Extract<Effect, { type: T }>[] {
  return simulator.effects.filter((effect): effect is Extract<Effect, { type: T }> => effect.type === type);
}

/** A breaker that is open while the router has a high epoch. */
function braked(): ServiceSimulator {
  const simulator = serviceWithStandby();
  simulator.say('deploy', { version: '1.2' });
  simulator.runOperation();
  simulator.pass(60_000);
  simulator.say('vouch', { version: '1.0' });
  for (const id of ['first', 'second']) {
    simulator.verdict(id);
    simulator.runOperation();
    simulator.pass(31 * 60_000);
  }
  return simulator;
}

test('a service that was lost with an open breaker keeps it open, begins above every epoch and fences the rest', () => {
  const simulator = braked();
  const { nextEpoch, breaker } = simulator.state;
  simulator.loseService({ minimal: true });
  expect(simulator.state.breaker).toEqual(breaker);
  expect(simulator.state.nextEpoch).toBeGreaterThan(nextEpoch);
  expect(performed(simulator, 'fence').at(-1)?.epoch).toBe(1 + nextEpoch - 1 + 1_000);
  expect(simulator.state.pausedWhy).toBeNull();
  const operations = performed(simulator, 'start-operation').length;
  simulator.verdict('third', { hard: true, tier: 'immediate' });
  expect(performed(simulator, 'start-operation')).toHaveLength(operations);
});

test('a cooldown and a pause go on where they were', () => {
  const simulator = serviceWithStandby();
  simulator.verdict('v1');
  simulator.runOperation();
  simulator.say('pause', { forMs: hour });
  const { cooldownUntil, pausedUntil } = simulator.state;
  simulator.loseService();
  expect(simulator.state).toMatchObject({ cooldownUntil, pausedUntil, consecutive: 1 });
});

test('a rollback in flight is taken over from the ledger, and its further reports count', () => {
  const simulator = serviceWithStandby();
  simulator.verdict('v1');
  const child = simulator.child;
  if (!child) throw new Error('no rollback began');
  simulator.loseService();
  expect(simulator.state.operation?.id).toBe(child.input.operation);
  simulator.runOperation();
  expect(simulator.state).toMatchObject({ operation: null, consecutive: 1 });
  expect(simulator.state.declared?.primary).toBe('1.0');
});

test('a shift that happened while nobody listened is learned from the router', () => {
  const simulator = serviceWithStandby();
  simulator.verdict('v1');
  const child = simulator.child;
  if (!child) throw new Error('no rollback began');
  simulator.childStep(child, true);
  child.mail.length = 0;
  simulator.loseService();
  expect(simulator.state.declared?.primary).toBe('1.0');
  expect(simulator.state.versions.find(({ version }) => version === '1.1')?.standing).toBe('quarantined');
  expect(simulator.state.pausedWhy).toBeNull();
});

test('names that were given and never written are not given again', () => {
  const simulator = serviceWithStandby();
  simulator.setLedger(false);
  simulator.verdict('v1', { tier: 'immediate' });
  const first = simulator.state.incident?.id;
  expect(first).toBeDefined();
  simulator.ledgerDown = false;
  simulator.loseService();
  simulator.say('resume', {});
  simulator.pass(1);
  simulator.verdict('v2', { tier: 'immediate' });
  expect(performed(simulator, 'start-operation').at(-1)?.input.operation).not.toBe(first);
  expect(simulator.keys.size).toBe(simulator.ledger.length);
});

test('without a readable ledger it is paused, counts one rollback and begins with a cooldown', () => {
  const simulator = serviceWithStandby();
  simulator.setLedger(false);
  simulator.loseService();
  expect(simulator.state.pausedWhy).toBe('the ledger cannot be read');
  expect(simulator.state).toMatchObject({ consecutive: 1, cooldownUntil: simulator.now + 30 * 60_000 });
  simulator.setLedger(true);
  // What an older entry says of the brakes is not overwritten by what nobody knew.
  expect(simulator.ledger.at(-1)?.facts).not.toHaveProperty('changes.breaker');
});

test('a record that nobody declared pauses and is never repaired; resume declares it anew above its epoch', () => {
  const simulator = serviceWithStandby();
  const { record } = simulator.router;
  if (!record) throw new Error('no route');
  simulator.apply({ ...record, epoch: 5_700 });
  const applied = performed(simulator, 'apply-route').length;
  simulator.look();
  expect(simulator.state.pausedWhy).toMatch(/epoch 5700/);
  expect(performed(simulator, 'apply-route')).toHaveLength(applied);
  expect(simulator.alerts.at(-1)).toMatchObject({ severity: 'page' });
  simulator.look();
  expect(simulator.ledger.filter(({ kind }) => kind === 'foreign-change')).toHaveLength(1);
  simulator.say('resume', {});
  expect(simulator.state.declared?.epoch).toBeGreaterThan(5_700);
  expect(simulator.router.record?.epoch).toBe(simulator.state.declared?.epoch);
});

test('the same epoch with another content is foreign too', () => {
  const simulator = serviceWithStandby();
  const { record } = simulator.router;
  if (!record) throw new Error('no route');
  simulator.router = { ...simulator.router, record: { ...record, primary: '1.0' } };
  simulator.look();
  expect(simulator.state.pausedWhy).not.toBeNull();
});

test('a router that lost its record gets the declared one again', () => {
  const simulator = serviceWithStandby();
  const { declared } = simulator.state;
  simulator.router = { record: null, floor: 0, fallback: null };
  simulator.look();
  expect(simulator.router.record).toEqual(declared);
});

test('a router that is ahead inside the open grant is a rollback at work and left alone', () => {
  const simulator = serviceWithStandby();
  simulator.verdict('v1');
  const child = simulator.child;
  if (!child) throw new Error('no rollback began');
  simulator.childStep(child, true);
  simulator.look();
  expect(simulator.state.pausedWhy).toBeNull();
});

test('the router on its fallback is followed by one durable rollback, without any other verdict', () => {
  const simulator = serviceWithStandby();
  simulator.primaryDies();
  simulator.look();
  const last = performed(simulator, 'start-operation').at(-1)?.input;
  expect(last).toMatchObject({ kind: 'rollback', procedure: 'emergency', candidates: [{ version: '1.0' }] });
  expect(last?.fallbackSince).toBe(simulator.now);
  simulator.verdict('dead', { hard: true, tier: 'immediate' });
  simulator.runOperation();
  expect(simulator.state).toMatchObject({ consecutive: 1, fallbackInUse: null });
  expect(simulator.state.declared?.primary).toBe('1.0');
});

test('inside the cooldown the service stays on its fallback, waits for a human and pages', () => {
  const simulator = serviceWithStandby();
  simulator.verdict('v1');
  simulator.runOperation();
  simulator.say('vouch', { version: '1.2' });
  simulator.prepared(true);
  simulator.proof(true);
  simulator.tiers('ok');
  simulator.pass(11 * 60_000);
  simulator.tiers('ok');
  expect(simulator.router.record?.fallback).toBe('1.2');
  simulator.primaryDies();
  const operations = performed(simulator, 'start-operation').length;
  simulator.look();
  expect(performed(simulator, 'start-operation')).toHaveLength(operations);
  expect(simulator.state.incident?.phase).toBe('on-fallback');
  expect(simulator.alerts.at(-1)?.severity).toBe('page');
});

test('a child that vanished after the shift ends as abandoned, counted by the brakes, with the route of the router', () => {
  const simulator = serviceWithStandby();
  simulator.verdict('v1');
  const child = simulator.child;
  if (!child) throw new Error('no rollback began');
  simulator.childStep(child, true);
  child.mail.length = 0;
  child.phase = 'ended';
  simulator.pass(hour);
  simulator.answerAsked();
  expect(simulator.state).toMatchObject({ operation: null, incident: null, consecutive: 1 });
  expect(simulator.state.declared?.primary).toBe('1.0');
  expect(simulator.alerts.at(-1)?.key).toMatch(/abandoned/);
});

test('a late, repeated or overtaken report changes nothing twice', () => {
  const simulator = serviceWithStandby();
  simulator.verdict('v1');
  const child = simulator.child;
  if (!child) throw new Error('no rollback began');
  simulator.childStep(child, true);
  simulator.deliver(child, 1);
  expect(simulator.state.declared?.primary).toBe('1.0');
  const entries = simulator.ledger.length;
  simulator.deliver(child, 0, true);
  simulator.deliver(child, 0);
  expect(simulator.ledger).toHaveLength(entries);
});

test('the traffic counts as moved when only the end of the operation was heard', () => {
  const simulator = serviceWithStandby();
  simulator.verdict('v1');
  const child = simulator.child;
  if (!child) throw new Error('no rollback began');
  simulator.childStep(child, true);
  simulator.childStep(child, true);
  child.mail.splice(0, child.mail.length - 1);
  simulator.deliver(child);
  expect(simulator.state.declared?.primary).toBe('1.0');
  expect(simulator.state.versions.find(({ version }) => version === '1.1')?.standing).toBe('quarantined');
});

test('a deploy of the version that stands by does not retire the copy that serves now', () => {
  const simulator = serviceWithStandby();
  const standby = simulator.state.standby?.backend.instance;
  simulator.say('deploy', { version: '1.0' });
  simulator.runOperation();
  expect(simulator.state.declared?.backends['1.0']?.[0]?.instance).toBe(standby);
  expect([...simulator.retiring.keys()]).not.toContain(standby);
  expect(simulator.state.standby?.version).toBe('1.1');
});

test('I15: with 200 versions, 1,000 requests, 50 metrics and 10,000 pinned sessions the state stays below 128 KiB, every command below 16', () => {
  const { detection } = servicePolicy();
  const [first] = detection.metrics;
  if (!first) throw new Error('no metric');
  const metrics = Array.from({ length: 50 }, (_, n) => ({ ...first, metric: `recall-of-class-${n}` }));
  const actKeys = ['e', 'f'].map((digit) => digit.repeat(64));
  const policy = servicePolicy({ detection: { ...detection, metrics }, actKeys, regulated: false });
  const simulator = new ServiceSimulator(policy, undefined, (step) => {
    for (const command of step.commands) expect(JSON.stringify(command).length).toBeLessThanOrEqual(16 * 1024);
  });
  simulator.stored = Array.from({ length: 200 }, (_, n) => {
    const stored = storedVersion(`1.${n}`, START - 1e9 + n);
    const byClass = { [`${'悪質な迷惑メール'.repeat(4)}${n}`]: { n: 100, recall: 0.91, precision: 0.9 } };
    const incompatible = { live: '1.2', why: `takes no input prompt_${n % 12}, which 1.2 takes` };
    return { ...stored, evaluation: { accuracy: 0.96, n: 1_000, byClass }, ...(n > 2 && { incompatible }) };
  });
  simulator.step({ type: 'versions-listed', versions: simulator.stored });
  for (const version of ['1.0', '1.1', '1.2']) {
    simulator.say('deploy', { version });
    simulator.runOperation();
  }
  for (let n = 3; n < 190; n++) simulator.say('revoke', { version: `1.${n}`, requestId: `revoke-${n}` });
  for (let n = 0; n < 1_000; n++) simulator.say('pause', { forMs: 1_000, requestId: `${n}-`.padEnd(64, 'f') });
  for (let n = 0; n < 20; n++)
    simulator.verdict(`v${n}`, {
      ...verdictOf(`recall-of-class-${n}`, 'trend', simulator.now),
      sentence: 'y'.repeat(900),
    });
  simulator.verdict('hard', { hard: true, tier: 'immediate' });
  const { declared } = simulator.state;
  const reading = {
    tier: 'trend',
    kind: 'ok',
    observed: 0.912345678,
    expected: 0.95,
    limit: 0.9,
    samples: 1e6,
  } as const;
  const tiers = metrics.map(({ metric }) => ({ ...reading, metric, at: simulator.now }));
  const report = { epoch: declared?.epoch ?? 0, version: '1.2', at: simulator.now, tiers, unmeasuredSince: null };
  simulator.step({ type: 'tiers-reported', report: { ...report, environment: [] } });
  const pinned = pinnedInTheRouter(10_000, simulator);
  expect(pinned).toMatchObject({ '1.1': { sessions: 10_000 } });
  const seen = { observed: { ...simulator.observed(), pinned }, at: simulator.now };
  expect(JSON.stringify(seen).length).toBeLessThanOrEqual(16 * 1024);
  simulator.step({ type: 'route-observed', report: seen });
  // The router alone holds the sessions; the service takes the pin's end from its own record.
  expect(JSON.stringify(simulator.state)).not.toContain('session-');
  simulator.pass(2_000);
  const { outbox, ...rest } = simulator.state;
  expect(outbox).toEqual([]);
  expect(rest.incompatible?.reasons.flatMap(({ versions }) => versions)).toHaveLength(197);
  const routers = Array.from({ length: 15 }, (_, n) => `gateway-${n}.rack-12.datacentre-berlin.example.internal`);
  const selector = { by: 'model', public: 'mail-triage', name: 'mail-triage@1.2+0123456789abcdef' } as const;
  const { declared: route } = rest;
  if (!route) throw new Error('nothing is declared');
  const named = Object.entries(route.backends).map(([version, backends]) => [
    version,
    backends.map((backend) => ({ ...backend, selector })),
  ]);
  const state = {
    ...rest,
    declared: { ...route, backends: Object.fromEntries(named) as typeof route.backends },
    told: Array.from({ length: 10 }, () => ['1z141z3', Math.floor(simulator.now / 60_000)] as const),
    apart: { since: simulator.now, routers, told: true, given: `${route.epoch}/15` },
    drill: {
      ...{ id: 'drill-4294967296', way: 'mirror', version: 'v'.repeat(64), share: 0.0512345, forMs: 86_400_000 },
      ...{ expect: 'short-window', degrade: { wrongShare: 0.123456, addedMs: 12_345, truncateTo: 123_456 } },
      ...{
        phase: 'returning',
        lastNo: 3,
        sharedAt: simulator.now,
        decidedAt: simulator.now,
        deadlineAt: simulator.now,
      },
    },
    joining: { host: 'gpu-12.example.internal', version: '1.2', instance: 'mail@1.2#j-1', until: simulator.now + hour },
  };
  const bytes = Buffer.byteLength(JSON.stringify(state));
  process.stdout.write(`state: ${bytes} bytes\n`);
  expect(bytes).toBeLessThanOrEqual(128 * 1024);
  expect(simulator.say('rollback', { dryRun: true }).plan.length).toBeLessThan(40);
  expect(JSON.stringify(simulator.say('rollback', { dryRun: true })).length).toBeLessThanOrEqual(16 * 1024);
});

/** So many sessions that began on 1.1, held where a gateway holds them; told as the gateway tells it. */
function pinnedInTheRouter(count: number, { state, now }: ServiceSimulator): ObservedRoute['pinned'] {
  const directory = mkdtempSync(join(tmpdir(), 'lastgood-sessions-'));
  const storage = new Storage(directory);
  try {
    const { declared, service } = state;
    if (!declared) throw new Error('nothing is declared');
    const record = { ...declared, pins: [{ version: '1.1', until: now + hour }] };
    const sessions = new Sessions(storage, service, hour, now);
    for (let n = 0; n < count; n++) sessions.answered(`session-${n}`, '1.1', record, now);
    sessions.flush();
    return sessions.summary(record, now);
  } finally {
    storage.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

test.each(['before the shift', 'after the shift'])(
  'a rollback that began to wait for a person %s while nobody listened says so again, and can be ended',
  (when) => {
    const simulator = serviceWithStandby();
    simulator.verdict('v1');
    const { child } = simulator;
    if (!child) throw new Error('no rollback began');
    if (when === 'after the shift') simulator.childStep(child, true);
    while (child.phase !== 'waiting') simulator.childStep(child, false);
    child.mail.length = 0;
    simulator.loseService();
    simulator.pass(0);
    const heard = (): number => simulator.ledger.filter(({ kind }) => kind === 'waiting-for-human').length;
    const before = simulator.alerts.length;

    simulator.answerAsked();
    while (child.mail.length > 0) simulator.deliver(child);

    expect(simulator.state.operation?.waiting).toBe('it failed');
    expect(heard()).toBe(1);
    expect(simulator.alerts.slice(before)).toMatchObject([{ severity: 'page', title: /waits for a person/ }]);
    // Looked after from now on without another word to anybody.
    simulator.pass(2 * hour);
    simulator.answerAsked();
    expect(child.mail).toEqual([]);
    simulator.say('intervene', { incident: simulator.state.incident?.id ?? '', action: 'abort' });
    simulator.runOperation();
    while (child.mail.length > 0) simulator.deliver(child);
    expect(simulator.state.operation).toBeNull();
  },
);

test('what a rollback waits for is told to a person once, also when its child says it twice', () => {
  const simulator = serviceWithStandby();
  simulator.verdict('v1');
  const { child } = simulator;
  if (!child) throw new Error('no rollback began');
  while (child.phase !== 'waiting') simulator.childStep(child, false);
  const last = child.mail.at(-1);
  if (last) child.mail.push({ ...last, no: last.no + 1 });

  while (child.mail.length > 0) simulator.deliver(child);

  expect(simulator.ledger.filter(({ kind }) => kind === 'waiting-for-human')).toHaveLength(1);
  expect(simulator.alerts.filter(({ title }) => title.includes('waits for a person'))).toHaveLength(1);
});

test('detection hears from which incarnation of the service a route is, and it is another one after a loss', () => {
  const simulator = serviceWithStandby();
  const incarnations = (): unknown[] => [
    ...new Set(performed(simulator, 'tell-detection').map(({ message }) => message.incarnation)),
  ];
  simulator.pass(hour);
  const [first] = incarnations();
  expect(incarnations()).toEqual([first]);
  expect(first).toEqual(expect.any(Number));

  simulator.loseService();

  expect(incarnations()).toEqual([first, expect.any(Number)]);
});
