import { servicePolicy } from '../../support/service-policy';
import { SERVICE, serviceWithStandby, type ServiceSimulator } from '../../support/service-simulator';

/** What fails while an operation is in flight: nothing that is worse than its reason may hide behind it. */

const dead = { tier: 'immediate', hard: true, metric: 'error-rate' } as const;

function pages(simulator: ServiceSimulator): string[] {
  return simulator.alerts.filter(({ severity }) => severity === 'page').map(({ title }) => title);
}

function operations(simulator: ServiceSimulator): string[] {
  return simulator.effects.flatMap((effect) => (effect.type === 'start-operation' ? [effect.input.operation] : []));
}

/** Every candidate fails before the shift, until the operation waits for a person. */
function failsUntilItWaits(simulator: ServiceSimulator): void {
  const { child } = simulator;
  if (!child) throw new Error('no operation is in flight');
  for (let step = 0; step < 10 && simulator.state.operation?.waiting === null; step++) {
    simulator.childStep(child, false);
    while (child.mail.length > 0) simulator.deliver(child);
  }
  expect(simulator.state.operation?.waiting).not.toBeNull();
}

/** The operation in flight obeys what it was told, and reports its end. */
function obeys(simulator: ServiceSimulator): void {
  const { child } = simulator;
  if (!child) throw new Error('no operation is in flight');
  simulator.childStep(child, true);
  while (child.mail.length > 0) simulator.deliver(child);
}

/** A deploy whose copy answers wrongly: the traffic is back on the version before, without a fallback. */
function returnedDeploy(simulator: ServiceSimulator): void {
  simulator.say('deploy', { version: '1.2' });
  const { child } = simulator;
  if (!child) throw new Error('no deploy');
  simulator.childStep(child, true);
  simulator.childStep(child, false);
  while (child.mail.length > 0) simulator.deliver(child);
  expect(simulator.state.operation).toMatchObject({ shifted: true, waiting: 'it failed' });
  expect(simulator.state.declared?.primary).toBe('1.1');
}

test('a soft rollback that waits for a person gives way to a hard failure of the same version', () => {
  const simulator = serviceWithStandby();
  simulator.verdict('soft');
  failsUntilItWaits(simulator);
  const before = operations(simulator).length;

  simulator.verdict('dead', dead);
  expect(simulator.state.operation?.stopping).toMatch(/error-rate failed/);
  obeys(simulator);

  expect(operations(simulator)).toHaveLength(before + 1);
  expect(simulator.state.incident).toMatchObject({ hard: true, metric: 'error-rate' });
  simulator.runOperation();
  expect(simulator.state.declared?.primary).toBe('1.0');
});

test('a hard failure beside a deploy that waits with its traffic back is paged, and decided when a person ends the deploy', () => {
  const simulator = serviceWithStandby();
  returnedDeploy(simulator);
  simulator.verdict('dead', dead);

  expect(simulator.state.degradations[0]).toMatchObject({
    decided: 'held',
    heldBy: `${simulator.state.operation?.id} waits for a person`,
  });
  expect(pages(simulator)).toContain(`${SERVICE}: error-rate is degraded and nothing was moved`);
  const command = simulator.alerts.at(-1)?.command;
  expect(command).toBe(`lastgood intervene ${simulator.state.operation?.id} abort --service ${SERVICE} --reason '…'`);

  simulator.say('intervene', { incident: simulator.state.operation?.id ?? '', action: 'abort' });
  while (simulator.child && simulator.child.mail.length > 0) simulator.deliver(simulator.child);
  expect(simulator.state.operation?.kind).toBe('rollback');
});

test('a copy that dies beside a deploy that waits is paged, and started again when a person ends the deploy', () => {
  const simulator = serviceWithStandby();
  returnedDeploy(simulator);
  simulator.proof(false);
  simulator.live('dead');
  expect(pages(simulator)).toContain(`${SERVICE}: no copy of 1.1 runs`);
  const told = pages(simulator).length;
  simulator.pass(60_000);
  expect(pages(simulator)).toHaveLength(told);

  simulator.say('intervene', { incident: simulator.state.operation?.id ?? '', action: 'abort' });
  while (simulator.child && simulator.child.mail.length > 0) simulator.deliver(simulator.child);
  expect(simulator.state.operation?.id).toMatch(/^revival/);
});

