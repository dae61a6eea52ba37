import {
  chartAlarms,
  initialNormalChart,
  SHORT_WINDOW_DESIGN,
  stepNormalChart,
  TREND_DESIGN,
  type ChartDesign,
  type NormalChartState,
} from '../../domain/detection/normal-chart';

type Alarm = (state: NormalChartState) => boolean;

/** Index of a two-sided chart's first alarm on a stream, null for none. */
export const FIRST_ALARMS: Readonly<Record<string, (stream: readonly number[]) => number | null>> = {
  'cusum(.5,5)': shipped(SHORT_WINDOW_DESIGN, 'cusum'),
  'cusum(.25,8.01)': shipped(TREND_DESIGN, 'cusum'),
  'ewma(.1,2.814,asymptotic)': shipped(SHORT_WINDOW_DESIGN, 'ewma'),
  'ewma(.1,2.814,exact var)': (stream) => firstAlarm(stream, SHORT_WINDOW_DESIGN, beyondExactLimit),
};

function shipped(design: ChartDesign, which: 'ewma' | 'cusum'): (stream: readonly number[]) => number | null {
  return (stream) => firstAlarm(stream, design, (state) => chartAlarms(state, design)[which]);
}

/** The limit for the variance after so many points, which begins narrower. */
function beyondExactLimit({ ewma, points }: NormalChartState): boolean {
  const { ewmaLambda, ewmaL } = SHORT_WINDOW_DESIGN;
  const variance = (ewmaLambda / (2 - ewmaLambda)) * (1 - (1 - ewmaLambda) ** (2 * points));
  return ewma > ewmaL * Math.sqrt(variance);
}

function firstAlarm(stream: readonly number[], design: ChartDesign, alarms: Alarm): number | null {
  const sides = [1, -1].map((sign) => {
    let state = initialNormalChart();
    return stream.findIndex((value, atMs) => {
      state = stepNormalChart(state, design, { atMs, value, score: sign * value });
      return alarms(state);
    });
  });
  const found = sides.filter((index) => index >= 0);
  return found.length === 0 ? null : Math.min(...found);
}
