import { bound } from '../../../domain/detection/bernoulli-bound';
import {
  bernoulliEvidence,
  bernoulliParams,
  initialBernoulliState,
  stepBernoulli,
  type BernoulliParams,
} from '../../../domain/detection/bernoulli-e-detector';
import { mulberry32 } from '../../support/mulberry32';

const SEED = 20_231;
const perSecond = { low: 8, high: 20 };

/** Observations until the alarm, in rows of `perRow`; `most` when there was none. */
function runLength(
  params: BernoulliParams,
  rateAt: (n: number) => number,
  uniform: () => number,
  perRow: number,
  most: number,
): number {
  let state = initialBernoulliState(params);
  for (let n = 0; n < most; n += perRow) {
    let failures = 0;
    for (let i = 0; i < perRow; i += 1) if (uniform() < rateAt(n + i)) failures += 1;
    state = stepBernoulli(state, params, { atMs: n * 100, trials: perRow, failures });
    if (bernoulliEvidence(state, params).alarm) return n + perRow;
  }
  return most;
}

const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

test.each([
  ['one by one', 1, 0.02],
  ['in rows of twenty', 20, 0.02],
  ['one by one at a frequent failure', 1, 0.2],
])('in control, %s, the mean run length is at least the promised one', (_, perRow, rate) => {
  const target = 2_000;
  // So long a history that its upper limit is the rate itself: the null hypothesis at its very edge.
  const history = { trials: 1e9, failures: rate * 1e9, words: '' };
  const params = bernoulliParams(history, {
    practicalMargin: 0.02,
    falseAlarmDays: target / 86_400,
    observationsPerSecond: 1,
    minFailures: 1,
  });
  expect(Math.exp(params.thresholdNats)).toBeCloseTo(target, 6);
  const uniform = mulberry32(SEED);
  // Runs are cut at 5,000, which can only lower the mean.
  const lengths = Array.from({ length: 120 }, () => runLength(params, () => rate, uniform, perRow, 5_000));
  process.stdout.write(`in-control mean run length ${Math.round(mean(lengths))} (target ${target}, seed ${SEED})\n`);
  expect(mean(lengths)).toBeGreaterThanOrEqual(target);
});

test.each([
  ['7 % to 22 % at 8 a second', 0.07, 0.22, perSecond.low, 1, 5_000, 0.03, 1.5],
  ['7 % to 22 % at 8 a second, 360 answers of history', 0.07, 0.22, perSecond.low, 8, 360, 0.03, 2],
  ['.5 % to 5 % at 20 a second', 0.005, 0.05, perSecond.high, 20, 5_000, 0.01, 2],
])('the mean delay for %s stays near the bound', (_, from, to, rate, perRow, historyTrials, margin, limit) => {
  const failures = Math.round(historyTrials * from);
  const params = bernoulliParams(
    { trials: historyTrials, failures, words: '' },
    { practicalMargin: margin, falseAlarmDays: 30, observationsPerSecond: rate },
  );
  const uniform = mulberry32(SEED);
  const quiet = 200;
  const delays: number[] = [];
  for (let run = 0; run < 200; run += 1) {
    const length = runLength(params, (n) => (n < quiet ? from : to), uniform, perRow, 20_000);
    expect(length).toBeGreaterThan(quiet);
    delays.push(length - quiet);
  }
  delays.sort((left, right) => left - right);
  const reference = bound(from, to, 30 * 86_400 * rate);
  process.stdout.write(
    `delay ${mean(delays).toFixed(0)} (p50 ${delays[100]}, p95 ${delays[190]}) against ${reference.toFixed(0)}: ` +
      `ratio ${(mean(delays) / reference).toFixed(2)}, seed ${SEED}\n`,
  );
  expect(mean(delays) / reference).toBeLessThanOrEqual(limit);
});

test('the interval of the onset holds the true onset in at least 85 of 100 detections', () => {
  const params = bernoulliParams(
    { trials: 5_000, failures: 350, words: '' },
    { practicalMargin: 0.03, falseAlarmDays: 30, observationsPerSecond: 8 },
  );
  const uniform = mulberry32(SEED);
  let held = 0;
  const runs = 200;
  for (let run = 0; run < runs; run += 1) {
    let state = initialBernoulliState(params);
    for (let n = 0; ; n += 1) {
      const failures = uniform() < (n < 300 ? 0.07 : 0.22) ? 1 : 0;
      state = stepBernoulli(state, params, { atMs: n * 125, trials: 1, failures });
      const evidence = bernoulliEvidence(state, params);
      if (!evidence.alarm) continue;
      if ((evidence.onsetLowMs ?? Infinity) <= 300 * 125 && (evidence.onsetHighMs ?? 0) >= 299 * 125) held += 1;
      break;
    }
  }
  process.stdout.write(`onset interval held ${held} of ${runs}\n`);
  expect(held).toBeGreaterThanOrEqual(0.85 * runs);
});

test('a step with its evidence costs well below the budget of 20 µs', () => {
  const params = bernoulliParams(
    { trials: 5_000, failures: 25, words: '' },
    { practicalMargin: 0.01, falseAlarmDays: 30, observationsPerSecond: 20 },
  );
  let state = initialBernoulliState(params);
  const steps = 50_000;
  let alarms = 0;
  const rounds: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    // CPU time: the machine may be busy with other things.
    const begin = process.cpuUsage();
    for (let i = 0; i < steps / 5; i += 1) {
      state = stepBernoulli(state, params, { atMs: i * 1000, trials: 20, failures: i % 10 === 0 ? 1 : 0 });
      if (bernoulliEvidence(state, params).alarm) alarms += 1;
    }
    rounds.push(process.cpuUsage(begin).user / (steps / 5));
  }
  const micros = Math.min(...rounds);
  process.stdout.write(`step and evidence: ${micros.toFixed(2)} µs\n`);
  expect(alarms).toBe(0);
  expect(micros).toBeLessThan(20);
});
