import { hour, servicePolicy } from '../../support/service-policy';
import { serviceWithStandby, verdictOf, type ServiceSimulator } from '../../support/service-simulator';

const minute = 60_000;

function kinds(simulator: ServiceSimulator, kind: string): number {
  return simulator.ledger.filter((entry) => entry.kind === kind).length;
}

function started(simulator: ServiceSimulator): string[] {
  return simulator.effects.flatMap((effect) => (effect.type === 'start-operation' ? [effect.input.kind] : []));
}

/** One automatic rollback that settled; 1.1 is left, 1.0 serves. */
function rolledBack(simulator = serviceWithStandby()): ServiceSimulator {
  simulator.verdict('v1');
  simulator.runOperation();
  return simulator;
}

/** Two in a row, with somebody to hold on (or nobody), from 1.2 over 1.1 to 1.0. */
function twice(vouched: string | null, between = 31 * minute): ServiceSimulator {
  const simulator = serviceWithStandby();
  simulator.say('deploy', { version: '1.2' });
  simulator.runOperation();
  simulator.tiers('ok');
  if (vouched !== null) simulator.say('vouch', { version: vouched });
  simulator.verdict('first');
  simulator.runOperation();
  simulator.tiers('ok');
  simulator.pass(between);
  simulator.verdict('second');
  simulator.runOperation();
  return simulator;
}

test('a verdict on the live version rolls back to the version that was last good, and quarantines what was left', () => {
  const { state } = rolledBack();
  expect(state.declared?.primary).toBe('1.0');
  expect(state.versions.find(({ version }) => version === '1.1')?.standing).toBe('quarantined');
  expect(state.incident?.phase).toBe('confirming');
});

test('a version is suspect, not quarantined, when the cause was not determined', () => {
  const simulator = serviceWithStandby();
  simulator.verdict('v1', { attribution: 'undetermined' });
  simulator.runOperation();
  expect(simulator.state.versions.find(({ version }) => version === '1.1')?.standing).toBe('suspect');
});

test('the cooldown lasts thirty minutes from settle, in the time of the workflow', () => {
  const simulator = serviceWithStandby();
  simulator.verdict('v1');
  const child = simulator.child;
  if (!child) throw new Error('no rollback began');
  simulator.childStep(child, true);
  while (child.mail.length > 0) simulator.deliver(child);
  simulator.pass(20 * minute);
  simulator.childStep(child, true);
  while (child.mail.length > 0) simulator.deliver(child);
  expect(simulator.state.cooldownUntil).toBe(simulator.now + 30 * minute);
  simulator.pass(30 * minute - 1);
  expect(simulator.state.cooldownUntil).not.toBeNull();
  simulator.pass(1);
  expect(simulator.state.cooldownUntil).toBeNull();
});

test('a verdict inside the cooldown moves nothing, and is decided at its end when it still stands', () => {
  const simulator = rolledBack();
  simulator.say('vouch', { version: '1.2' });
  simulator.pass(minute);
  simulator.verdict('again');
  expect(started(simulator)).toEqual(['deploy', 'deploy', 'rollback']);
  expect(simulator.state.degradations[0]?.decided).toBe('held');
  simulator.pass(30 * minute);
  expect(started(simulator).at(-1)).toBe('rollback');
  expect(started(simulator)).toHaveLength(4);
});

test('a verdict inside the cooldown that has ended before it is not decided on', () => {
  const simulator = rolledBack();
  simulator.verdict('again');
  simulator.verdictEnded('again');
  simulator.pass(31 * minute);
  expect(started(simulator)).toHaveLength(3);
});

test('a hard failure inside the cooldown pages at once, another one writes a ticket', () => {
  const simulator = rolledBack();
  const before = simulator.alerts.length;
  simulator.verdict('soft');
  simulator.verdict('hard', { hard: true });
  const held = simulator.alerts.slice(before).filter(({ key }) => key.includes('/held/'));
  expect(held.map(({ severity }) => severity)).toEqual(['ticket', 'page']);
});

