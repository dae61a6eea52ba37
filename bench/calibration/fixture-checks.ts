import { normalCdf, normalQuantile, normalSurvival } from '../../domain/detection/normal-distribution';
import { wilsonInterval } from '../../domain/detection/rate-limits';
import { quantile, scaledMad } from '../../domain/detection/robust';
import { Adwin } from '../peers/drift-detectors/adwin';
import { Ddm } from '../peers/drift-detectors/ddm';
import { detections, type DriftDetector } from '../peers/drift-detectors/drift-detector';
import { Eddm } from '../peers/drift-detectors/eddm';
import { Fhddm } from '../peers/drift-detectors/fhddm';
import { HddmA } from '../peers/drift-detectors/hddm-a';
import { HddmW } from '../peers/drift-detectors/hddm-w';
import { PageHinkley } from '../peers/drift-detectors/page-hinkley';
import {
  chiSquared,
  hellinger,
  jensenShannonDistance,
  kullbackLeibler,
  shares,
  stabilityIndex,
} from '../peers/statistics/categorical';
import { clopperPearson } from '../peers/statistics/distributions';
import { evidently } from '../peers/statistics/evidently';
import { oneSamplePValue } from '../peers/statistics/kolmogorov-distribution';
import { exactTwoSamplePValue, kolmogorovSmirnov } from '../peers/statistics/kolmogorov-smirnov';
import { kendall, theilSen } from '../peers/statistics/trend';
import { energyDistance, mannWhitney, wasserstein, welch } from '../peers/statistics/two-sample';
import { FIRST_ALARMS } from './first-alarms';
import type { Fixtures, TwoSample } from './fixtures';

/** One expected entry of the file and what our code says. */
export interface Check {
  readonly name: string;
  readonly wanted: unknown;
  readonly got: unknown;
}

const PSEUDO_COUNT = 0.5;
const QUANTILES = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];

const ON_STREAMS: Readonly<Record<string, () => DriftDetector>> = {
  'ADWIN()': () => new Adwin(),
  'ADWIN(clock=1)': () => new Adwin(0.002, 1),
  'PageHinkley()': () => new PageHinkley(),
  'PageHinkley(threshold=20,delta=.25)': () => new PageHinkley(20, 0.25),
};

const ON_BINARY: Readonly<Record<string, () => DriftDetector>> = {
  'DDM()': () => new Ddm(),
  'EDDM()': () => new Eddm(),
  'HDDM_A()': () => new HddmA(),
  'HDDM_W()': () => new HddmW(),
  'FHDDM()': () => new Fhddm(),
};

const TWO_SAMPLE: Readonly<Record<string, (pair: TwoSample) => unknown>> = {
  ks_2samp: ({ a, b }) => {
    const distance = kolmogorovSmirnov(a, b);
    return [distance, exactTwoSamplePValue(distance, a.length, b.length)];
  },
  ks_2samp_asymp_p: ({ a, b }) =>
    oneSamplePValue(kolmogorovSmirnov(a, b), Math.round((a.length * b.length) / (a.length + b.length))),
  mannwhitneyu_asymptotic_cc: ({ a, b }) => pairOf(mannWhitney(a, b)),
  wasserstein: ({ a, b }) => wasserstein(a, b),
  welch_t: ({ a, b }) => pairOf(welch(a, b)),
  energy_distance: ({ a, b }) => energyDistance(a, b),
  quantiles_type7: ({ a }) => QUANTILES.map((q) => quantile(a, q)),
  mad_normal: ({ a }) => scaledMad(a),
  'psi_decile_eps.5': (pair) => stabilityIndex(...decileShares(pair)),
  kl_ref_cur: (pair) => kullbackLeibler(...decileShares(pair)),
  kl_cur_ref: (pair) => {
    const [reference, current] = decileShares(pair);
    return kullbackLeibler(current, reference);
  },
  js_distance_base_e: (pair) => jensenShannonDistance(...decileShares(pair)),
  js_distance_base_2: (pair) => jensenShannonDistance(...decileShares(pair), 2),
  hellinger: (pair) => hellinger(...decileShares(pair)),
  chi2_2xk: ({ psi_decile_counts: [reference, current] }) => {
    const raised = (counts: readonly number[]): number[] => counts.map((count) => count + 2 * PSEUDO_COUNT);
    return pairOf(chiSquared(raised(reference), raised(current)));
  },
  evidently: ({ a, b }) => evidently(a, b),
};
/** The inputs among the entries of a pair of samples. */
const INPUTS = new Set(['a', 'b', 'psi_decile_counts']);

