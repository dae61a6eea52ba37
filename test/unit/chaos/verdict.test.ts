import { checkedInvariants, type Experiment } from '../../../domain/chaos/experiment';
import type { Observations, SeenEntry, SeenRoute } from '../../../domain/chaos/observations';
import { readVerdict } from '../../../domain/chaos/verdict';

const experiment: Experiment = {
  name: 'killed-mid-swap',
  why: 'it dies',
  service: 'triage',
  users: { perSecond: 10 },
  steadyState: { withinMs: 30_000, errors: { atMost: 0, of: 20 }, routeStableMs: 1_000 },
  trigger: { kind: 'manual-rollback', to: '1', cold: false },
  at: 'load',
  fault: { kind: 'kill-serving', version: 'left' },
  expect: {
    withinMs: 60_000,
    outcomes: ['settled'],
    targetDropped: null,
    primary: 'target',
    lostAtMost: 0,
    failedAtMost: 0,
    invariants: [...checkedInvariants],
  },
  recoverWithinMs: 10_000,
  putBack: true,
};

function entry(seq: number, kind: SeenEntry['kind'], facts: SeenEntry['facts'] = {}): SeenEntry {
  return { seq, at: seq * 1_000, kind, incident: null, summary: kind, facts };
}

function route(epoch: number, primary: string, change: Partial<SeenRoute> = {}): SeenRoute {
  const record = { epoch, primary };
  return { at: epoch, declared: record, observed: record, operation: null, proven: null, barred: [], ...change };
}

const story = [
  entry(1, 'rollback-decided'),
  entry(2, 'step-succeeded', { step: 'probe', version: '1' }),
  entry(3, 'traffic-shifted', { from: '2', to: '1' }),
  entry(4, 'step-succeeded', { step: 'verify', version: '1' }),
  entry(5, 'settled'),
  entry(6, 'instance-retired', { version: '2' }),
];

const seen: Observations = {
  steadyBefore: { holds: true, at: 0, why: '' },
  before: '2',
  target: '1',
  notInjected: null,
  injected: { at: 10_000, sentence: 'it was killed and is gone', facts: {} },
  injectedAt: 'load',
  removed: { at: 12_000, sentence: 'nothing is left', facts: {} },
  notRemoved: null,
  outcome: 'settled',
  primary: '1',
  entries: story,
  users: { sent: 100, answered: 100, failed: 0, lost: 0, byVersion: { '2': 50, '1': 50 }, byVersionAfter: { '1': 50 } },
  routes: [route(3, '2'), route(4, '1')],
  chain: { whole: true, why: '' },
  steadyAfter: { holds: true, at: 14_500, why: '' },
  stopped: false,
};

const verdict = (change: Partial<Observations>, expect: Partial<Experiment['expect']> = {}) =>
  readVerdict({ ...experiment, expect: { ...experiment.expect, ...expect } }, { ...seen, ...change });

test('a run passes when the fault happened, everything expected was seen, it is gone, and the steady state is back', () => {
  const result = verdict({});
  expect(result).toMatchObject({ verdict: 'passed', recoverMs: 4_500 });
  expect(result.findings.map(({ ok }) => ok)).not.toContain(false);
  expect(result.invariants.map(({ invariant }) => invariant)).toEqual([...checkedInvariants]);
});

test.each<[string, Partial<Observations>]>([
  ['the steady state was not there before', { steadyBefore: { holds: false, at: 0, why: 'errors' } }],
  ['nothing proves the fault', { injected: null, notInjected: 'FaultSelectsNothing: no copy runs' }],
  ['the fault came in another step', { injectedAt: 'verify' }],
  ['no counted request was sent', { users: null }],
  ['the ledger could not be verified', { chain: null }],
  ['the router was not read at the end', { routes: [route(3, '2'), route(4, '1', { observed: null })] }],
])('a run is void when %s', (_, change) => {
  expect(verdict(change).verdict).toBe('void');
});

test.each<[string, Partial<Observations>]>([
  ['the operation came to nothing', { outcome: null }],
  ['it came to something else', { outcome: 'waiting-for-human' }],
  ['the traffic is elsewhere', { primary: '2' }],
  ['a request got no answer', { users: { ...seen.users!, lost: 1 } }],
  ['an answer failed', { users: { ...seen.users!, failed: 1 } }],
  ['the fault is not gone', { removed: null, notRemoved: 'it is still frozen' }],
  ['the steady state is not back', { steadyAfter: { holds: false, at: 30_000, why: 'errors' } }],
  ['it came back too late', { steadyAfter: { holds: true, at: 20_001, why: '' } }],
])('a run fails when %s', (_, change) => {
  expect(verdict(change).verdict).toBe('failed');
});

test('a run that a person stopped is aborted, whatever it saw', () => {
  expect(verdict({ stopped: true, injected: null }).verdict).toBe('aborted');
});

test('the dropped target must have failed a step, and may answer nobody after the fault', () => {
  const dropped = { targetDropped: true, primary: 'same', outcomes: ['waiting-for-human'] } as const;
  const caught = {
    outcome: 'waiting-for-human',
    primary: '2',
    entries: [
      entry(1, 'rollback-decided'),
      entry(2, 'step-failed', { step: 'validate', version: '1', why: 'changed' }),
    ],
    users: { ...seen.users!, byVersion: { '2': 100 }, byVersionAfter: { '2': 50 } },
    routes: [route(3, '2')],
  } as const;
  expect(verdict(caught, dropped).verdict).toBe('passed');
  expect(verdict({ ...caught, entries: [entry(1, 'rollback-decided')] }, dropped).verdict).toBe('failed');
  expect(verdict({ ...caught, users: { ...seen.users!, byVersionAfter: { '1': 1 } } }, dropped).verdict).toBe('failed');
});

test.each<[string, Partial<Observations>]>([
  ['I1', { entries: story.filter(({ seq }) => seq !== 2) }],
  ['I2', { routes: [route(5, '2'), route(4, '1')] }],
  ['I4', { entries: story.slice(1) }],
  ['I4', { chain: { whole: false, why: 'entry 3 was changed' } }],
  ['I5', { entries: [...story.slice(0, 3), entry(4, 'instance-retired', { version: '2' }), entry(5, 'settled')] }],
  ['I6', { users: { ...seen.users!, lost: 1 } }],
  ['I8', { routes: [route(3, '2'), route(4, '1', { barred: ['1'] })] }],
  ['I9', { outcome: null }],
  ['I12', { routes: [route(3, '2'), route(4, '1', { observed: { epoch: 3, primary: '2' } })] }],
])('a breach of %s is seen', (invariant, change) => {
  const { invariants } = verdict(change);
  expect(invariants.filter(({ holds }) => holds === false).map((one) => one.invariant)).toContain(invariant);
});

test('a target that was a proven standby needs no probe of this run', () => {
  const { invariants } = verdict({
    entries: story.filter(({ seq }) => seq !== 2),
    routes: [route(3, '2', { proven: '1' }), route(4, '1')],
  });
  expect(invariants.find(({ invariant }) => invariant === 'I1')).toMatchObject({ holds: true });
});
