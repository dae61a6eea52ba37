import { bernoulliEvidence } from '../../../domain/detection/bernoulli-e-detector';
import {
  assessClassWindow,
  classRatesParams,
  failingClasses,
  initialClassRates,
  stepClassRates,
  type ClassCount,
} from '../../../domain/detection/class-rates';
import { assessRateChart } from '../../../domain/detection/rate-verdict';
import type { RateBaseline } from '../../../domain/detection/types';
import { mulberry32 } from '../../support/mulberry32';

const words = 'mail-triage@1.2, 45 s before the deploy';
const baseline = new Map<string, RateBaseline>([
  ['spam', { trials: 540, failures: 43, words }],
  ['bulk', { trials: 360, failures: 25, words }],
  ['discussion', { trials: 1350, failures: 27, words }],
]);

test('a window names the one class that fell, although the aggregate hardly moved', () => {
  const counts: ClassCount[] = [
    { label: 'spam', total: 180, correct: 166 },
    { label: 'bulk', total: 120, correct: 90 },
    { label: 'discussion', total: 450, correct: 441 },
  ];
  const options = { practicalMargin: 0.05, coverage: 'complete' as const };
  const result = assessClassWindow(counts, baseline, options);
  expect(failingClasses(result)).toEqual(['bulk']);
  expect(result[1]).toMatchObject({ kind: 'degraded', recall: 0.75, total: 120 });
  expect(result[1]?.high).toBeLessThan(result[1]?.baselineRecall ?? 0);
  expect(result.map((one) => one.kind)).toEqual(['ok', 'degraded', 'ok']);
});

test('too little support is inconclusive, selective labels and no labels are unmeasured, a class without history is undecided', () => {
  const few: ClassCount[] = [
    { label: 'bulk', total: 8, correct: 0 },
    { label: 'spam', total: 0, correct: 0 },
    { label: 'new', total: 100, correct: 0 },
    { label: 'discussion', total: 100, correct: NaN },
  ];
  const options = { practicalMargin: 0.05, coverage: 'complete' as const };
  const kinds = assessClassWindow(few, baseline, options).map((one) => one.kind);
  expect(kinds).toEqual(['inconclusive', 'unmeasured', 'inconclusive', 'unmeasured']);
  const bad: ClassCount[] = [{ label: 'bulk', total: 500, correct: 100 }];
  expect(assessClassWindow(bad, baseline, { ...options, coverage: 'selective' })[0]?.kind).toBe('unmeasured');
  expect(assessClassWindow(bad, baseline, options)[0]?.kind).toBe('degraded');
});

test('a significant fall below the practical margin is no degradation', () => {
  const large = new Map([['bulk', { trials: 1_000_000, failures: 70_000, words }]]);
  const counts = [{ label: 'bulk', total: 100_000, correct: 91_800 }];
  const [result] = assessClassWindow(counts, large, { practicalMargin: 0.05, coverage: 'complete' });
  expect(result?.adjustedP).toBeLessThan(1e-6);
  expect(result?.kind).toBe('ok');
});

/** 50 labelled answers a second, class mix 24/16/60; bulk falls from 93 to 78 % at the onset. Seconds to each alarm. */
function episode(seed: number): { bulk: number | null; aggregate: number | null; others: boolean } {
  const params = classRatesParams(baseline, {
    practicalMargin: 0.05,
    aggregateMargin: 0.02,
    falseAlarmDays: 30,
    observationsPerSecond: 50,
  });
  const uniform = mulberry32(seed);
  let state = initialClassRates(params);
  const found = { bulk: null as number | null, aggregate: null as number | null, others: false };
  for (let second = -30; second < 240; second += 1) {
    const truth = { spam: 0.92, bulk: second < 0 ? 0.93 : 0.78, discussion: 0.98 };
    const counts = new Map<string, ClassCount>();
    for (let i = 0; i < 50; i += 1) {
      const u = uniform();
      const label = u < 0.24 ? 'spam' : u < 0.4 ? 'bulk' : 'discussion';
      const count = counts.get(label) ?? { label, total: 0, correct: 0 };
      count.total += 1;
      if (uniform() < truth[label]) count.correct += 1;
      counts.set(label, count);
    }
    state = stepClassRates(state, params, { atMs: second * 1000, counts: [...counts.values()] });
    for (const [label, chart] of Object.entries(params.classes)) {
      const one = state.classes[label];
      if (one === undefined || !bernoulliEvidence(one, chart).alarm) continue;
      if (label !== 'bulk' || second < 0) found.others = true;
      else found.bulk ??= second + 1;
    }
    if (bernoulliEvidence(state.aggregate, params.aggregate).alarm) found.aggregate ??= second + 1;
  }
  return found;
}

