import { readinessOf } from '../../../domain/service/readiness';
import { hour, servicePolicy } from '../../support/service-policy';
import { SERVICE, serviceWithStandby, type ServiceSimulator } from '../../support/service-simulator';

const minute = 60_000;

/** What holds a decision, what ends a hold, and who hears of it: nothing that stands may be forgotten. */

function operations(simulator: ServiceSimulator): string[] {
  return simulator.effects.flatMap((effect) => (effect.type === 'start-operation' ? [effect.input.operation] : []));
}

function pages(simulator: ServiceSimulator): string[] {
  return simulator.alerts.filter(({ severity }) => severity === 'page').map(({ title }) => title);
}

/** The child meets a standing that forbids its shift, and ends without having moved anything. */
function endsUnasked(simulator: ServiceSimulator): void {
  const { child } = simulator;
  if (!child) throw new Error('no operation is in flight');
  child.mail.push({
    operation: child.input.operation,
    no: (child.no += 1),
    at: simulator.now,
    what: { type: 'ended', outcome: 'cancelled', record: null, why: 'stopped', idle: [], verified: null },
  });
  child.phase = 'ended';
  while (child.mail.length > 0) simulator.deliver(child);
}

test('a resume after a rollback by hand does not bring the foreign record back', () => {
  const simulator = serviceWithStandby();
  const { declared } = simulator.state;
  if (!declared) throw new Error('nothing is live');
  const foreign = { ...declared, epoch: 2_000, primary: '1.3' };
  simulator.router = { ...simulator.router, record: foreign };
  simulator.look();
  expect(simulator.state.pausedWhy).toMatch(/epoch 2000/);

  simulator.say('rollback', { to: '1.0' });
  simulator.runOperation();
  expect(simulator.state.declared?.primary).toBe('1.0');
  simulator.say('resume', {});

  expect(simulator.state.declared?.primary).toBe('1.0');
  expect(simulator.router.record?.primary).toBe('1.0');
  expect(simulator.state.pausedWhy).toBeNull();
});

test('a verdict that detection has forgotten moves nothing at the end of the cooldown', () => {
  const simulator = serviceWithStandby();
  simulator.verdict('v1');
  simulator.runOperation();
  simulator.verdict('held');
  expect(simulator.state.degradations.map(({ decided }) => decided)).toEqual(['held']);
  const before = operations(simulator).length;

  simulator.step({ type: 'detection-began-anew' });
  simulator.tiers('ok');
  simulator.pass(31 * minute);

  expect(simulator.state.degradations).toEqual([]);
  expect(operations(simulator)).toHaveLength(before);
  expect(simulator.ledger.at(-1)?.kind).toBe('cooldown-ended');
});

test('a rollback is not confirmed because detection has forgotten that its target is degraded', () => {
  const simulator = serviceWithStandby();
  simulator.verdict('v1');
  simulator.runOperation();
  simulator.pass(minute);
  simulator.tiers('ok');
  expect(simulator.state.confirming?.measured).toBe(true);
  simulator.verdict('held');
  simulator.pass(10 * minute);

  simulator.step({ type: 'detection-began-anew' });
  simulator.pass(minute);
  expect(simulator.state.incident?.phase).toBe('confirming');

  simulator.tiers('ok');
  expect(simulator.state.incident).toBeNull();
});

test('what the router itself said of a dead primary stands although detection started anew', () => {
  const simulator = serviceWithStandby();
  simulator.proof(true);
  simulator.say('pause', { forMs: hour });
  simulator.primaryDies();
  simulator.look();
  const fallback = simulator.state.degradations.filter(({ id }) => id.startsWith('fallback/'));
  expect(fallback).toHaveLength(1);

  simulator.step({ type: 'detection-began-anew' });

  expect(simulator.state.degradations.filter(({ id }) => id.startsWith('fallback/'))).toEqual(fallback);
});

