import type { Effect } from '../../../domain/service/commands';
import { hour, servicePolicy } from '../../support/service-policy';
import { type ServiceSimulator, serviceWithStandby } from '../../support/service-simulator';

const minute = 60_000;

function performed<T extends Effect['type']>(simulator: ServiceSimulator, type: T): Extract<Effect, { type: T }>[] {
  return simulator.effects.filter((effect): effect is Extract<Effect, { type: T }> => effect.type === type);
}

/** 1.1 is live and 1.0 is being made ready as its standby. */
function preparing(): ServiceSimulator {
  const simulator = serviceWithStandby();
  simulator.proof(false);
  simulator.pass(2 * minute);
  stopped(simulator);
  simulator.pass(10 * minute);
  expect(simulator.state.preparing?.version).toBe('1.0');
  return simulator;
}

/** The host has stopped whatever it was asked to. */
function stopped(simulator: ServiceSimulator): void {
  for (const instance of [...simulator.retiring.keys()]) simulator.retirementDone(instance);
  simulator.drain();
}

test('an operation takes the host from what is being made ready as a standby, and its copy is stopped', () => {
  const simulator = preparing();
  const instance = simulator.state.preparing?.instance ?? '';
  simulator.say('deploy', { version: '1.2' });
  expect(performed(simulator, 'cancel-preparation')).toEqual([{ type: 'cancel-preparation', instance }]);
  expect(simulator.state.preparing).toBeNull();
  simulator.drain();
  expect(performed(simulator, 'retire').map(({ input }) => input.instance)).toContain(instance);
});

test.each([true, false])('a copy that answers after it was given up is stopped, whether it is ready: %s', (ready) => {
  const simulator = preparing();
  const { version = '', instance = '' } = simulator.state.preparing ?? {};
  simulator.pass(2 * hour);
  const backend = ready ? { address: 'http://127.0.0.1:8', instance, digest: 'sha256:1' } : null;
  simulator.step({ type: 'standby-prepared', version, instance, backend, why: 'late' });
  expect(performed(simulator, 'retire').map(({ input }) => input.instance)).toContain(instance);
});

test('making a standby ready may take all the time that its steps may take', () => {
  const { validateMs, loadMs, probeMs } = servicePolicy().steps;
  const simulator = preparing();
  simulator.pass(validateMs + loadMs + probeMs + 59_000);
  expect(simulator.state.preparing).not.toBeNull();
});

/** A share of 1.0 is in force when a person stops the operation that made it. */
function sharing(): { readonly simulator: ServiceSimulator; readonly copy: string } {
  const simulator = serviceWithStandby(servicePolicy({ copiesLoadedMax: 4 }));
  simulator.proof(false);
  simulator.verdict('v1', { tier: 'trend' });
  const { child } = simulator;
  const { declared } = simulator.state;
  if (!child || !declared) throw new Error('no rollback began');
  const copy = `mail-triage@1.0#${child.input.operation}`;
  const backend = { address: 'http://127.0.0.1:9', instance: copy, digest: 'sha256:1' };
  const { fallback: _fallback, ...route } = declared;
  const record = {
    ...route,
    epoch: child.epoch,
    share: { version: '1.0', weight: 0.5, until: simulator.now + 10 * minute },
    backends: { ...route.backends, '1.0': [backend] },
  };
  child.epoch += 1;
  child.record = record;
  simulator.running.add(copy);
  simulator.apply(record);
  const report = (no: number, what: object): void => {
    simulator.step({
      type: 'step-reported',
      report: { operation: child.input.operation, no, at: simulator.now, what: what as never },
    });
    simulator.drain();
  };
  report(1, { type: 'shifted', record, note: '50 %' });
  expect(simulator.state.declared?.share?.version).toBe('1.0');
  simulator.say('cancel', {});
  const idle = [{ version: '1.0', instance: copy }];
  report(2, { type: 'ended', outcome: 'cancelled', record, why: 'cancelled', idle, verified: null });
  return { simulator, copy };
}

