import {
  bernoulliParams,
  initialBernoulliState,
  stepBernoulli,
  type BernoulliState,
} from '../../../domain/detection/bernoulli-e-detector';
import { assessRateChart, type RateVerdictOptions } from '../../../domain/detection/rate-verdict';
import { buildVerdict, clockText, durationText, numberText, percentText } from '../../../domain/detection/verdict';

const params = bernoulliParams(
  { trials: 5_000, failures: 25, words: '' },
  { practicalMargin: 0.01, falseAlarmDays: 30, observationsPerSecond: 20 },
);
const startMs = Date.UTC(2026, 0, 5, 9, 59, 0);
const options: RateVerdictOptions = {
  metric: 'error-rate',
  tier: 'immediate',
  words: { form: 'failures', noun: 'requests', verb: 'failed' },
  baseline: 'chat@41, 09:00 to 09:59',
  nowMs: startMs + 60_000,
  staleMs: 15_000,
};

function fold(rows: [number, number][]): BernoulliState {
  let state = initialBernoulliState(params);
  rows.forEach(([trials, failures], index) => {
    state = stepBernoulli(state, params, { atMs: startMs + index * 1000, trials, failures });
  });
  return state;
}

const second = (failures: number): [number, number] => [20, failures];

test('an outage is a hard degradation with onset, limits and a sentence', () => {
  const state = fold([...Array.from({ length: 58 }, () => second(0)), second(20), second(20)]);
  const verdict = assessRateChart(state, params, options);
  expect(verdict).toMatchObject({ kind: 'degraded', hard: true, metric: 'error-rate', unit: 'ratio', samples: 40 });
  expect(verdict.onsetMs).toBe(startMs + 58_000);
  expect(verdict.sentence).toMatch(
    /^40 of 40 requests failed \(100 %\) since 09:59:58 UTC; its own history says 0.5 % \(limit [\d.]+ %\); a false alarm of this size comes at most once in 30 days$/,
  );
  expect(verdict.observed).toBeGreaterThan(verdict.ucl ?? 1);
  expect(verdict.statistic.value).toBeGreaterThan(verdict.statistic.threshold);
});

test('a partial degradation is not hard, and a metric may declare that it never is', () => {
  const partial = assessRateChart(fold(Array.from({ length: 60 }, () => second(2))), params, options);
  expect(partial).toMatchObject({ kind: 'degraded', hard: false });
  const outage = assessRateChart(fold([second(20), second(20)]), params, { ...options, hardRate: null });
  expect(outage).toMatchObject({ kind: 'degraded', hard: false });
});

test('a calm chart is ok with what it saw; too few observations are inconclusive; silence is unmeasured', () => {
  const calm = fold(Array.from({ length: 60 }, () => second(0)));
  expect(assessRateChart(calm, params, options)).toMatchObject({
    kind: 'ok',
    samples: 1200,
    sentence: '0 of 1200 requests failed (0 %); its own history says 0.5 %',
  });
  expect(assessRateChart(fold([[2, 1]]), params, { ...options, nowMs: startMs })).toMatchObject({
    kind: 'inconclusive',
    hard: false,
    sentence: '1 of 2 requests failed (50 %); that is too few to judge (20 needed)',
  });
  expect(assessRateChart(fold([]), params, options)).toMatchObject({ kind: 'unmeasured', observed: null });
  const silent = assessRateChart(calm, params, { ...options, nowMs: startMs + 59_000 + 120_000 });
  expect(silent).toMatchObject({ kind: 'unmeasured', sentence: 'error-rate: no requests for 2 min' });
});

test('evidence that was complete before the silence began still stands', () => {
  const state = fold([second(20), second(20)]);
  expect(assessRateChart(state, params, { ...options, nowMs: startMs + 3_600_000 }).kind).toBe('degraded');
});

test('without a usable history the answer is inconclusive, never ok', () => {
  const empty = bernoulliParams(
    { trials: 0, failures: 0, words: '' },
    { practicalMargin: 0.01, falseAlarmDays: 30, observationsPerSecond: 20 },
  );
  let state = initialBernoulliState(empty);
  for (let i = 0; i < 60; i += 1) {
    state = stepBernoulli(state, empty, { atMs: startMs + i * 1000, trials: 20, failures: 20 });
  }
  const verdict = assessRateChart(state, empty, options);
  expect(verdict).toMatchObject({ kind: 'inconclusive', ucl: null, lcl: null });
  expect(verdict.sentence).toContain('no usable history');
});

test('numbers that would not survive JSON become null', () => {
  const verdict = buildVerdict({
    kind: 'ok',
    tier: 'trend',
    metric: 'm',
    hard: true,
    unit: 'ms',
    observed: NaN,
    ucl: Infinity,
    statistic: { name: 's', value: NaN, threshold: 1, falseAlarmDays: null },
    sentence: '',
    baseline: '',
  });
  expect(verdict).toMatchObject({ observed: null, ucl: null, hard: false });
  expect(JSON.parse(JSON.stringify(verdict))).toEqual(verdict);
  expect(Object.keys(verdict)).not.toContain('classLabel');
});

test('numbers are written as people say them', () => {
  expect([0, 0.00523, 0.0712, 0.714, 1].map(percentText)).toEqual(['0 %', '0.52 %', '7.1 %', '71 %', '100 %']);
  expect([45_000, 720_000, 12_600_000, 181_440_000].map(durationText)).toEqual(['45 s', '12 min', '3.5 h', '2.1 days']);
  expect(clockText(Date.UTC(2026, 4, 1, 23, 59, 59, 999))).toBe('23:59:59 UTC');
  expect([1234.5, 0.01234, 30].map(numberText)).toEqual(['1235', '0.0123', '30']);
});
