import {
  bernoulliEvidence,
  bernoulliParams,
  initialBernoulliState,
  stepBernoulli,
} from '../../domain/detection/bernoulli-e-detector';
import { assessMemory, initialMemory, stepMemory } from '../../domain/detection/memory-leak';
import { scoreReference } from '../../domain/detection/score-reference';
import {
  initialValueChart,
  stepValueChart,
  valueChartEvidence,
  valueChartParams,
} from '../../domain/detection/value-chart';
import { normal, sfc32 } from '../calibration/random';

/** One kind of shipped chart; `run` folds so many points, asks for the evidence after each, and gives the last state. */
export interface ChartKind {
  readonly name: string;
  readonly run: (points: number, seed: number) => unknown;
}

const MIB = 1_048_576;

export const CHART_KINDS: readonly ChartKind[] = [
  {
    name: 'value',
    run: (points, seed) => {
      const draw = normal(sfc32(seed));
      const params = valueChartParams(scoreReference(Array.from({ length: 300 }, draw), 0.01), 'both');
      let state = initialValueChart(params);
      for (let point = 0; point < points; point += 1) {
        state = stepValueChart(state, params, { atMs: 1.75e12 + point * 10_000, value: draw() });
        valueChartEvidence(state, params);
      }
      return state;
    },
  },
  {
    name: 'rate',
    run: (points, seed) => {
      const uniform = sfc32(seed);
      const params = bernoulliParams(
        { trials: 5_000, failures: 25, words: '' },
        { practicalMargin: 0.01, falseAlarmDays: 30, observationsPerSecond: 20 },
      );
      let state = initialBernoulliState(params);
      for (let point = 0; point < points; point += 1) {
        const failures = uniform() < 0.1 ? 1 : 0;
        state = stepBernoulli(state, params, { atMs: 1.75e12 + point * 1_000, trials: 20, failures });
        bernoulliEvidence(state, params);
      }
      return state;
    },
  },
  {
    name: 'memory',
    run: (points, seed) => {
      const draw = normal(sfc32(seed));
      const params = { limitBytes: 2_048 * MIB };
      const about = { metric: 'memory', tier: 'immediate', baseline: '', staleMs: 30_000 } as const;
      let state = initialMemory();
      for (let point = 0; point < points; point += 1) {
        const atMs = 1.75e12 + point * 5_000;
        state = stepMemory(state, params, { atMs, value: (500 + draw()) * MIB });
        assessMemory(state, params, { ...about, nowMs: atMs });
      }
      return state;
    },
  },
];

/** CPU microseconds a point: the machine may be busy with other things. */
export function microsPerPoint({ run }: ChartKind, points: number, seed: number): number {
  const begin = process.cpuUsage();
  run(points, seed);
  const { user, system } = process.cpuUsage(begin);
  return (user + system) / points;
}