/** Every expected entry of the file; one that nothing here computes gets `undefined`, which agrees with nothing. */
export function fixtureChecks(data: Fixtures): Check[] {
  return [
    ...Object.entries(data.river).flatMap(([stream, wanted]) =>
      detectorChecks(`river ${stream}`, ON_STREAMS, data.streams[stream] ?? [], wanted),
    ),
    ...detectorChecks('river bern', ON_BINARY, data.streams['bern'] ?? [], data.river_binary_on_bern),
    ...Object.entries(data.charts_first_alarm).flatMap(([stream, charts]) =>
      Object.entries(charts).map(([name, wanted]) => ({
        name: `first alarm ${stream} ${name}`,
        wanted,
        got: FIRST_ALARMS[name]?.(data.streams[stream] ?? []),
      })),
    ),
    ...Object.entries(data.two_sample).flatMap(([pairName, pair]) =>
      Object.entries(pair)
        .filter(([name]) => !INPUTS.has(name))
        .map(([name, wanted]) => ({ name: `${pairName} ${name}`, wanted, got: TWO_SAMPLE[name]?.(pair) })),
    ),
    ...normalChecks(data.normal),
    ...Object.entries(data.binom).flatMap(([name, { wilson95, cp95 }]) => {
      const [failures, trials] = name.split('/').map(Number) as [number, number];
      const { low, high } = wilsonInterval(failures, trials);
      return [
        { name: `wilson ${name}`, wanted: wilson95, got: [low, high] },
        { name: `clopper-pearson ${name}`, wanted: cp95, got: clopperPearson(failures, trials) },
      ];
    }),
    ...trendChecks(data.trend),
  ];
}

function detectorChecks(
  where: string,
  detectors: Readonly<Record<string, () => DriftDetector>>,
  stream: readonly number[],
  expected: Readonly<Record<string, unknown>>,
): Check[] {
  return Object.entries(expected).map(([name, wanted]) => {
    const detector = detectors[name]?.();
    return { name: `${where} ${name}`, wanted, got: detector && detections(detector, stream) };
  });
}

function normalChecks({ z, cdf, sf, ppf }: Fixtures['normal']): Check[] {
  return [
    { name: 'normal cdf', wanted: cdf, got: z.map(normalCdf) },
    { name: 'normal sf', wanted: sf, got: z.map(normalSurvival) },
    ...Object.entries(ppf).map(([p, wanted]) => ({ name: `normal ppf ${p}`, wanted, got: normalQuantile(Number(p)) })),
  ];
}

function trendChecks({ x, theilsen, kendall: tau }: Fixtures['trend']): Check[] {
  const { slope, intercept, low, high } = theilSen(x);
  const test = kendall(x);
  return [
    { name: 'trend theilsen', wanted: theilsen, got: [slope, intercept, low, high] },
    { name: 'trend kendall', wanted: tau, got: [test.tau, test.pValue] },
  ];
}

function decileShares({ psi_decile_counts: [reference, current] }: TwoSample): [number[], number[]] {
  return [shares(reference, PSEUDO_COUNT), shares(current, PSEUDO_COUNT)];
}

function pairOf({ statistic, pValue }: { statistic: number; pValue: number }): [number, number] {
  return [statistic, pValue];
}