test('a rollback that met a pause is decided when the pause ends, and a person hears of it before', () => {
  const simulator = serviceWithStandby();
  simulator.verdict('v1', { hard: true });
  simulator.say('pause', { forMs: 10 * minute });
  endsUnasked(simulator);
  expect(simulator.state.degradations[0]).toMatchObject({ decided: 'held', heldBy: 'paused by a person' });
  expect(pages(simulator)).toContain(`${SERVICE}: recall:bulk is degraded and nothing was moved`);

  simulator.pass(10 * minute);

  expect(operations(simulator).at(-1)).not.toBe(operations(simulator).at(-2));
  simulator.runOperation();
  expect(simulator.state.declared?.primary).toBe('1.0');
});

test('a rollback that was stopped for no reason that the service knows pages, and is not tried in a circle', () => {
  const simulator = serviceWithStandby();
  simulator.verdict('v1');
  const before = operations(simulator).length;
  endsUnasked(simulator);
  simulator.tiers('ok');

  expect(operations(simulator)).toHaveLength(before);
  expect(pages(simulator).at(-1)).toMatch(/was stopped and nothing was moved/);
  expect(simulator.state.degradations[0]?.decided).toBe('refused');
});

test('a hard failure does not wait behind a proposal for a soft one', () => {
  const base = servicePolicy();
  const simulator = serviceWithStandby({ ...base, approval: { ...base.approval, tiers: ['trend'] } });
  simulator.verdict('slow', { tier: 'trend' });
  expect(simulator.state.incident?.phase).toBe('awaiting-approval');

  simulator.verdict('dead', { tier: 'immediate', hard: true, metric: 'error-rate' });

  expect(simulator.state.incident).toMatchObject({ phase: 'rolling-back', metric: 'error-rate', hard: true });
  simulator.runOperation();
  expect(simulator.state.declared?.primary).toBe('1.0');
});

test('what comes on top of an incident that waits for a person is held and told, and readiness says so', () => {
  const simulator = serviceWithStandby();
  simulator.say('setMode', { mode: 'confirm' });
  simulator.verdict('dead', { tier: 'immediate', hard: true, metric: 'error-rate' });
  simulator.verdict('more', { tier: 'immediate', hard: true, metric: 'timeout-rate' });

  const { degradations, incident } = simulator.state;
  expect(degradations.find(({ id }) => id === 'more')).toMatchObject({
    decided: 'held',
    heldBy: `incident ${incident?.id} waits for an approval`,
  });
  expect(pages(simulator)).toContain(`${SERVICE}: timeout-rate is degraded and nothing was moved`);
  expect(readinessOf(simulator.state, simulator.now)).toMatchObject({
    ready: false,
    why: `incident ${incident?.id} waits for a person`,
  });
});

test('a cleared breaker ends the incident that opened it, and what still stands is decided after the cooldown', () => {
  const simulator = serviceWithStandby();
  simulator.say('deploy', { version: '1.2' });
  simulator.runOperation();
  simulator.tiers('ok');
  simulator.verdict('first');
  simulator.runOperation();
  simulator.tiers('ok');
  simulator.pass(31 * minute);
  simulator.verdict('second');
  const { child } = simulator;
  if (!child) throw new Error('no second rollback');
  simulator.childStep(child, false);
  while (child.mail.length > 0) simulator.deliver(child);
  while (simulator.state.operation?.waiting === null) {
    simulator.childStep(child, false);
    while (child.mail.length > 0) simulator.deliver(child);
  }
  simulator.say('intervene', { incident: simulator.state.incident?.id ?? '', action: 'abort' });
  simulator.childStep(child, false);
  while (child.mail.length > 0) simulator.deliver(child);
  expect(simulator.state.breaker.open).toBe(true);
  expect(simulator.state.incident?.phase).toBe('waiting-for-human');

  simulator.say('clearBreaker', { breakerEpoch: simulator.state.breaker.epoch });
  expect(simulator.state.incident).toBeNull();
  const before = operations(simulator).length;
  simulator.pass(31 * minute);

  expect(operations(simulator)).toHaveLength(before + 1);
  expect(new Set(operations(simulator)).size).toBe(before + 1);
});

