import {
  assessOutsideMetric,
  heldAtAnchor,
  outsideIsCalm,
  outsideReference,
  outsidePoints,
  type OutsidePoint,
} from '../../../domain/detection/outside-metric';
import { centerOf, recentred } from '../../../domain/detection/score-reference';
import type { Verdict } from '../../../domain/detection/types';
import type { OutsideMetric } from '../../../domain/policy';
import { mulberry32, normalDraws } from '../../support/mulberry32';
import { pushedScore } from '../../support/outside-metric';

const startMs = Date.UTC(2026, 4, 1, 12);
const minute = 60_000;

const score: OutsideMetric = { ...pushedScore, metric: 'groundedness' };

/** One point a minute around 80, ± 1, then `shift` away from it from `from` on. */
function series(count: number, shift = 0, from = 0, seed = 7): OutsidePoint[] {
  const draw = normalDraws(mulberry32(seed));
  return Array.from({ length: count }, (_, index) => ({
    atMs: startMs + index * minute,
    value: 80 + draw() + (index >= from ? shift : 0),
    samples: 1,
  }));
}

const history = outsideReference(series(300, 0, 0, 3), score.practicalMargin);

function verdictOn(points: OutsidePoint[], metric = score, reference: typeof history | null = history): Verdict {
  const nowMs = (points.at(-1)?.atMs ?? startMs) + minute;
  return assessOutsideMetric(metric, points, {
    reference,
    baseline: 'good hours',
    nowMs,
    values: points.length,
    falseAlarmDays: 30,
  });
}

describe('points of a metric from outside', () => {
  test('come in the order of time whatever the order of arrival, and the later word on one moment counts', () => {
    const values = [
      { atMs: 3, value: 30, n: null },
      { atMs: 1, value: 10, n: null },
      { atMs: 2, value: 20, n: null },
      { atMs: 2, value: 25, n: null },
    ];
    expect(outsidePoints(values, 1).map(({ value }) => value)).toEqual([10, 25, 30]);
  });

  test('are the mean weighted by samples, and what holds too few samples is no point yet', () => {
    const values = [
      { atMs: 1, value: 0, n: 30 },
      { atMs: 2, value: 1, n: 10 },
      { atMs: 3, value: 1, n: 39 },
    ];
    expect(outsidePoints(values, 40)).toEqual([{ atMs: 1, value: 0.25, samples: 40 }]);
  });

  test('leave out what is no number', () => {
    const values = [NaN, Infinity, 5].map((value, atMs) => ({ atMs, value, n: null }));
    expect(outsidePoints(values, 1).map(({ value }) => value)).toEqual([5]);
  });
});

