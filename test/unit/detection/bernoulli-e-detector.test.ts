import fc from 'fast-check';
import { bernoulliKl, bound, breakEvenRate } from '../../../domain/detection/bernoulli-bound';
import {
  alarmRate,
  bernoulliEvidence,
  bernoulliParams,
  initialBernoulliState,
  stepBernoulli,
  type BernoulliParams,
  type BernoulliState,
} from '../../../domain/detection/bernoulli-e-detector';
import { mulberry32 } from '../../support/mulberry32';
import { holds } from './property-run';

const baseline = { trials: 5_000, failures: 25, words: 'version 1.2, the last hour' };
const params = bernoulliParams(baseline, { practicalMargin: 0.01, falseAlarmDays: 30, observationsPerSecond: 20 });

function fold(rows: readonly (readonly [trials: number, failures: number])[], using = params): BernoulliState {
  let state = initialBernoulliState(using);
  rows.forEach(([trials, failures], index) => {
    state = stepBernoulli(state, using, { atMs: 1_000_000 + index * 1000, trials, failures });
  });
  return state;
}

const natsOf = (state: BernoulliState, using: BernoulliParams = params): number => bernoulliEvidence(state, using).nats;

describe('the parameters of a rate detector', () => {
  test('start from an upper limit of the history and break even at that limit plus the practical margin', () => {
    expect(params.p0).toBeGreaterThan(0.005);
    expect(params.p0).toBeLessThan(0.007);
    const smallest = params.alternatives[0]?.rate ?? 0;
    expect(breakEvenRate(params.p0, smallest)).toBeCloseTo(params.p0 + 0.01, 9);
    expect(params.thresholdNats).toBeCloseTo(Math.log(30 * 86_400 * 20), 9);
  });

  test.each([
    ['no history', { trials: 0, failures: 0, words: '' }],
    ['a history of one wrong answer', { trials: 1, failures: 1, words: '' }],
    ['a history that always failed', { trials: 500, failures: 500, words: '' }],
  ])('are unusable with %s, and such a chart never alarms', (_, bad) => {
    const unusable = bernoulliParams(bad, { practicalMargin: 0.05, falseAlarmDays: 30, observationsPerSecond: 20 });
    expect(unusable.usable).toBe(false);
    const state = fold([[1000, 1000]], unusable);
    expect(bernoulliEvidence(state, unusable).alarm).toBe(false);
    expect(alarmRate(unusable, 1000)).toBeNull();
    expect(JSON.parse(JSON.stringify(unusable))).toEqual(unusable);
  });

  test('agree with the published bound for .5 % to 5 % at 20 requests a second', () => {
    expect(bernoulliKl(0.05, 0.005)).toBeCloseTo(0.0712, 3);
    expect(bound(0.005, 0.05, 30 * 86_400 * 20)).toBeCloseTo(249.6, 0);
  });
});

describe('the evidence of a rate detector', () => {
  test('alarms within six failures when everything fails', () => {
    let state = fold(Array.from({ length: 100 }, () => [1, 0] as const));
    let failures = 0;
    while (!bernoulliEvidence(state, params).alarm && failures < 50) {
      failures += 1;
      state = stepBernoulli(state, params, { atMs: 2_000_000 + failures * 50, trials: 1, failures: 1 });
    }
    expect(failures).toBeGreaterThanOrEqual(params.minFailures);
    expect(failures).toBeLessThanOrEqual(6);
  });

  test('does not alarm on two requests with one error, nor on three errors out of three', () => {
    expect(bernoulliEvidence(fold([[2, 1]]), params).alarm).toBe(false);
    const sure = { ...params, thresholdNats: 1 };
    expect(bernoulliEvidence(fold([[3, 3]], sure), sure).alarm).toBe(false);
    expect(bernoulliEvidence(fold([[4, 4]], sure), sure).alarm).toBe(true);
  });

  test('names the begin of a burst as onset, inside its interval', () => {
    const quiet = Array.from({ length: 60 }, (_, index) => [20, index % 10 === 5 ? 1 : 0] as const);
    const loud = Array.from({ length: 4 }, () => [20, 8] as const);
    const evidence = bernoulliEvidence(fold([...quiet, ...loud]), params);
    const trueOnsetMs = 1_000_000 + 60_000;
    expect(evidence.alarm).toBe(true);
    expect(Math.abs((evidence.onsetMs ?? 0) - trueOnsetMs)).toBeLessThanOrEqual(1000);
    expect(evidence.onsetLowMs).toBeLessThanOrEqual(trueOnsetMs);
    expect(evidence.onsetHighMs).toBeGreaterThanOrEqual(trueOnsetMs);
    expect(evidence.failuresSinceOnset / evidence.trialsSinceOnset).toBeCloseTo(0.4, 1);
  });

  test('forgets a short burst that ended', () => {
    const burst = fold([[20, 3], ...Array.from({ length: 200 }, () => [20, 0] as const)]);
    const calm = fold(Array.from({ length: 201 }, () => [20, 0] as const));
    expect(natsOf(burst) - natsOf(calm)).toBeLessThan(0.1);
  });

  test('shows as limit the rate from which a fresh chart alarms', () => {
    const trials = 400;
    const limit = alarmRate(params, trials) ?? NaN;
    const beyond = Math.ceil(limit * trials);
    expect(bernoulliEvidence(fold([[trials, beyond]]), params).alarm).toBe(true);
    expect(bernoulliEvidence(fold([[trials, beyond - 1]]), params).alarm).toBe(false);
    expect(alarmRate(params, 3)).toBeNull();
  });

  test('puts a row that comes late at the newest time instead of a negative age', () => {
    const first = stepBernoulli(initialBernoulliState(params), params, { atMs: 10_000, trials: 5, failures: 5 });
    const late = stepBernoulli(first, params, { atMs: 4_000, trials: 5, failures: 5 });
    expect(late.atMs).toBe(10_000);
    expect(bernoulliEvidence(late, params).onsetMs).toBeLessThanOrEqual(10_000);
    expect(late.grid.every(([, age]) => age >= 0)).toBe(true);
  });
});

