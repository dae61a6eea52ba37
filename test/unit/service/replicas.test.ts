import { hostOfInstance } from '../../../domain/hosts';
import type { ServicePolicy } from '../../../domain/policy';
import { nextWakeAt } from '../../../domain/service/timers';
import { servicePolicy } from '../../support/service-policy';
import { ServiceSimulator } from '../../support/service-simulator';

const minute = 60_000;
const onTwoHosts: ServicePolicy = {
  ...servicePolicy(),
  replicas: { hosts: ['here', 'there'], minReplicas: 1 },
  standby: { ...servicePolicy().standby, keepWarm: false },
};

/** 1.0 is live by one copy: `there` was gone when it was deployed. */
function withoutThere(policy = onTwoHosts): ServiceSimulator {
  const simulator = new ServiceSimulator(policy);
  simulator.state = { ...simulator.state, host: 'here' };
  simulator.say('deploy', { version: '1.0' });
  simulator.runOperation();
  simulator.tiers('ok');
  return simulator;
}

const joining = (simulator: ServiceSimulator): string | undefined => simulator.state.joining?.instance;
const copies = ({ state: { declared } }: ServiceSimulator): string[] =>
  (declared?.backends[declared.primary] ?? []).map(({ instance }) => instance);

function prepared(simulator: ServiceSimulator, ok: boolean): void {
  const { joining: copy } = simulator.state;
  if (!copy) throw new Error('nothing joins');
  const { version, instance } = copy;
  const digest = simulator.state.versions.find((each) => each.version === version)?.digest ?? '';
  const backend = ok ? { address: 'http://10.0.0.2:9', instance, digest } : null;
  simulator.step({ type: 'standby-prepared', version, instance, backend, why: ok ? '' : 'HostUnreachable' });
}

test('I1, I12: a host without the live version gets a proven copy of it first, and takes part by a new epoch then', () => {
  const simulator = withoutThere();
  expect(hostOfInstance(joining(simulator) ?? '')).toBe('there');
  const { epoch } = simulator.state.declared!;
  expect(copies(simulator)).toHaveLength(1);

  prepared(simulator, true);

  expect(simulator.state.declared).toMatchObject({ primary: '1.0' });
  expect(simulator.state.declared!.epoch).toBeGreaterThan(epoch);
  expect(copies(simulator).map((copy) => hostOfInstance(copy) ?? 'here')).toEqual(['here', 'there']);
  expect(simulator.router.record).toEqual(simulator.state.declared);
  expect(simulator.state.joining).toBeNull();
});

test('one that cannot make its copy ready is told once, and tried again by itself after longer and longer pauses', () => {
  const simulator = withoutThere();
  const attempts = new Set<string>();
  for (let times = 0; times < 3; times++) {
    attempts.add(joining(simulator) ?? 'none');
    prepared(simulator, false);
    expect(joining(simulator)).toBeUndefined();
    simulator.pass(minute);
    simulator.tiers('ok');
  }
  expect(attempts.size).toBe(3);
  expect(attempts).not.toContain('none');
  const told = simulator.alerts.filter(({ title }) => title.includes('there has no copy'));
  expect(new Set(told.map(({ key }) => key)).size).toBe(1);
  expect(copies(simulator)).toHaveLength(1);
});

test('a host that is away is asked again by time alone, and nothing wakes the service while it is asked', () => {
  const simulator = withoutThere();
  const wakesIn = (): number => (nextWakeAt(simulator.state) ?? Infinity) - simulator.now;
  const waits: number[] = [];
  for (let times = 0; times < 6; times++) {
    expect(wakesIn()).toBeGreaterThan(0);
    prepared(simulator, false);
    waits.push(wakesIn());
    simulator.pass(wakesIn());
    expect(joining(simulator)).toBeDefined();
  }
  expect(waits).toEqual([15_000, 30_000, minute, 2 * minute, 5 * minute, 5 * minute]);
});

test('I2: an operation ends what joins; its copy is retired on its host, and joins again for what serves then', () => {
  const simulator = withoutThere();
  const first = joining(simulator)!;
  simulator.say('deploy', { version: '1.1' });
  expect(simulator.effects).toContainEqual({ type: 'cancel-preparation', instance: first });
  expect(joining(simulator)).toBeUndefined();
  simulator.step({ type: 'standby-prepared', version: '1.0', instance: first, backend: null, why: 'given up' });
  expect(simulator.retiring.get(first)).toMatchObject({ host: 'there' });

  simulator.runOperation();
  simulator.pass(minute);
  simulator.tiers('ok');

  expect(simulator.state.joining).toMatchObject({ host: 'there', version: '1.1' });
});

test('nothing joins while a person has paused the service', () => {
  const simulator = withoutThere();
  prepared(simulator, false);
  simulator.say('pause', { forMs: 10 * minute });
  simulator.pass(2 * minute);
  simulator.tiers('ok');
  expect(joining(simulator)).toBeUndefined();
});

test('I5, I12: one of two copies that answers no more is named no more and ended on its host, which joins anew; the last one stays', () => {
  const simulator = withoutThere();
  prepared(simulator, true);
  const [kept, lost] = copies(simulator);
  const instances = copies(simulator);
  const told = (down: string[]): void => {
    const { version } = { version: simulator.state.declared!.primary };
    const report = { version, instances, condition: 'answers' as const, at: simulator.now, why: 'refused', down };
    simulator.step({ type: 'live-reported', report });
  };

  told([lost!]);

  expect(copies(simulator)).toEqual([kept]);
  expect(simulator.router.record).toEqual(simulator.state.declared);
  expect(simulator.retiring.get(lost!)).toMatchObject({ host: 'there' });
  simulator.pass(minute);
  simulator.tiers('ok');
  expect(simulator.state.joining).toMatchObject({ host: 'there', version: '1.0' });

  const { declared } = simulator.state;
  told([kept!]);
  expect(simulator.state.declared).toEqual(declared);
});

test('a host that nobody answered for has nothing to be ended: its attempts leave no copy behind', () => {
  const simulator = withoutThere();
  prepared(simulator, false);
  expect(simulator.retiring.size).toBe(0);
});