describe('the verdict on a metric from outside', () => {
  test('is ok while it moves as it always did', () => {
    expect(verdictOn(series(20)).kind).toBe('ok');
  });

  test('is degraded after a lasting fall beyond the margin, with its onset and its limits', () => {
    const verdict = verdictOn(series(20, -4, 8));
    expect(verdict).toMatchObject({ kind: 'degraded', metric: 'groundedness', unit: 'points', baseline: 'good hours' });
    expect(Math.abs((verdict.onsetMs ?? 0) - (startMs + 8 * minute))).toBeLessThanOrEqual(3 * minute);
    expect(verdict.observed ?? 0).toBeLessThan(verdict.expected ?? 0);
    expect(verdict.sentence).toContain('groundedness is 7');
  });

  test('is not degraded by a rise, where only a fall is bad; both ways count where both are bad', () => {
    expect(verdictOn(series(20, 4, 8)).kind).toBe('ok');
    expect(verdictOn(series(20, 4, 8), { ...score, badDirection: 'both' }).kind).toBe('degraded');
    expect(verdictOn(series(20, -4, 8), { ...score, badDirection: 'both' }).kind).toBe('degraded');
  });

  test('is not degraded by a change below the margin, however certain', () => {
    const sure = outsideReference(
      series(300, 0, 0, 3).map((point) => ({ ...point, value: 80 + (point.value - 80) / 10 })),
      0.1,
    );
    const small = series(60, -1, 0).map((point) => ({ ...point, value: 79 + (point.value - 79) / 10 }));
    expect(verdictOn(small, score, sure).kind).not.toBe('degraded');
    expect(verdictOn(small, { ...score, practicalMargin: 0.5 }, sure).kind).toBe('degraded');
  });

  test('is unmeasured without a value and where the source cannot be asked, undecided without history or samples', () => {
    const about = { reference: history, baseline: 'good hours', nowMs: startMs, falseAlarmDays: 30 };
    expect(assessOutsideMetric(score, [], { ...about, values: 0 }).kind).toBe('unmeasured');
    expect(assessOutsideMetric(score, [], { ...about, values: null }).sentence).toContain('cannot be asked');
    expect(assessOutsideMetric(score, [], { ...about, values: 3 }).kind).toBe('inconclusive');
    expect(verdictOn(series(20, -4), score, null).kind).toBe('inconclusive');
    expect(verdictOn(series(20, -4), score, outsideReference(series(10), 2)).kind).toBe('inconclusive');
  });

  test('is unmeasured after a jump by a thousand: that is another unit', () => {
    const bytes: OutsideMetric = { ...score, kind: 'memory', badDirection: 'up', unit: 'MB' };
    const scaled = series(20).map((point) => ({ ...point, value: point.value * 1_000 }));
    const verdict = verdictOn(scaled, bytes);
    expect(verdict).toMatchObject({ kind: 'unmeasured', onsetMs: null });
    expect(verdict.sentence).toContain('as if the unit had changed');
    const tenfold = series(20).map((point) => ({ ...point, value: point.value * 10 }));
    expect(verdictOn(tenfold, bytes).kind).toBe('degraded');
  });

  test('is unmeasured after a jump by a million: bytes for megabytes', () => {
    const bytes: OutsideMetric = { ...score, kind: 'memory', badDirection: 'up', unit: 'MB' };
    const scaled = series(20).map((point) => ({ ...point, value: point.value * 1e6 }));
    expect(verdictOn(scaled, bytes).kind).toBe('unmeasured');
  });

  test.each(['rate', 'distribution'] as const)('is degraded by a thousandfold %s: it has no other unit', (kind) => {
    const metric: OutsideMetric = { ...score, kind, badDirection: 'up', unit: 'ratio', practicalMargin: 0.01 };
    const small = (points: OutsidePoint[]): OutsidePoint[] =>
      points.map((point) => ({ ...point, value: point.value / 100_000 }));
    const lost = small(series(20)).map((point) => ({ ...point, value: point.value * 1_000 }));
    expect(verdictOn(lost, metric, outsideReference(small(series(300, 0, 0, 3)), 0.0001)).kind).toBe('degraded');
  });

  test('does not begin for a burst that is over', () => {
    const burst = series(20).map((point, index) => (index < 8 ? { ...point, value: 60 } : point));
    expect(outsideIsCalm(score, burst, history)).toBe(true);
    expect(verdictOn(burst).kind).not.toBe('degraded');
  });

  test('does not come from a metric that never moved and moves by a third of its margin', () => {
    const still = outsideReference(
      series(300).map((point) => ({ ...point, value: 80 })),
      2,
    );
    const moved = series(20).map((point) => ({ ...point, value: 79.4 }));
    expect(verdictOn(moved, score, still).kind).not.toBe('degraded');
  });
});

test('a recomputed centre stays within the margin of its anchor on the harmful side only', () => {
  const at = (center: number): number => centerOf(heldAtAnchor(recentred(history, center), score, 80));
  expect([at(70), at(79), at(90)]).toEqual([78, 79, 90]);
});

test('false alarms on quiet series stay rare', () => {
  let alarms = 0;
  for (let seed = 100; seed < 400; seed += 1) if (verdictOn(series(20, 0, 0, seed)).kind === 'degraded') alarms += 1;
  // 300 windows of 20 points: the sustained rule and the margin of two spreads together.
  expect(alarms).toBeLessThanOrEqual(1);
});
