import type { TierReading } from '../../../domain/service/events';
import { hour, servicePolicy } from '../../support/service-policy';
import { SERVICE, serviceWithStandby, type ServiceSimulator } from '../../support/service-simulator';

const minute = 60_000;
const estimate = {
  metric: 'estimated-precision:bulk',
  sentence: 'Estimated from confidences, without labels: answers bulk are right in 80 %',
};

/** What rests on an estimate is put before a person; what was counted is not kept waiting by it. */

function rollbacks(simulator: ServiceSimulator): number {
  return simulator.effects.filter((effect) => effect.type === 'start-operation' && effect.input.kind === 'rollback')
    .length;
}

function withApproval(onTimeout: 'hold' | 'proceed', onDegraded: 'ask' | 'act' = 'ask'): ServiceSimulator {
  const policy = servicePolicy({ approval: { tiers: [], timeoutMs: hour, onTimeout } });
  return serviceWithStandby({
    ...policy,
    detection: { ...policy.detection, estimates: { minLabels: 100, onDegraded } },
  });
}

test('an estimate asks a person although the mode is act, and says that it is one', () => {
  const simulator = serviceWithStandby();
  simulator.verdict('e1', estimate);

  expect(rollbacks(simulator)).toBe(0);
  expect(simulator.state.incident).toMatchObject({ phase: 'awaiting-approval', metric: estimate.metric });
  const asked = simulator.alerts.find(({ title }) => title.startsWith(`${SERVICE}: approve the rollback`));
  expect(asked).toMatchObject({ severity: 'page', did: expect.stringContaining('an estimate from confidences') });
  expect(asked?.must).toContain('stays as it is');
});

test('silence is no word: nobody answers, the policy says proceed, and nothing moves', () => {
  const simulator = withApproval('proceed');
  simulator.verdict('e1', estimate);
  simulator.pass(hour + minute);
  expect(rollbacks(simulator)).toBe(0);
  expect(simulator.state.incident).toBeNull();

  const counted = withApproval('proceed');
  counted.verdict('v1');
  expect(rollbacks(counted)).toBe(1);
});

test('a person who approves gets the rollback, and it is confirmed by the same metric', () => {
  const simulator = serviceWithStandby();
  simulator.verdict('e1', estimate);
  const id = simulator.state.incident?.id ?? '';
  simulator.say('approve', { incident: id, decision: 'approve' });
  expect(rollbacks(simulator)).toBe(1);
  simulator.runOperation();
  expect(simulator.state.declared?.primary).toBe('1.0');
  expect(simulator.state.confirming?.metric).toBe(estimate.metric);
});

test('labels that say it too do not wait behind the proposal', () => {
  const simulator = serviceWithStandby();
  simulator.verdict('e1', estimate);
  simulator.verdict('v1');

  expect(rollbacks(simulator)).toBe(1);
  expect(simulator.ledger.map(({ summary }) => summary)).toContainEqual(expect.stringContaining('overtaken by labels'));
  expect(simulator.state.incident?.metric).toBe('recall:bulk');
  simulator.runOperation();
  expect(simulator.state.declared?.primary).toBe('1.0');
});

test('of what stands at the end of a pause the counted is decided before the estimated', () => {
  const simulator = serviceWithStandby();
  simulator.say('pause', { forMs: 10 * minute });
  simulator.verdict('e1', estimate);
  simulator.verdict('v1');
  simulator.pass(10 * minute);
  expect(simulator.state.incident?.metric).toBe('recall:bulk');
  expect(rollbacks(simulator)).toBe(1);
});

test('where the policy says act, an estimate is decided like any other verdict', () => {
  const simulator = withApproval('hold', 'act');
  simulator.verdict('e1', estimate);
  expect(rollbacks(simulator)).toBe(1);
});

test('estimates that are ok prove no bake period, and ones that are undecided hold none up', () => {
  const reading = (metric: string, kind: TierReading['kind'], at: number): TierReading => ({
    tier: 'short-window',
    metric,
    kind,
    observed: 0.9,
    expected: 0.9,
    limit: null,
    samples: 100,
    at,
  });
  const report = (simulator: ServiceSimulator, ...tiers: TierReading[]): void => {
    const { declared } = simulator.state;
    const about = { epoch: declared?.epoch ?? 0, version: declared?.primary ?? '?', at: simulator.now };
    simulator.step({ type: 'tiers-reported', report: { ...about, tiers, unmeasuredSince: null, environment: [] } });
  };
  const simulator = serviceWithStandby();
  expect(simulator.state.bake).not.toBeNull();
  report(simulator, reading('estimated-precision:bulk', 'ok', simulator.now));
  simulator.pass(25 * hour);
  expect(simulator.state.bake).not.toBeNull();
  report(simulator, reading('estimated-precision:bulk', 'inconclusive', simulator.now), reading('latency-p95', 'ok', simulator.now)); // prettier-ignore
  simulator.pass(minute);
  expect(simulator.state.bake).toBeNull();
});
