import {
  chartAlarms,
  initialNormalChart,
  SHORT_WINDOW_DESIGN,
  stepNormalChart,
  TREND_DESIGN,
  type ChartDesign,
} from '../../domain/detection/normal-chart';
import { initialSustained, isSustained, stepSustained } from '../../domain/detection/sustained';
import { normal, sfc32 } from './random';

export const SHIFTS = [0, 0.5, 1, 2, 3] as const;

/** A two-sided chart of N(0,1) points: given a point, whether it alarms. */
type Chart = () => (value: number) => boolean;

export interface TabulatedChart {
  readonly name: string;
  readonly chart: Chart;
  /** Average run lengths at `SHIFTS`, by integral equations (Montgomery; Lucas & Saccucci 1990; Champ & Woodall 1987). */
  readonly table: readonly number[];
}

export const TABULATED: readonly TabulatedChart[] = [
  { name: 'Shewhart 3', chart: shewhart(3), table: [370.4, 155.22, 43.89, 6.3, 2.0] },
  { name: 'CUSUM .5/5', chart: shipped(SHORT_WINDOW_DESIGN, 'cusum'), table: [465.44, 38.0, 10.38, 4.01, 2.57] },
  { name: 'EWMA .1/2.814', chart: shipped(SHORT_WINDOW_DESIGN, 'ewma'), table: [499.58, 31.3, 10.33, 4.36, 2.87] },
  { name: 'CUSUM .25/8.01', chart: shipped(TREND_DESIGN, 'cusum'), table: [370.33, 28.8, 11.41, 5.22, 3.48] },
  { name: 'EWMA .05/2.615', chart: shipped(TREND_DESIGN, 'ewma'), table: [499.93, 28.76, 11.38, 5.22, 3.5] },
];

/** The product's chart of scores, one for each side. */
function shipped(design: ChartDesign, which: 'ewma' | 'cusum'): Chart {
  return () => {
    let up = initialNormalChart();
    let down = initialNormalChart();
    return (value) => {
      up = stepNormalChart(up, design, { atMs: 0, value, score: value });
      down = stepNormalChart(down, design, { atMs: 0, value, score: -value });
      return chartAlarms(up, design)[which] || chartAlarms(down, design)[which];
    };
  };
}

/** The product's rule of sustained points, with one of one. */
function shewhart(sigmas: number): Chart {
  const rule = { needed: 1, window: 1, sigmas };
  return () => (value) => isSustained(stepSustained(initialSustained(), rule, Math.abs(value)), rule);
}

export interface Cell {
  readonly chart: string;
  readonly shift: number;
  readonly expected: number;
  readonly mean: number;
  readonly standardError: number;
  readonly seed: number;
}

/** Zero-state average run length of one chart at one shift. */
export function runLengthCell(tabulated: TabulatedChart, shiftIndex: number, runs: number, seed: number): Cell {
  const shift = SHIFTS[shiftIndex] ?? NaN;
  let sum = 0;
  let squares = 0;
  const draw = normal(sfc32(seed));
  for (let run = 0; run < runs; run += 1) {
    const alarms = tabulated.chart();
    let length = 1;
    while (!alarms(draw() + shift)) length += 1;
    sum += length;
    squares += length * length;
  }
  const mean = sum / runs;
  const standardError = Math.sqrt((squares / runs - mean * mean) / runs);
  return { chart: tabulated.name, shift, expected: tabulated.table[shiftIndex] ?? NaN, mean, standardError, seed };
}