test('a hard rollback that waits for a person is told of the next hard failure once, and goes on waiting', () => {
  const simulator = serviceWithStandby();
  simulator.verdict('dead', dead);
  failsUntilItWaits(simulator);
  const waiting = simulator.state.operation?.id;
  const told = pages(simulator).length;
  simulator.verdict('more', { ...dead, metric: 'timeout-rate' });
  simulator.pass(60_000);

  expect(simulator.state.operation).toMatchObject({ id: waiting, stopping: null });
  expect(pages(simulator)).toHaveLength(told + 1);
});

test('what nobody would act on does not stop an operation that waits', () => {
  const base = servicePolicy();
  const simulator = serviceWithStandby({ ...base, undetermined: { ...base.undetermined, immediate: 'hold' } });
  simulator.verdict('soft');
  failsUntilItWaits(simulator);
  simulator.verdict('dead', { ...dead, attribution: 'undetermined' });
  expect(simulator.state.operation?.stopping).toBeNull();
  expect(simulator.state.degradations.find(({ id }) => id === 'dead')?.decided).toBe('held');
});

/** A rollback by stages, with the first of them in force; the router's fallback is in the record as before. */
function firstStage(policy = servicePolicy()): ServiceSimulator {
  const simulator = serviceWithStandby(policy);
  simulator.verdict('slow', { tier: 'trend', metric: 'accuracy' });
  const { child } = simulator;
  const route = child?.input.route;
  if (!child || !route) throw new Error('no rollback');
  const until = simulator.now + 6 * 60_000;
  const record = { ...route, epoch: child.epoch, share: { version: '1.0', weight: 0.05, until } };
  child.epoch += 1;
  expect(simulator.apply(record)).toBe(true);
  child.record = record;
  const what = { type: 'shifted', record, note: '5 %' } as const;
  child.mail.push({ operation: child.input.operation, no: (child.no += 1), at: simulator.now, what });
  simulator.deliver(child);
  expect(simulator.state.declared?.share?.weight).toBe(0.05);
  return simulator;
}

/** The stages are given up; the share is left to the service. */
function stagesStop(simulator: ServiceSimulator): void {
  const { child } = simulator;
  if (!child?.stop) throw new Error('nobody ordered a stop');
  const { record, stop: why } = child;
  const what = { type: 'ended', outcome: 'cancelled', record, why, idle: [], verified: null } as const;
  child.mail.push({ operation: child.input.operation, no: (child.no += 1), at: simulator.now, what });
  child.phase = 'ended';
  while (child.mail.length > 0) simulator.deliver(child);
}

describe('a rollback by stages', () => {
  test('gives way to a hard failure of the version that most users still get', () => {
    const simulator = firstStage();
    simulator.verdict('dead', dead);
    stagesStop(simulator);

    expect(simulator.state.incident).toMatchObject({ hard: true, metric: 'error-rate' });
    expect(simulator.child?.input.procedure).toBe('emergency');
    simulator.runOperation();
    expect(simulator.state.declared).toMatchObject({ primary: '1.0' });
    expect(simulator.state.declared?.share).toBeUndefined();
  });

  test('gives way where the router has moved to its fallback, and no record in between takes that back', () => {
    const simulator = firstStage();
    simulator.primaryDies();
    simulator.look();
    const { fallback } = simulator.router;
    stagesStop(simulator);

    expect(simulator.router.fallback).toEqual(fallback);
    expect(simulator.child?.input).toMatchObject({ procedure: 'emergency', fallbackSince: fallback?.since });
    simulator.runOperation();
    expect(simulator.state.declared?.primary).toBe('1.0');
  });

  test('leaves its share where the router serves by its fallback, and the next record has it no more', () => {
    const simulator = firstStage();
    simulator.say('pause', { forMs: 60 * 60_000 });
    simulator.primaryDies();
    simulator.look();
    const { child } = simulator;
    if (!child) throw new Error('no rollback');
    expect(child.stop).toBeNull();
    child.stop = 'the service is paused';
    stagesStop(simulator);
    expect(simulator.state.declared?.share?.version).toBe('1.0');

    simulator.router = { ...simulator.router, fallback: null };
    simulator.look();
    simulator.proof(false);
    expect(simulator.state.declared).toMatchObject({ primary: '1.1' });
    expect(simulator.state.declared).not.toHaveProperty('fallback');
    expect(simulator.state.declared).not.toHaveProperty('share');
  });

  test('goes on beside a hard failure that it could only hold, and a person is paged', () => {
    const simulator = firstStage();
    simulator.verdict('host', { ...dead, attribution: 'environment' });
    expect(simulator.state.operation?.stopping).toBeNull();
    expect(pages(simulator)).toContain(`${SERVICE}: error-rate is degraded and nothing was moved`);
    expect(simulator.alerts.at(-1)?.command).toBe(`lastgood cancel ${SERVICE} --reason '…'`);
  });
});