test('a verdict that is held survives a change of the fallback, which takes a new epoch', () => {
  const simulator = serviceWithStandby();
  simulator.say('pause', { forMs: hour });
  simulator.verdict('v1');
  const epoch = simulator.state.declared?.epoch ?? 0;
  simulator.proof(false);
  expect(simulator.state.declared?.epoch).toBeGreaterThan(epoch);
  simulator.proof(true);
  simulator.say('resume', {});
  expect(started(simulator).at(-1)).toBe('rollback');
});

test('a verdict of another epoch is on record and has no effect', () => {
  const simulator = serviceWithStandby();
  simulator.verdict('v1', { epoch: 1 });
  expect(simulator.state.degradations).toEqual([]);
  expect(simulator.ledger.at(-1)?.summary).toMatch(/of another route \(epoch 1\), no effect/);
  expect(started(simulator)).toHaveLength(2);
});

test('fifty verdicts at once give one rollback', () => {
  const simulator = serviceWithStandby();
  for (let n = 0; n < 50; n++) simulator.verdict(`v${n}`, { hard: n % 2 === 0, tier: 'immediate' });
  expect(started(simulator)).toEqual(['deploy', 'deploy', 'rollback']);
  simulator.runOperation();
  expect(started(simulator)).toHaveLength(3);
  expect(simulator.state.consecutive).toBe(1);
});

test('the second rollback opens the breaker, also when nobody is left to hold on', () => {
  const simulator = twice('1.2');
  // 1.2 was rolled back from and is quarantined: nobody is left whom a person vouched for.
  expect(simulator.state.breaker).toMatchObject({ open: true, epoch: 1, incident: simulator.state.incident?.id });
  expect(started(simulator)).not.toContain('hold-move');
  const alert = simulator.alerts.find(({ key }) => key.endsWith('/breaker'));
  expect(alert).toMatchObject({ severity: 'page', did: expect.stringMatching(/no version that a person vouched/) });
});

test('the breaker does nothing when the version to hold on is live already, and says so', () => {
  const simulator = twice('1.0');
  expect(simulator.state.breaker.open).toBe(true);
  expect(started(simulator)).not.toContain('hold-move');
  expect(simulator.alerts.find(({ key }) => key.endsWith('/breaker'))?.did).toMatch(/1\.0 is live.*nothing moves/);
});

test('the breaker moves to the version that a person vouched for when another one is live', () => {
  const simulator = serviceWithStandby();
  for (const version of ['1.2', '1.3']) {
    simulator.say('deploy', { version });
    simulator.runOperation();
    simulator.pass(minute);
  }
  simulator.say('vouch', { version: '1.0' });
  simulator.verdict('first');
  simulator.runOperation();
  simulator.pass(31 * minute);
  simulator.verdict('second');
  simulator.runOperation();
  expect(started(simulator).slice(-3)).toEqual(['rollback', 'rollback', 'hold-move']);
  expect(simulator.state.declared?.primary).toBe('1.0');
  expect(simulator.state.breaker.incident).toBe(simulator.state.incident?.id);
});

test('the hold move is not made against a mode that waits for a person', () => {
  const simulator = serviceWithStandby(servicePolicy());
  for (const version of ['1.2', '1.3']) {
    simulator.say('deploy', { version });
    simulator.runOperation();
    simulator.pass(minute);
  }
  simulator.say('vouch', { version: '1.0' });
  simulator.verdict('first');
  simulator.runOperation();
  simulator.pass(31 * minute);
  simulator.verdict('second');
  simulator.say('setMode', { mode: 'confirm' });
  simulator.runOperation();
  expect(simulator.state.breaker.open).toBe(true);
  expect(started(simulator)).not.toContain('hold-move');
  expect(simulator.alerts.find(({ key }) => key.endsWith('/breaker'))?.did).toMatch(/mode confirm: nothing moves/);
});

test('with the breaker open no verdict moves anything, and a person may', () => {
  const simulator = twice('1.0');
  simulator.say('vouch', { version: '1.3' });
  simulator.pass(31 * minute);
  const before = started(simulator).length;
  simulator.verdict('third', { hard: true, tier: 'immediate' });
  expect(started(simulator)).toHaveLength(before);
  expect(simulator.say('rollback', { to: '1.3' }).decision).toBe('accepted');
  expect(started(simulator).at(-1)).toBe('manual-rollback');
});

