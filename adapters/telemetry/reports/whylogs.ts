import { z } from 'zod';
import { driftHarm, driftMeasure, knownMethods } from '../../../domain/detection/drift-methods';
import { ReportRefused } from './errors';
import type { ReportReading, WantedValue } from './wanted';

/** Drift scores by column, as whylogs' `calculate_drift_scores` gives them; null for a column that it could not score. */
const reportSchema = z.record(
  z.string(),
  z.object({ algorithm: z.string(), pvalue: z.number().nullish(), statistic: z.number().nullish() }).nullable(),
);

/**
 * The wanted values of a whylogs drift report. A test (`ks`, `chi-square`) is read by its p-value, as −log₁₀ p; a
 * distance (`hellinger`) by its statistic: more is worse in both. Throws {@link ReportRefused}.
 */
export function readWhylogs(report: unknown, wanted: readonly WantedValue[]): ReportReading {
  const parsed = reportSchema.safeParse(report);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new ReportRefused(`${issue?.path.join('.') || 'report'}: ${issue?.message ?? 'no drift scores of whylogs'}`);
  }
  const values: { metric: string; value: number }[] = [];
  const missing: string[] = [];
  for (const want of wanted) {
    const column = want.column ?? '';
    const score = Object.hasOwn(parsed.data, column) ? parsed.data[column] : null;
    const value = score ? harmOf(score, want, column) : null;
    if (value === null) missing.push(want.name);
    else values.push({ metric: want.name, value });
  }
  return { values, missing };
}

type Score = NonNullable<z.infer<typeof reportSchema>[string]>;

function harmOf({ algorithm, pvalue, statistic }: Score, want: WantedValue, column: string): number | null {
  const measure = driftMeasure('whylogs', algorithm);
  if (measure === null) {
    const known = knownMethods('whylogs').join(', ');
    throw new ReportRefused(
      `${column}.algorithm: found "${algorithm}", which is not known (is a small value bad, or a large one?); known are ${known}`,
    );
  }
  if (algorithm !== want.method)
    throw new ReportRefused(
      `${column}.algorithm: found "${algorithm}", expected "${want.method ?? ''}", as ${want.name} is declared`,
    );
  const field = measure === 'p-value' ? 'pvalue' : 'statistic';
  const score = measure === 'p-value' ? pvalue : statistic;
  if (score === null || score === undefined) return null;
  const harm = driftHarm(measure, score);
  if (harm !== null) return harm;
  throw new ReportRefused(`${column}.${field}: found ${score}, expected a ${measure}`);
}
