import type { ChartStates } from './activities';

/** What timing two copies side by side found; the one chart that outlives a version, for what is usual is the service's. */
export const TIMED = '#timed';

/** Of the short window's charts, what the next version begins with. */
export function chartsOfNextVersion(charts: ChartStates): ChartStates {
  return charts[TIMED] === undefined ? {} : { [TIMED]: charts[TIMED] };
}
