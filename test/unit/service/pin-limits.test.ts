import type { ServicePolicy } from '../../../domain/policy';
import { servicePolicy } from '../../support/service-policy';
import { serviceWithStandby, type ServiceSimulator } from '../../support/service-simulator';

const minute = 60_000;
const hour = 60 * minute;

/** Ten hours are more than any tier allows here. */
const sessions: ServicePolicy['sessions'] = {
  maxLifetimeMs: 10 * hour,
  keepPinsOn: ['trend', 'short-window'],
  keepPinsAtMostMs: { immediate: 0, 'short-window': 5 * minute, trend: hour },
};

/** How long sessions may stay on the version that the last operation leaves. */
function kept(simulator: ServiceSimulator): number {
  const inputs = simulator.effects.flatMap((effect) => (effect.type === 'start-operation' ? [effect.input] : []));
  const last = inputs.at(-1);
  if (!last) throw new Error('no operation began');
  return last.keepPinsMs;
}

function rolledBack(tier: 'immediate' | 'short-window' | 'trend', change: Partial<typeof sessions> = {}): number {
  const simulator = serviceWithStandby(servicePolicy({ sessions: { ...sessions, ...change } }));
  simulator.verdict('bad', tier === 'immediate' ? { tier, hard: true, metric: 'error-rate' } : { tier });
  expect(simulator.state.operation).toMatchObject({ kind: 'rollback' });
  return kept(simulator);
}

test('sessions on a version that was rolled back from stay no longer than its tier allows, and never beyond their lifetime', () => {
  expect(rolledBack('trend')).toBe(hour);
  expect(rolledBack('short-window')).toBe(5 * minute);
  expect(rolledBack('trend', { maxLifetimeMs: minute })).toBe(minute);
});

test('in an emergency they move at once, also where somebody let the tier keep them', () => {
  expect(rolledBack('immediate')).toBe(0);
  expect(rolledBack('immediate', { keepPinsOn: ['immediate', 'trend'] })).toBe(0);
});

test('a tier that keeps none keeps none', () => {
  expect(rolledBack('trend', { keepPinsOn: [] })).toBe(0);
});

test('a policy of an older release, without limits, decides as it did', () => {
  const { keepPinsAtMostMs: _none, ...older } = sessions;
  const simulator = serviceWithStandby(servicePolicy({ sessions: older }));
  simulator.verdict('bad', { tier: 'trend' });
  expect(kept(simulator)).toBe(10 * hour);
});

test('a deploy keeps the sessions of a good version for their lifetime', () => {
  const simulator = serviceWithStandby(servicePolicy({ sessions }));
  simulator.say('deploy', { version: '1.2' });
  expect(kept(simulator)).toBe(10 * hour);
});

test('a rollback by hand moves every session', () => {
  const simulator = serviceWithStandby(servicePolicy({ sessions }));
  simulator.say('rollback', {});
  expect(simulator.state.operation).toMatchObject({ kind: 'manual-rollback' });
  expect(kept(simulator)).toBe(0);
});

test('a deploy over a version that is known to be bad is no loophole: the strictest of its tiers counts', () => {
  const left = (...tiers: ('short-window' | 'trend')[]): number => {
    const simulator = serviceWithStandby(servicePolicy({ sessions, mode: 'observe' }));
    tiers.forEach((tier, index) => simulator.verdict(`bad-${index}`, { tier, metric: `recall:${index}` }));
    simulator.say('deploy', { version: '1.2' });
    expect(simulator.state.operation).toMatchObject({ kind: 'deploy' });
    return kept(simulator);
  };
  expect(left('trend')).toBe(hour);
  expect(left('trend', 'short-window')).toBe(5 * minute);
  const simulator = serviceWithStandby(servicePolicy({ sessions }));
  simulator.verdict('outage', { tier: 'trend', attribution: 'environment' });
  simulator.say('deploy', { version: '1.2' });
  expect(kept(simulator)).toBe(10 * hour);
});