test('a share ends with its operation, in the router too, and its copy is stopped', () => {
  const { simulator, copy } = sharing();
  expect(simulator.state.declared).toMatchObject({ primary: '1.1', epoch: simulator.router.record?.epoch });
  expect(simulator.router.record?.share).toBeUndefined();
  expect(Object.keys(simulator.router.record?.backends ?? {})).not.toContain(copy);
  expect(performed(simulator, 'retire').map(({ input }) => input.instance)).toContain(copy);
});

/** 1.1 is live, 1.0 is its standby, and the end of a copy of 1.0 that was there before is asked for. */
function retiring(): { readonly simulator: ServiceSimulator; readonly instance: string } {
  const simulator = preparing();
  const { version = '', instance = '' } = simulator.state.preparing ?? {};
  simulator.prepared(false);
  expect(simulator.state.retiring).toMatchObject([{ version, instance }]);
  return { simulator, instance };
}

test('a retirement that nobody hears of any more is asked for again', () => {
  const { simulator, instance } = retiring();
  const asked = (): number => performed(simulator, 'retire').filter(({ input }) => input.instance === instance).length;
  simulator.pass(20 * minute);
  expect(asked()).toBe(1);
  simulator.pass(hour);
  expect(asked()).toBe(2);
  simulator.retirementDone(instance);
  simulator.drain();
  expect(simulator.state.retiring).toEqual([]);
});

test('a version whose last copy is still there does not keep the next one from becoming the standby', () => {
  const simulator = serviceWithStandby(servicePolicy({ copiesLoadedMax: 5 }));
  simulator.say('deploy', { version: '1.2' });
  simulator.runOperation();
  simulator.tiers('ok');
  const old = [...simulator.retiring.keys()];
  expect(old.map((instance) => instance.split('#')[0])).toEqual(['mail-triage@1.0']);
  // 1.1 is the standby of the bake period; it breaks, and its copy does not go away.
  simulator.proof(false);
  simulator.pass(2 * minute);
  simulator.pass(10 * minute);
  for (const instance of old) simulator.retirementDone(instance);
  simulator.drain();
  simulator.pass(minute);
  expect(simulator.state.retiring).toMatchObject([{ version: '1.1' }]);
  expect(simulator.state.preparing?.version).toBe('1.0');
});

test('a copy that could not be stopped is told once, goes on counting, and its end is asked for again', () => {
  const { simulator, instance } = retiring();
  const failed = (): void => {
    const report = { version: '1.0', instance, outcome: 'failed' as const, at: simulator.now, why: 'HostUnreachable' };
    simulator.step({ type: 'retirement-ended', report });
  };
  failed();
  const told = (): number => simulator.alerts.filter(({ title }) => title.includes('could not be stopped')).length;
  expect(told()).toBe(1);
  expect(simulator.state.retiring).toMatchObject([{ instance, failed: true }]);
  const before = performed(simulator, 'retire').length;
  simulator.pass(11 * minute);
  expect(performed(simulator, 'retire').length).toBe(before + 1);
  failed();
  expect(told()).toBe(1);
});

test('copies that nothing names are found on the host after a loss of the service, and stopped', () => {
  const simulator = preparing();
  const instance = simulator.state.preparing?.instance ?? '';
  simulator.running.add(instance);
  simulator.preparing.length = 0;
  simulator.loseService();
  simulator.proof(true);
  simulator.pass(2 * minute);
  while (simulator.preparing.length > 0) simulator.prepared(true);
  simulator.pass(2 * minute);
  const ended = performed(simulator, 'retire').map(({ input }) => input.instance);
  expect(ended).toContain(instance);
  const { declared, standby } = simulator.state;
  for (const { instance: used } of Object.values(declared?.backends ?? {}).flat()) expect(ended).not.toContain(used);
  expect(ended).not.toContain(standby?.backend.instance);
});

test('what runs on the host is looked at every hour, and not while an operation is at work', () => {
  const simulator = serviceWithStandby();
  simulator.pass(2 * minute);
  const looks = (): number => performed(simulator, 'inspect-host').length;
  const first = looks();
  simulator.pass(30 * minute);
  expect(looks()).toBe(first);
  simulator.pass(31 * minute);
  expect(looks()).toBe(first + 1);
  simulator.verdict('v1');
  simulator.pass(2 * hour);
  expect(looks()).toBe(first + 1);
});
