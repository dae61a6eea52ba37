import { robustZ } from '../../../bench/peers/robust-z';
import { windowedGaussian } from '../../../bench/peers/windowed-gaussian';
import { countEvents, eventQuality, eventsOf } from '../../../bench/series/event-scoring';
import {
  NAB_PROFILES,
  normalisedScore,
  positionScore,
  probationLength,
  scoreFile,
  type NabWindow,
} from '../../../bench/series/nab-scoring';
import { parseRecording } from '../../../bench/series/recordings';
import { leaveOneOut } from '../../../bench/series/replay';
import { median, scaledMad } from '../../../domain/detection/robust';
import { mulberry32, normalDraws } from '../../support/mulberry32';

const draw = normalDraws(mulberry32(5));
const { standard, low_fp: lowFp, low_fn: lowFn } = NAB_PROFILES;
const WINDOWS: NabWindow[] = [
  [400, 499],
  [800, 899],
];

describe("NAB's scoring", () => {
  test('the sigmoid has its published values', () => {
    expect(positionScore(-1)).toBeCloseTo(0.98661, 5);
    expect(positionScore(0)).toBe(0);
    expect(positionScore(3)).toBeCloseTo(-1, 5);
    expect(positionScore(3.01)).toBe(-1);
  });

  test('raising nothing is 0, and the first record of every window alone is 100', () => {
    for (const profile of [standard, lowFp, lowFn]) {
      expect(normalisedScore([scoreFile([], 1000, WINDOWS, profile)])).toBeCloseTo(0, 9);
      expect(normalisedScore([scoreFile([400, 800], 1000, WINDOWS, profile)])).toBeCloseTo(100, 9);
    }
  });

  test('of a window only the best record counts, and every record outside of one', () => {
    const once = scoreFile([410, 800], 1000, WINDOWS, standard);
    expect(scoreFile([410, 450, 499, 800], 1000, WINDOWS, standard)).toEqual(once);
    expect(once.score).toBeCloseTo(positionScore(-0.9) / positionScore(-1) + 1, 9);
    const early = scoreFile([200, 201, 800], 1000, WINDOWS, standard);
    expect(early).toMatchObject({ falsePositives: 2, windowsHit: 1 });
    expect(early.score).toBeCloseTo(-1 - 2 * 0.11 + 1, 9);
  });

  test('a record soon after a window costs less than one far from it, by its distance in widths', () => {
    const after = (index: number): number => scoreFile([400, 800, index], 1000, WINDOWS, lowFp).score - 2;
    expect(after(504)).toBeCloseTo(0.22 * positionScore(5 / 99), 9);
    expect(after(799)).toBeCloseTo(-0.22, 6);
  });

  test('probation is not judged; a window inside of it can only be lost from the perfect score', () => {
    expect(probationLength(1000)).toBe(150);
    expect(probationLength(15_000)).toBe(750);
    const hidden = scoreFile([20, 60, 140], 1000, [[50, 90]], standard);
    expect(hidden).toMatchObject({ perfectScore: 1, falsePositives: 0, windowsHit: 0 });
    expect(hidden.score - hidden.nullScore).toBe(0);
    const reaching = scoreFile([100], 1000, [[100, 199]], lowFn);
    expect(reaching).toMatchObject({ score: -2, nullScore: -2 });
  });
});

describe('events', () => {
  const labels = (...marked: number[]): boolean[] => Array.from({ length: 400 }, (_, index) => marked.includes(index));

  test('runs with at most ten samples between their ends are one event', () => {
    expect(eventsOf(labels(100, 101, 111, 122))).toEqual([
      [100, 111],
      [122, 122],
    ]);
  });

  test('an alarm hits up to ten samples after the end; false alarms within ten of the one before are one', () => {
    const marked = labels(100, 101, 102, 300);
    expect(countEvents([112, 200, 205, 215, 226, 311], marked)).toEqual({
      events: 2,
      hits: 1,
      falseAlarms: 3,
      delays: [12],
    });
    expect(countEvents([310], marked)).toMatchObject({ hits: 1, falseAlarms: 0, delays: [10] });
  });

  test('probation is not judged, and an event that lasts longer than it counts', () => {
    const marked = labels(20, 55, 56, 57, 58, 59, 60, 61);
    expect(countEvents([20, 30, 59], marked)).toEqual({ events: 1, hits: 0, falseAlarms: 0, delays: [] });
    expect(countEvents([61], marked)).toMatchObject({ events: 1, hits: 1, delays: [1] });
  });

  test('quality is over all series together, and 0 where nothing was raised', () => {
    const counts = [countEvents([100], labels(100)), countEvents([250], labels(300, 350))];
    expect(eventQuality(counts)).toEqual({ precision: 0.5, recall: 1 / 3, f1: 0.4 });
    expect(eventQuality([countEvents([], labels(100))]).f1).toBe(0);
  });
});

test('a recording is read with quotes, zones and gaps; rows without a time are left out', () => {
  const text =
    '"TimeStamp","Value","Label"\r\n"2018-04-25T00:00:00Z","6034.7","0"\n2018-04-25 00:01:00,,1\nnoise,1,1\n2018-04-25 00:02:00,NaN,1.0\n';
  const { times, values, labels } = parseRecording(text);
  expect(times).toEqual([0, 60_000, 120_000].map((ms) => Date.parse('2018-04-25T00:00:00Z') + ms));
  expect(values).toEqual([6034.7, NaN, NaN]);
  expect(labels).toEqual([false, true, true]);
});

test('a threshold chosen without a file is chosen without it', () => {
  const sweep = Array.from({ length: 20 }, (_, at) => [at === 5 ? 100 : 0, -Math.abs(at - 10), -Math.abs(at - 10)]);
  const quality = (of: readonly number[]): number => of.reduce((sum, each) => sum + each, 0);
  expect(leaveOneOut(sweep, quality)[0]).toBe(0);
});

describe('peers', () => {
  test('the robust z is the distance from median and MAD of the past', () => {
    const values = Array.from({ length: 300 }, () => 10 + draw());
    const scores = robustZ(values);
    for (const at of [11, 50, 120, 299]) {
      const past = values.slice(0, at);
      const expected = Math.abs((values[at] ?? NaN) - (median(past) ?? NaN)) / (scaledMad(past) ?? NaN);
      expect(Math.abs((scores[at] ?? NaN) / expected - 1)).toBeLessThan(0.05);
    }
  });

  test('the windowed Gaussian knows the past alone, and moves in steps of a hundred once its window is full', () => {
    const values = Array.from({ length: 6600 }, () => draw());
    const scores = windowedGaussian(values);
    expect(scores[0]).toBe(0);
    const moments = (past: number[]): [number, number] => {
      const mean = past.reduce((sum, value) => sum + value, 0) / past.length;
      return [mean, Math.sqrt(past.reduce((sum, value) => sum + (value - mean) ** 2, 0) / past.length)];
    };
    for (const [at, begin, end] of [
      [500, 0, 500],
      [6499, 0, 6400],
      [6500, 100, 6500],
      [6599, 100, 6500],
    ] as const) {
      const [mean, sigma] = moments(values.slice(begin, end));
      expect(scores[at]).toBeCloseTo(Math.abs((values[at] ?? NaN) - mean) / sigma, 6);
    }
  });
});
