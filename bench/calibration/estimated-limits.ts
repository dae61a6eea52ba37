import { scoreReference } from '../../domain/detection/score-reference';
import {
  initialValueChart,
  stepValueChart,
  valueChartEvidence,
  valueChartParams,
  type ValueChartParams,
} from '../../domain/detection/value-chart';
import { PROCESSES } from './processes';
import { sfc32 } from './random';

/** Far below every spread of the processes: the floor must not help. */
const SPREAD_FLOOR = 1e-6;

/**
 * Points until the shipped two-sided value chart says degraded (practical margin 0), with limits from the `history` values
 * before them; `most` when it did not by then. One entry a run; each run has a history of its own.
 */
export function verdictDelays(
  process: keyof typeof PROCESSES,
  history: number,
  shift: number,
  { runs, most, seed }: { runs: number; most: number; seed: number },
): number[] {
  const uniform = sfc32(seed);
  return Array.from({ length: runs }, () => {
    const next = PROCESSES[process](uniform);
    const reference = scoreReference(Array.from({ length: history }, next), SPREAD_FLOOR);
    const params = valueChartParams(reference, 'both');
    return verdictDelay(params, () => next() + shift, most);
  });
}

function verdictDelay(params: ValueChartParams, next: () => number, most: number): number {
  let state = initialValueChart(params);
  for (let point = 1; point < most; point += 1) {
    state = stepValueChart(state, params, { atMs: point * 60_000, value: next() });
    if (valueChartEvidence(state, params).sustained) return point;
  }
  return most;
}