test('a rollback by hand does not count as consecutive', () => {
  const simulator = serviceWithStandby();
  simulator.say('rollback', {});
  simulator.runOperation();
  expect(simulator.state).toMatchObject({ consecutive: 0, cooldownUntil: null });
});

test('a day of ok in every tier begins the count anew', () => {
  const simulator = rolledBack();
  simulator.tiers('ok');
  simulator.pass(11 * minute);
  simulator.tiers('ok');
  expect(simulator.state.incident).toBeNull();
  simulator.pass(24 * hour - 1);
  expect(simulator.state.consecutive).toBe(1);
  simulator.pass(1);
  expect(simulator.state.consecutive).toBe(0);
});

test.each(['unmeasured', 'inconclusive'] as const)(
  '%s time does not count as calm, and does not begin it anew',
  (kind) => {
    const simulator = rolledBack();
    simulator.pass(11 * minute);
    simulator.tiers('ok');
    simulator.pass(12 * hour);
    simulator.tiers(kind);
    simulator.pass(30 * hour);
    expect(simulator.state.consecutive).toBe(1);
    simulator.tiers('ok');
    simulator.pass(12 * hour - 1);
    expect(simulator.state.consecutive).toBe(1);
    simulator.pass(1);
    expect(simulator.state.consecutive).toBe(0);
  },
);

test('a clear names the breaker that its sender saw, starts one cooldown, resets the count and leaves the route', () => {
  const simulator = twice('1.0');
  simulator.pass(31 * minute);
  const { declared, versions } = simulator.state;
  expect(simulator.say('clearBreaker', { breakerEpoch: 0 })).toMatchObject({
    decision: 'refused',
    why: expect.stringContaining('at epoch 1, you saw 0') as string,
  });
  expect(simulator.say('clearBreaker', { breakerEpoch: 1 }).decision).toBe('accepted');
  expect(simulator.state).toMatchObject({ consecutive: 0, cooldownUntil: simulator.now + 30 * minute });
  expect(simulator.state.declared?.primary).toBe(declared?.primary);
  expect(simulator.state.versions).toEqual(versions);
  expect(simulator.say('clearBreaker', { breakerEpoch: 1 }).why).toMatch(/closed/);
});

test('a clear in the middle of a rollback is refused', () => {
  const simulator = twice('1.0');
  simulator.say('rollback', { to: '1.3' });
  expect(simulator.say('clearBreaker', { breakerEpoch: 1 })).toMatchObject({
    decision: 'refused',
    why: expect.stringContaining('in flight') as string,
  });
  expect(simulator.state.breaker.open).toBe(true);
});

test('a hard failure of the live version stops a deploy that still loads, and is decided on', () => {
  const simulator = serviceWithStandby();
  simulator.say('deploy', { version: '1.2' });
  simulator.verdict('v1', { hard: true, tier: 'immediate' });
  const types = simulator.effects.slice(-2).map(({ type }) => type);
  expect(types).toEqual(['fence', 'order']);
  simulator.runOperation();
  expect(started(simulator).slice(-2)).toEqual(['deploy', 'rollback']);
});

test('an immediate verdict with a proven standby is an emergency, any other one takes every step', () => {
  const simulator = serviceWithStandby();
  simulator.verdict('v1', { tier: 'immediate' });
  const last = simulator.effects.findLast(({ type }) => type === 'start-operation');
  expect(last).toMatchObject({ input: { procedure: 'emergency', candidates: [{ version: '1.0' }] } });
  const other = serviceWithStandby();
  other.verdict('v1', { tier: 'short-window' });
  expect(other.effects.findLast(({ type }) => type === 'start-operation')).toMatchObject({
    input: { procedure: 'standard' },
  });
});