describe('a second verdict on the same version', () => {
  /** Two verdicts that tell one story; the rollback is for the first. */
  function twoVerdicts(hard: boolean): ServiceSimulator {
    const simulator = serviceWithStandby();
    simulator.verdict('first', { hard, metric: 'accuracy' });
    simulator.verdict('second', { hard, metric: 'recall:spam' });
    expect(simulator.state.degradations.map(({ decided }) => decided)).toEqual(['acted', 'open']);
    return simulator;
  }

  function nothingStarts(simulator: ServiceSimulator, before: number): void {
    expect(simulator.state.operation).toBeNull();
    simulator.tiers('unmeasured');
    simulator.pass(60_000);
    expect(operations(simulator)).toHaveLength(before);
    expect(simulator.state.degradations.map(({ decided }) => decided)).toEqual(['refused', 'refused']);
  }

  test.each([false, true])('does not undo the cancel of a person (hard: %s)', (hard) => {
    const simulator = twoVerdicts(hard);
    const before = operations(simulator).length;
    simulator.say('cancel', {});
    obeys(simulator);
    nothingStarts(simulator, before);
  });

  test.each(['abort', 'accept'] as const)('does not undo the %s of a person', (action) => {
    const simulator = twoVerdicts(true);
    const before = operations(simulator).length;
    failsUntilItWaits(simulator);
    simulator.say('intervene', { incident: simulator.state.incident?.id ?? '', action });
    obeys(simulator);
    nothingStarts(simulator, before);
    expect(simulator.state.breaker.open).toBe(false);
  });

  test('does not try again what was stopped unasked', () => {
    const simulator = twoVerdicts(true);
    const before = operations(simulator).length;
    const { child } = simulator;
    if (!child) throw new Error('no operation is in flight');
    child.stop = 'a newer record';
    obeys(simulator);
    nothingStarts(simulator, before);
  });

  test('is decided after the cancel when it failed harder than what the rollback was for', () => {
    const simulator = serviceWithStandby();
    simulator.verdict('first', { metric: 'accuracy' });
    simulator.verdict('dead', dead);
    simulator.say('cancel', {});
    obeys(simulator);
    expect(simulator.state.incident).toMatchObject({ hard: true, phase: 'rolling-back' });
  });
});

test.each(['rollback', 'deploy'] as const)('a %s that fails again after a retry pages again', (kind) => {
  const simulator = serviceWithStandby();
  if (kind === 'rollback') simulator.verdict('dead', dead);
  else simulator.say('deploy', { version: '1.2' });
  failsUntilItWaits(simulator);
  const told = simulator.alerts.length;
  simulator.say('intervene', { incident: simulator.state.operation?.id ?? '', action: 'choose', target: '1.0' });
  const { child } = simulator;
  while (child && child.mail.length > 0) simulator.deliver(child);
  failsUntilItWaits(simulator);

  expect(simulator.alerts.slice(told).filter(({ severity }) => severity === 'page')).toHaveLength(2);
  const keys = simulator.alerts.map(({ key }) => key);
  expect(new Set(keys).size).toBe(keys.length);
});
