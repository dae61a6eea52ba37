/** What a drift score is: a small p-value is bad, a large distance is bad. */
export type DriftMeasure = 'p-value' | 'distance';

export type ReportTool = 'evidently' | 'whylogs';

/**
 * Methods by the name that the tool writes into its report. Listed one by one, not by their ending: Evidently calls
 * six p-values by the name of their test alone (`empirical_mmd` and `Total-Variation-Distance` among them).
 */
const methods: Readonly<Record<ReportTool, Readonly<Record<string, DriftMeasure>>>> = {
  evidently: {
    'K-S p_value': 'p-value',
    'chi-square p_value': 'p-value',
    'Z-test p_value': 'p-value',
    'Anderson-Darling': 'p-value',
    'Cramer-von Mises': 'p-value',
    'Cramer-Von-mises': 'p-value',
    'Epps-Singleton': 'p-value',
    "Fisher's Exact test": 'p-value',
    'Mann-Whitney U-rank test': 'p-value',
    'Total-Variation-Distance': 'p-value',
    empirical_mmd: 'p-value',
    g_test: 'p-value',
    t_test: 'p-value',
    'Energy-distance': 'distance',
    'Hellinger distance': 'distance',
    'Jensen-Shannon distance': 'distance',
    'Kullback-Leibler divergence': 'distance',
    PSI: 'distance',
    'Wasserstein distance (normed)': 'distance',
  },
  whylogs: { ks: 'p-value', 'chi-square': 'p-value', hellinger: 'distance' },
};

/** Null for a method that is not known: nobody may guess which way is bad. */
export function driftMeasure(tool: ReportTool, method: string): DriftMeasure | null {
  const known = methods[tool];
  return Object.hasOwn(known, method) ? (known[method] ?? null) : null;
}

export function knownMethods(tool: ReportTool): string[] {
  return Object.keys(methods[tool]);
}

/** A p-value below this says no more than this. */
const SMALLEST_P = 1e-16;

/**
 * A drift score on a scale on which more is worse, whatever the method: a distance as it is, a p-value as −log₁₀ p, at
 * most 16. Null for what the method cannot have given (a p-value beyond 0–1, a negative distance, NaN).
 */
export function driftHarm(measure: DriftMeasure, score: number): number | null {
  if (!Number.isFinite(score) || score < 0) return null;
  if (measure === 'distance') return score;
  if (score > 1) return null;
  // −log₁₀ 1 is −0.
  return Math.abs(Math.log10(Math.max(score, SMALLEST_P)));
}
