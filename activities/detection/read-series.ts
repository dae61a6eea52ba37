import type { OutsideMetrics, Telemetry } from '../ports';
import type { MetricSeries, SeriesPoint } from '../ports/metric-series';
import { seriesOfRows, seriesOfValues } from './metric-series';
import { quietly } from './surroundings';

const VALUES_MAX = 10_000;

/** From the rows of the live traffic; a metric that they do not tell of, from where its values come from outside. */
export function metricSeries(
  { telemetry, outside }: { readonly telemetry: Pick<Telemetry, 'window'>; readonly outside: OutsideMetrics },
  limits: { readonly timeoutMs: number },
): MetricSeries {
  const { timeoutMs } = limits;
  return {
    async read(service, metrics, fromMs, toMs) {
      const rows = (await quietly(timeoutMs, 'the rows', () => telemetry.window(service, fromMs, toMs))) ?? [];
      const seriesOf = async (metric: string): Promise<readonly [string, readonly SeriesPoint[]]> => {
        const counted = seriesOfRows(metric, rows, fromMs, toMs);
        if (counted.length > 0) return [metric, counted];
        const ask = (): ReturnType<OutsideMetrics['values']> =>
          outside.values(service, metric, fromMs, toMs, VALUES_MAX);
        return [metric, seriesOfValues((await quietly(timeoutMs, metric, ask)) ?? [], fromMs, toMs)];
      };
      return new Map(await Promise.all(metrics.map(seriesOf)));
    },
  };
}