describe('properties of the rate detector', () => {
  const row = fc
    .integer({ min: 1, max: 40 })
    .chain((trials) => fc.tuple(fc.constant(trials), fc.integer({ min: 0, max: trials })));

  test('a row of one observation is a step of the textbook recursion', () => {
    holds(
      'textbook recursion',
      fc.property(fc.array(fc.boolean(), { maxLength: 60 }), (outcomes) => {
        const state = fold(outcomes.map((failed) => [1, failed ? 1 : 0] as const));
        params.alternatives.forEach(({ rate }, index) => {
          let r = 0;
          for (const failed of outcomes) r = (1 + r) * (failed ? rate / params.p0 : (1 - rate) / (1 - params.p0));
          const got = state.grid[index]?.[0] ?? NaN;
          if (outcomes.length > 0) expect(got).toBeCloseTo(Math.max(-99, Math.log(r)), 1);
        });
      }),
    );
  });

  test('a row of n is close to n single steps: never above their best order, below it by at most ln(n + 1)', () => {
    holds(
      'batch against single steps',
      fc.property(fc.integer({ min: 4, max: 40 }), fc.integer({ min: 1, max: 40 }), (trials, wanted) => {
        const failures = Math.min(wanted, trials);
        const history = [[200, 30]] as const;
        const batch = natsOf(fold([...history, [trials, failures]]));
        const successes = Array.from({ length: trials - failures }, () => [1, 0] as const);
        const fails = Array.from({ length: failures }, () => [1, 1] as const);
        const failuresLast = natsOf(fold([...history, ...successes, ...fails]));
        const failuresFirst = natsOf(fold([...history, ...fails, ...successes]));
        expect(batch).toBeLessThanOrEqual(failuresLast + Math.log(trials + 1) + 0.01);
        expect(batch).toBeGreaterThanOrEqual(failuresFirst - 0.01);
      }),
    );
  });

  test('the order of the outcomes inside a row cannot matter, and unreadable rows change only their counter', () => {
    const unreadable = fc.constantFrom(
      { trials: NaN, failures: 0 },
      { trials: 10, failures: NaN },
      { trials: null, failures: null },
      { trials: 0, failures: 0 },
      { trials: 5, failures: 6 },
      { trials: -1, failures: 0 },
      { trials: Infinity, failures: 1 },
    );
    holds(
      'unmeasured is neutral',
      fc.property(fc.array(fc.oneof(row, unreadable), { maxLength: 40 }), (mixed) => {
        let all = initialBernoulliState(params);
        let readable = initialBernoulliState(params);
        mixed.forEach((one, index) => {
          const atMs = 5_000 + index * 1000;
          if (Array.isArray(one)) {
            const counts = { atMs, trials: one[0], failures: one[1] };
            all = stepBernoulli(all, params, counts);
            readable = stepBernoulli(readable, params, counts);
          } else all = stepBernoulli(all, params, { atMs, ...one });
        });
        expect({ ...all, unmeasured: 0 }).toEqual(readable);
        expect(all.unmeasured).toBe(mixed.filter((one) => !Array.isArray(one)).length);
      }),
    );
  });

  test('the state survives JSON unchanged and stays small, however long and wild the stream', () => {
    let largest = 0;
    holds(
      'state size',
      fc.property(fc.array(row, { maxLength: 300 }), fc.integer({ min: 0, max: 5 }), (rows, calm) => {
        const state = fold([...rows, ...Array.from({ length: calm }, () => [4000, 3] as const)]);
        const text = JSON.stringify(state);
        largest = Math.max(largest, text.length);
        expect(JSON.parse(text)).toEqual(state);
        expect(text.length).toBeLessThanOrEqual(320);
      }),
    );
    process.stdout.write(`largest state seen: ${largest} bytes\n`);
  });

  test('there is no alarm while the observed rate stays below the limit of the history plus half the margin', () => {
    holds(
      'no alarm below the margin',
      fc.property(fc.integer({ min: 1, max: 25 }), fc.integer({ min: 0, max: 1 << 30 }), (perRow, seed) => {
        const ceiling = params.p0 + params.practicalMargin / 2;
        const uniform = mulberry32(seed);
        let state = initialBernoulliState(params);
        let trials = 0;
        let failures = 0;
        for (let index = 0; index < 400; index += 1) {
          trials += perRow;
          // Random gaps, yet never more failures than the ceiling allows up to now.
          const room = Math.floor(trials * ceiling) - failures;
          const now = room > 0 && uniform() < 0.7 ? Math.min(room, perRow) : 0;
          failures += now;
          state = stepBernoulli(state, params, { atMs: index * 1000, trials: perRow, failures: now });
          expect(bernoulliEvidence(state, params).alarm).toBe(false);
        }
      }),
      60,
    );
  });
});
