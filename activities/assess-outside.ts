import { assessOutsideMetric, outsideIsCalm, outsidePoints } from '../domain/detection/outside-metric';
import type { OutsideMetric } from '../domain/policy';
import type { Assessment, AssessmentInput, StandingVerdict, TierReading } from '../workflows/contract/activities';
import { quietly } from './detection/surroundings';
import type { OutsideMetrics } from './ports';

export interface OutsidePorts {
  readonly outside: OutsideMetrics;
}

const READ_MS = 10_000;
const VALUES_MAX = 5_000;
/** Verdicts that begin in one assessment: what fits into its result. The others begin with the next one. */
const BEGAN_MAX = 5;

type OutsideAssessed = Pick<Assessment, 'began' | 'ended' | 'tiers'>;

/**
 * The metrics that come from outside, each over its own window, beside the short window. Nothing is carried from one
 * assessment to the next: values may come late and in any order, and the window is folded anew each time. Ids come from
 * the time in the input: a repeated activity gives the same. Read-only.
 */
export function assessOutside({ outside }: OutsidePorts): (input: AssessmentInput) => Promise<OutsideAssessed> {
  return async (input) => {
    const metrics = input.policy.outside ?? [];
    const judged = await Promise.all(metrics.map((metric) => judge(outside, input, metric)));
    return {
      began: judged.flatMap(({ began }) => (began ? [began] : [])).slice(0, BEGAN_MAX),
      ended: judged.flatMap(({ ended }) => (ended ? [ended] : [])),
      tiers: judged.map(({ reading }) => reading),
    };
  };
}

interface Judged {
  readonly reading: TierReading;
  readonly began: StandingVerdict | null;
  readonly ended: Assessment['ended'][number] | null;
}

async function judge(outside: OutsideMetrics, input: AssessmentInput, metric: OutsideMetric): Promise<Judged> {
  const { now, service, routedAt, version } = input;
  const name = metric.metric;
  const from = Math.max(routedAt, now - metric.windowMs);
  const values = await quietly(READ_MS, name, () => outside.values(service, name, from, now, VALUES_MAX));
  const points = outsidePoints(values ?? [], metric.minSamples);
  const known = input.baseline.metrics[name];
  const reference = known?.reference ?? null;
  const verdict = assessOutsideMetric(metric, points, {
    reference,
    baseline: known?.source ?? 'no history',
    nowMs: now,
    values: values === null ? null : values.length,
  });
  const standing = input.standing.find((one) => one.verdict.metric === name);
  const prefix = `${version}/${name}/o`;
  const isOurs = standing?.id.startsWith(prefix) === true;
  // Silence ends nothing, and neither do values that nobody could judge.
  const isOver =
    isOurs && verdict.kind !== 'unmeasured' && reference !== null && outsideIsCalm(metric, points, reference);
  const { observed, expected, ucl, lcl, samples, kind } = verdict;
  return {
    reading: {
      tier: metric.tier,
      metric: name,
      kind: isOver ? 'ok' : kind,
      observed,
      expected,
      limit: metric.badDirection === 'down' ? lcl : ucl,
      samples,
      at: points[points.length - 1]?.atMs ?? now,
      unit: metric.unit,
    },
    began: kind === 'degraded' && !standing ? { id: `${prefix}${now}`, verdict } : null,
    ended: isOver && standing ? { id: standing.id, at: now, sentence: `${name}: within its limits again` } : null,
  };
}
