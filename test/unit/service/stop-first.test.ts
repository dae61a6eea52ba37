import type { ServicePolicy } from '../../../domain/policy';
import { detectionView } from '../../../domain/service/detection-view';
import { readinessOf } from '../../../domain/service/readiness';
import { nextWakeAt } from '../../../domain/service/timers';
import { servicePolicy } from '../../support/service-policy';
import { ServiceSimulator, type Child } from '../../support/service-simulator';

const minute = 60_000;
const oneCopy: ServicePolicy = {
  ...servicePolicy(),
  copiesLoadedMax: 1,
  standby: { ...servicePolicy().standby, keepWarm: false, asFallback: false },
  swap: { how: 'stop-first', gapMaxMs: 10 * minute },
};

/** 1.0 is live; the operation in flight is the deploy of 1.1. */
function deploying(policy = oneCopy): { simulator: ServiceSimulator; child: Child } {
  const simulator = new ServiceSimulator(policy);
  simulator.say('deploy', { version: '1.0' });
  simulator.runOperation();
  simulator.tiers('ok');
  simulator.say('deploy', { version: '1.1' });
  return { simulator, child: inFlight(simulator) };
}

function inFlight(simulator: ServiceSimulator): Child {
  const child = simulator.children.get(simulator.state.operation?.id ?? '');
  if (!child) throw new Error('no operation is in flight');
  return child;
}

/** The gap is in force and the service has heard of it. */
function inGap(simulator: ServiceSimulator, child: Child): void {
  simulator.childGap(child);
  while (child.mail.length > 0) simulator.deliver(child);
}

test('I5: the decision announces the gap and its length, and the plan has it before the load', () => {
  const { simulator, child } = deploying();
  expect(child.input.plan.map(({ step }) => step)).toEqual([
    'validate',
    'gap',
    'load',
    'probe',
    'shift',
    'verify',
    'settle',
  ]);
  const decided = simulator.ledger.filter(({ kind }) => kind === 'deploy-decided').at(-1);
  expect(decided?.summary).toMatch(/memory for one copy: nobody serves for about .* promised at most 10 min 0 s/);
  expect(decided?.facts['gap']).toMatchObject({ maxMs: 10 * minute });
  expect(child.input.stopFirst?.maxMs).toBe(10 * minute);
});

test('a first deploy has nobody to stop, and no gap', () => {
  const simulator = new ServiceSimulator(oneCopy);
  simulator.say('deploy', { version: '1.0' });
  const { input } = inFlight(simulator);
  expect(input.plan.map(({ step }) => step)).not.toContain('gap');
  expect(input.stopFirst).toBeUndefined();
});

test('a service without the policy plans and starts as before', () => {
  const { child } = deploying(servicePolicy());
  expect(child.input.plan.map(({ step }) => step)).not.toContain('gap');
  expect(child.input).not.toHaveProperty('stopFirst');
});

test('an emergency never applies: the rollback of a hard failure has every step, and no standby is made', () => {
  const { simulator, child } = deploying();
  inGap(simulator, child);
  simulator.runOperation();
  simulator.tiers('ok');
  expect(simulator.preparing).toEqual([]);
  expect(simulator.state.standby).toBeNull();
  simulator.verdict('hard', { metric: 'error-rate', tier: 'immediate', hard: true });
  const { input } = inFlight(simulator);
  expect(input.procedure).toBe('standard');
  expect(input.plan.map(({ step }) => step)).toContain('gap');
});

test('in the gap nothing is watched, judged or started, and people are told how long it lasts', () => {
  const { simulator, child } = deploying();
  inGap(simulator, child);
  const { state } = simulator;
  expect(state.declared).toMatchObject({ primary: '1.0', backends: {} });
  expect(state.operation?.shifted).toBe(false);
  expect(detectionView(state)).toMatchObject({ live: null, inIncident: true });
  expect(detectionView(state)).not.toHaveProperty('copies');
  simulator.verdict('hard', { metric: 'error-rate', tier: 'immediate', hard: true });
  expect(simulator.state.operation).toMatchObject({ id: child.input.operation, stopping: null });
  const told = simulator.alerts.find(({ title }) => title.includes('nobody serves for about'));
  expect(told).toMatchObject({ severity: 'ticket' });
  expect(told?.users).toMatch(/not served until about .* 503 with Retry-After/);
});

test('the next gap is foretold by the last one', () => {
  const { simulator, child } = deploying();
  inGap(simulator, child);
  simulator.pass(42_000);
  simulator.runOperation();
  expect(simulator.state.declared).toMatchObject({ primary: '1.1' });
  expect(simulator.state.declared?.gap).toBeUndefined();
  const ready = readinessOf(simulator.state, simulator.now);
  expect(ready.why).toContain('memory for one copy: a rollback costs a gap of about 42.0 s');
  expect(ready).toMatchObject({ target: '1.0', warm: false, expectedMs: 42_000 });
});

test('a gap that outlasts its promise pages once', () => {
  const { simulator, child } = deploying();
  inGap(simulator, child);
  const until = simulator.state.declared?.gap?.until ?? 0;
  expect(nextWakeAt(simulator.state)).toBeLessThanOrEqual(until);
  simulator.pass(11 * minute);
  simulator.pass(1 * minute);
  const pages = simulator.alerts.filter(({ title }) => title.includes('longer than was promised'));
  expect(pages).toHaveLength(1);
  expect(pages[0]).toMatchObject({ severity: 'page' });
});

test('an operation that is stopped in the gap leaves nobody, so the version that served is started again at once', () => {
  const { simulator, child } = deploying();
  inGap(simulator, child);
  simulator.say('cancel', {});
  simulator.childStep(child, true);
  while (child.mail.length > 0) simulator.deliver(child);
  const again = inFlight(simulator);
  expect(again.input).toMatchObject({ kind: 'deploy', actor: { proof: 'lastgood' } });
  expect(again.input.candidates.map(({ version }) => version)).toEqual(['1.0']);
  simulator.runOperation();
  expect(simulator.state.declared).toMatchObject({ primary: '1.0' });
  expect(simulator.state.declared?.gap).toBeUndefined();
  expect(simulator.state.operation).toBeNull();
});

test('the same when its workflow is gone, and in mode observe too: lastgood itself stopped what served', () => {
  const { simulator, child } = deploying({ ...oneCopy, mode: 'observe' });
  inGap(simulator, child);
  child.phase = 'ended';
  simulator.step({
    type: 'operation-asked',
    operation: child.input.operation,
    running: false,
    observed: simulator.observed(),
  });
  expect(inFlight(simulator).input.candidates.map(({ version }) => version)).toEqual(['1.0']);
});
