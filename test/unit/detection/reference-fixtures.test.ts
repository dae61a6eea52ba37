import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { normalCdf, normalQuantile, normalSurvival } from '../../../domain/detection/normal-distribution';
import {
  chartAlarms,
  initialNormalChart,
  SHORT_WINDOW_DESIGN,
  stepNormalChart,
  TREND_DESIGN,
  type ChartDesign,
} from '../../../domain/detection/normal-chart';
import { wilsonInterval } from '../../../domain/detection/rate-limits';
import { mannKendall, scaledMad, theilSenSlope } from '../../../domain/detection/robust';

/** Outputs of scipy and of textbook charts; optional, because the file is not part of the repository. */
interface Fixtures {
  normal: { z: number[]; cdf: number[]; sf: number[]; ppf: Record<string, number> | [number, number][] };
  binom: Record<string, { wilson95: [number, number] }>;
  trend: { x: number[]; theilsen: number[]; kendall: number[] };
  two_sample: Record<string, { a: number[]; b: number[]; mad_normal: number }>;
  streams: Record<string, number[]>;
  charts_first_alarm: Record<string, Record<string, number | null>>;
}

const file = join(process.env['LASTGOOD_DATA'] ?? '', 'statistics', 'fixtures.json');
const present = process.env['LASTGOOD_DATA'] !== undefined && existsSync(file);
if (!present) {
  process.stdout.write('skipped: comparison with the reference fixtures (set LASTGOOD_DATA to their directory)\n');
}
const fixtures = present ? (JSON.parse(readFileSync(file, 'utf8')) as Fixtures) : null;
const off = (got: number, wanted: number): number => Math.abs(got - wanted) / Math.max(1e-300, Math.abs(wanted));

(present ? describe : describe.skip)('against the reference fixtures', () => {
  const data = fixtures as Fixtures;

  test('the normal distribution and its inverse agree to 1e-9', () => {
    data.normal.z.forEach((z, index) => {
      expect(off(normalCdf(z), data.normal.cdf[index] ?? NaN)).toBeLessThan(1e-9);
      expect(off(normalSurvival(z), data.normal.sf[index] ?? NaN)).toBeLessThan(1e-9);
    });
    const pairs = Array.isArray(data.normal.ppf) ? data.normal.ppf : Object.entries(data.normal.ppf);
    expect(pairs.length).toBeGreaterThan(0);
    for (const [p, wanted] of pairs) expect(Math.abs(normalQuantile(Number(p)) - wanted)).toBeLessThan(1e-9);
  });

  test('Wilson intervals agree to 1e-9', () => {
    for (const [name, { wilson95 }] of Object.entries(data.binom)) {
      const [failures, trials] = name.split('/').map(Number) as [number, number];
      expect(wilsonInterval(failures, trials).low).toBeCloseTo(wilson95[0], 9);
      expect(wilsonInterval(failures, trials).high).toBeCloseTo(wilson95[1], 9);
    }
  });

  test('slope and median absolute deviation agree to 1e-9', () => {
    const points = data.trend.x.map((y, x) => ({ x, y }));
    expect(off(theilSenSlope(points) ?? NaN, data.trend.theilsen[0] ?? NaN)).toBeLessThan(1e-9);
    expect(mannKendall(data.trend.x).pRising).toBeLessThan(0.001);
    for (const { a, mad_normal: wanted } of Object.values(data.two_sample)) {
      expect(off(scaledMad(a) ?? NaN, wanted)).toBeLessThan(1e-6);
    }
  });

  test('the first alarm of each chart on each stream is that of the two-sided reference', () => {
    for (const [name, stream] of Object.entries(data.streams)) {
      const wanted = data.charts_first_alarm[name] ?? {};
      expect({
        'cusum(.5,5)': firstAlarm(stream, SHORT_WINDOW_DESIGN, 'cusum'),
        'cusum(.25,8.01)': firstAlarm(stream, TREND_DESIGN, 'cusum'),
        'ewma(.1,2.814,asymptotic)': firstAlarm(stream, SHORT_WINDOW_DESIGN, 'ewma'),
      }).toEqual({
        'cusum(.5,5)': wanted['cusum(.5,5)'],
        'cusum(.25,8.01)': wanted['cusum(.25,8.01)'],
        'ewma(.1,2.814,asymptotic)': wanted['ewma(.1,2.814,asymptotic)'],
      });
    }
  });
});

function firstAlarm(stream: number[], design: ChartDesign, which: 'cusum' | 'ewma'): number | null {
  const found = [1, -1].map((sign) => {
    let state = initialNormalChart();
    for (const [index, value] of stream.entries()) {
      state = stepNormalChart(state, design, { atMs: index, value, score: sign * value });
      if (chartAlarms(state, design)[which]) return index;
    }
    return Infinity;
  });
  const first = Math.min(...found);
  return first === Infinity ? null : first;
}