test('a proof counts for fifteen minutes after it was told, and no longer', () => {
  const simulator = serviceWithStandby();
  simulator.now += 15 * minute;
  simulator.verdict('v1', { tier: 'immediate' });
  expect(simulator.effects.findLast(({ type }) => type === 'start-operation')).toMatchObject({
    input: { procedure: 'emergency' },
  });
  const late = serviceWithStandby();
  late.now += 15 * minute + 1;
  late.verdict('v1', { tier: 'immediate' });
  expect(late.effects.findLast(({ type }) => type === 'start-operation')).toMatchObject({
    input: { procedure: 'standard' },
  });
});

test('a standby that fails at the same time points to the environment; when it holds again the verdict is decided anew', () => {
  const simulator = serviceWithStandby();
  simulator.proof(false);
  simulator.verdict('v1', { tier: 'immediate', hard: true });
  expect(started(simulator)).toHaveLength(2);
  expect(kinds(simulator, 'rollback-refused')).toBe(1);
  simulator.proof(true);
  expect(started(simulator).at(-1)).toBe('rollback');
});

test('a verdict that the environment explains does not hide the one behind it', () => {
  const simulator = serviceWithStandby();
  simulator.verdict('latency', { hard: true, attribution: 'environment', tier: 'immediate' });
  simulator.verdict('recall', { attribution: 'model' });
  expect(started(simulator).at(-1)).toBe('rollback');
});

test('mode observe writes down what it would have done and moves nothing', () => {
  const simulator = serviceWithStandby();
  simulator.say('setMode', { mode: 'observe' });
  expect(simulator.state.declared?.fallback).toBeUndefined();
  simulator.verdict('v1', { hard: true, tier: 'immediate' });
  expect(started(simulator)).toHaveLength(2);
  expect(simulator.ledger.findLast(({ kind }) => kind === 'rollback-held')?.summary).toMatch(/would have.*to 1\.0/);
});

test('a hold of what no version could take over from says that it must be mended, and names no act that would be refused', () => {
  const simulator = serviceWithStandby();
  simulator.say('setMode', { mode: 'observe' });
  for (const version of ['1.0', '1.2']) simulator.say('revoke', { version });
  simulator.verdict('v1', { hard: true, tier: 'immediate' });
  const held = simulator.ledger.findLast(({ kind }) => kind === 'rollback-held');
  expect(held?.summary).toMatch(/^no version could take over from 1\.1; held: mode observe/);
  expect(held?.facts).toMatchObject({ would: null });
  const alert = simulator.alerts.findLast(({ title }) => title.includes('nothing was moved'));
  expect(alert).toMatchObject({ severity: 'page', command: 'lastgood explain mail-triage' });
  expect(alert?.must).toMatch(/^Now: mend 1\.1 where it runs/);
});

test('the bake period ends after a day that was measured and good, and not before', () => {
  const simulator = serviceWithStandby();
  simulator.tiers('unmeasured');
  simulator.pass(25 * hour);
  expect(simulator.state.bake).not.toBeNull();
  simulator.tiers('ok');
  simulator.pass(1);
  expect(simulator.state.bake).toBeNull();
  expect(simulator.state.versions.find(({ version }) => version === '1.1')?.lastGoodAt).toBe(simulator.now);
});

test('the old copy stays warm until the rollback from it is confirmed on the metric that fired', () => {
  const simulator = rolledBack();
  const kept = simulator.state.confirming?.keep?.instance;
  expect(kept).toBe('mail-triage@1.1#deploy-2');
  simulator.pass(3 * hour);
  expect(simulator.alerts.some(({ key }) => key.endsWith('/unconfirmed'))).toBe(true);
  expect([...simulator.retiring.keys()]).not.toContain(kept);
  simulator.tiers('ok');
  simulator.pass(minute);
  expect(simulator.state.incident).toBeNull();
  expect([...simulator.retiring.keys()]).toContain(kept);
});

test('what the detection says is cut to what state and ledger can bear', () => {
  const simulator = serviceWithStandby();
  const sentence = 'x'.repeat(5_000);
  simulator.verdict('v1', { ...verdictOf('error-rate', 'immediate', simulator.now), sentence });
  expect(simulator.state.degradations[0]?.verdict.sentence).toHaveLength(400);
});
