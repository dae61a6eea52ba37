import { z } from 'zod';
import { driftHarm, driftMeasure, knownMethods } from '../../../domain/detection/drift-methods';
import { ReportRefused } from './errors';
import type { ReportReading, WantedValue } from './wanted';

/** What is read of a report: Evidently's own form has more, and may get more. */
const reportSchema = z.object({
  metrics: z
    .array(
      z.object({
        metric_name: z.string().optional(),
        config: z.object({ type: z.string(), column: z.string().optional(), method: z.string().optional() }),
        value: z.unknown(),
      }),
    )
    .max(5_000),
});
type ReportMetric = z.infer<typeof reportSchema>['metrics'][number];

/**
 * The wanted values of an Evidently report (`report.json()`, its key `metrics`). A drift score is read by its method: a
 * p-value becomes −log₁₀ p, so that more is worse whatever the method. Throws {@link ReportRefused}.
 */
export function readEvidently(report: unknown, wanted: readonly WantedValue[]): ReportReading {
  const parsed = reportSchema.safeParse(report);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new ReportRefused(`${issue?.path.join('.') || 'report'}: ${issue?.message ?? 'no Evidently report'}`);
  }
  const values: { metric: string; value: number }[] = [];
  const missing: string[] = [];
  for (const want of wanted) {
    const index = parsed.data.metrics.findIndex((metric) => isWanted(metric, want));
    const found = parsed.data.metrics[index];
    const value = found === undefined ? null : valueOf(found, want, `metrics.${index}`);
    if (value === null) missing.push(want.name);
    else values.push({ metric: want.name, value });
  }
  return { values, missing };
}

function isWanted({ config }: ReportMetric, { metric, column }: WantedValue): boolean {
  return config.type.split(':').at(-1) === metric && (column === null || config.column === column);
}

function valueOf({ config, value }: ReportMetric, want: WantedValue, at: string): number | null {
  const score = numberIn(value, want, at);
  if (score === null || want.metric !== 'ValueDrift') return score;
  const method = config.method ?? '';
  const measure = driftMeasure('evidently', method);
  if (measure === null) {
    const known = knownMethods('evidently').join(', ');
    throw new ReportRefused(
      `${at}.config.method: found "${method}", which is not known (is a small value bad, or a large one?); known are ${known}`,
    );
  }
  // Evidently takes another method for another sample size; the two scales are no one series.
  if (method !== want.method) {
    throw new ReportRefused(
      `${at}.config.method: found "${method}", expected "${want.method ?? ''}", as ${want.name} is declared; ` +
        `name the method where the report is made (Evidently chooses by sample size)`,
    );
  }
  const harm = driftHarm(measure, score);
  if (harm !== null) return harm;
  throw new ReportRefused(
    `${at}.value: found ${score}, expected a ${measure}${measure === 'p-value' ? ' of 0 to 1' : ''}`,
  );
}

/** Null for NaN (which Evidently's JSON may hold as null): nothing was measured. */
function numberIn(value: unknown, { field }: WantedValue, at: string): number | null {
  const found = field === null ? value : (value as Record<string, unknown> | null)?.[field];
  if (found === null) return null;
  if (typeof found === 'number') return Number.isFinite(found) ? found : null;
  const fields = typeof value === 'object' && value !== null ? Object.keys(value).join(', ') : '';
  const hint = fields === '' ? 'expected a number' : `expected a field that is a number, of ${fields}`;
  throw new ReportRefused(`${at}.value${field === null ? '' : `.${field}`}: ${hint}`);
}