test('an intervention that tries again starts another operation, never the same id twice', () => {
  const simulator = serviceWithStandby();
  simulator.verdict('v1');
  const [first] = operations(simulator).slice(-1);
  const { incident } = simulator.state;
  if (!incident) throw new Error('no incident');
  // Nobody was left, and the same incident waits for a person without an operation.
  simulator.state = { ...simulator.state, operation: null, incident: { ...incident, phase: 'waiting-for-human' } };

  simulator.say('intervene', { incident: incident.id, action: 'retry' });

  expect(operations(simulator).at(-1)).toBe(`${first}-again-1`);
  expect(simulator.state.operation?.incident).toBe(incident.id);
});

test('an old look at the router does not end the fallback that began after it', () => {
  const simulator = serviceWithStandby();
  simulator.proof(true);
  const observed = { ...simulator.observed(), readAt: simulator.now };
  simulator.say('pause', { forMs: hour });
  simulator.pass(1_000);
  simulator.primaryDies();
  simulator.step({
    type: 'route-observed',
    report: { observed: { ...simulator.observed(), readAt: simulator.now }, at: simulator.now },
  });
  const { fallbackInUse } = simulator.state;
  expect(fallbackInUse).not.toBeNull();

  simulator.step({ type: 'route-observed', report: { observed, at: simulator.now } });

  expect(simulator.state.fallbackInUse).toEqual(fallbackInUse);
});

test('a proposal that nobody answered is made again when the mode changes', () => {
  const simulator = serviceWithStandby();
  simulator.say('setMode', { mode: 'confirm' });
  simulator.verdict('v1');
  simulator.pass(hour);
  expect(simulator.state.incident).toBeNull();
  expect(simulator.state.degradations[0]?.decided).toBe('refused');

  simulator.say('setMode', { mode: 'act' });

  expect(simulator.state.operation?.kind).toBe('rollback');
});

/** The second rollback has settled, and the hold move that its breaker decided is in flight. */
function withHoldMove(): ServiceSimulator {
  const simulator = serviceWithStandby();
  simulator.say('deploy', { version: '1.2' });
  simulator.runOperation();
  simulator.tiers('ok');
  simulator.say('vouch', { version: '1.3' });
  simulator.verdict('first');
  simulator.runOperation();
  simulator.tiers('ok');
  simulator.pass(31 * minute);
  simulator.verdict('second');
  while (simulator.state.operation?.kind === 'rollback') {
    const { child } = simulator;
    if (!child) throw new Error('no second rollback');
    if (child.mail.length > 0) simulator.deliver(child);
    else simulator.childStep(child, true);
  }
  expect(simulator.state.operation?.kind).toBe('hold-move');
  return simulator;
}

test('a hold move that is stopped pages, and leaves the confirmation of the move before it, and its kept copy, in hand', () => {
  const simulator = withHoldMove();
  const told = simulator.alerts.length;
  endsUnasked(simulator);
  expect(simulator.alerts.slice(told)).toEqual([
    expect.objectContaining({
      severity: 'page',
      title: expect.stringMatching(/hold-move .* was stopped and nothing was moved/) as string,
      command: `lastgood rollback ${SERVICE} --to 1.3 --reason '…'`,
    }),
  ]);
  const { incident, confirming } = simulator.state;
  expect(incident).toMatchObject({ phase: 'confirming' });
  expect(confirming?.incident).toBe(incident?.id);
});

test('a hold move that takes its time keeps its incident, and is confirmed itself', () => {
  const simulator = withHoldMove();
  const { incident } = simulator.state;
  simulator.pass(minute);
  simulator.tiers('ok');
  expect(simulator.state.confirming?.measured).toBe(true);
  simulator.pass(20 * minute);
  simulator.tiers('ok');
  expect(simulator.state.incident?.id).toBe(incident?.id);

  simulator.runOperation();
  expect(simulator.state.declared?.primary).toBe('1.3');
  expect(simulator.state.incident).toMatchObject({ id: incident?.id, phase: 'confirming' });
  expect(simulator.state.confirming).toMatchObject({ incident: incident?.id, measured: false });
});