test('the class chart sees the fall within 60 s in 19 of 20 episodes, before the aggregate, and accuses no other class', () => {
  const episodes = Array.from({ length: 20 }, (_, index) => episode(100 + index));
  const delays = episodes.map((one) => one.bulk ?? Infinity).sort((left, right) => left - right);
  const aggregates = episodes.map((one) => one.aggregate ?? Infinity).sort((left, right) => left - right);
  process.stdout.write(
    `class chart: median ${delays[10]} s, 19th of 20 ${delays[18]} s; aggregate: median ${aggregates[10]} s\n`,
  );
  expect(delays[18]).toBeLessThanOrEqual(60);
  expect(aggregates[10]).toBeGreaterThan(delays[10] ?? Infinity);
  expect(episodes.filter((one) => one.others)).toHaveLength(0);
});

test('the verdict of a class speaks like a colleague and carries its numbers', () => {
  const params = classRatesParams(baseline, { practicalMargin: 0.05, falseAlarmDays: 30, observationsPerSecond: 50 });
  let state = initialClassRates(params);
  const startMs = Date.UTC(2026, 0, 5, 14, 3, 0);
  for (let second = 0; second < 10; second += 1) {
    const counts = [{ label: 'bulk', total: 8, correct: second % 2 === 0 ? 8 : 7 }];
    state = stepClassRates(state, params, { atMs: startMs + second * 1000, counts });
  }
  for (let second = 10; second < 24; second += 1) {
    const counts = [{ label: 'bulk', total: 8, correct: second % 2 === 0 ? 5 : 6 }];
    state = stepClassRates(state, params, { atMs: startMs + second * 1000, counts });
  }
  const chart = params.classes['bulk'];
  const one = state.classes['bulk'];
  if (chart === undefined || one === undefined) throw new Error('the chart of bulk is missing');
  const verdict = assessRateChart(one, chart, {
    metric: 'recall:bulk',
    tier: 'immediate',
    classLabel: 'bulk',
    words: { form: 'hits', subject: 'bulk', verb: 'is recognised in', noun: 'labelled answers' },
    baseline: words,
    nowMs: startMs + 24_000,
    staleMs: 10_000,
  });
  expect(verdict.kind).toBe('degraded');
  expect(verdict.hard).toBe(false);
  expect(verdict.sentence).toMatch(
    /^bulk is recognised in \d\d % of \d+ labelled answers since 14:03:\d\d UTC; its own history says 93 % \(limit \d\d %\); a false alarm of this size comes at most once in 30 days$/,
  );
  expect(verdict.observed).toBeLessThan(verdict.lcl ?? 0);
  expect(verdict.lcl ?? 1).toBeLessThan(verdict.expected ?? 0);
  expect(verdict.onsetLowMs ?? Infinity).toBeLessThanOrEqual(startMs + 10_000);
});

test('more classes than heartbeats can carry are refused in words', () => {
  const many = new Map(Array.from({ length: 25 }, (_, i) => [`c${i}`, { trials: 10, failures: 1, words }] as const));
  const options = { practicalMargin: 0.05, falseAlarmDays: 30, observationsPerSecond: 1 };
  expect(() => classRatesParams(many, options)).toThrow('25 classes cannot be charted one by one (at most 24)');
});

test('the limit that is shown is the one that judges: degraded at it, not one miss above it', () => {
  const history = new Map([
    ['bulk', { trials: 400, failures: 28, words: 'before' }],
    ['spam', { trials: 600, failures: 48, words: 'before' }],
  ]);
  const options = { practicalMargin: 0.05, falseDiscoveryLevel: 1e-6, coverage: 'complete' as const };
  const bulkOf = (correct: number): ReturnType<typeof assessClassWindow>[number] | undefined =>
    assessClassWindow(
      [
        { label: 'bulk', total: 90, correct },
        { label: 'spam', total: 130, correct: 120 },
      ],
      history,
      options,
    ).find(({ label }) => label === 'bulk');
  const limit = bulkOf(90)?.limit ?? NaN;
  const atLimit = Math.round(limit * 90);
  expect(limit).toBeGreaterThan(0.5);
  expect(bulkOf(atLimit)).toMatchObject({ kind: 'degraded', limit });
  expect(bulkOf(atLimit + 1)).toMatchObject({ kind: 'ok', limit });
});
