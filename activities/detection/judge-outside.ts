import {
  assessOutsideMetric,
  atNewestHour,
  outsideIsCalm,
  outsidePoints,
  type OutsidePoint,
} from '../../domain/detection/outside-metric';
import { assessSeriesMetric, isSeriesVerdict, seriesIsCalm } from '../../domain/detection/series-metric';
import type { Verdict } from '../../domain/detection/types';
import type { OutsideMetric } from '../../domain/policy';
import type { AssessmentInput, StandingVerdict, TierReading } from '../../workflows/contract/activities';
import type { OutsideMetrics } from '../ports';
import type { SeriesPasts } from './series-pasts';
import { quietly } from './surroundings';

const READ_MS = 10_000;
const VALUES_MAX = 5_000;
const PAST_MS = 25_000;

export type OutsideAbout = Pick<
  AssessmentInput,
  'service' | 'version' | 'routedAt' | 'now' | 'baseline' | 'standing' | 'policy'
>;

export interface OutsideJudged {
  readonly reading: TierReading;
  readonly began: StandingVerdict | null;
  readonly ended: { readonly id: string; readonly at: number; readonly sentence: string } | null;
}

interface Found {
  readonly verdict: Verdict;
  /** The newest values say that what stands is over. */
  readonly calm: boolean;
  readonly points: readonly OutsidePoint[];
}

/**
 * One metric from outside: by the value chart over its window where there is a history of good periods, and by the
 * series' own past where there is none, or where it is declared as a series (`pasts`; null where nobody asks for it). Both are
 * folds of what is stored, for values may come late and in any order. Read-only.
 */
export async function judgeOutside(
  outside: OutsideMetrics,
  about: OutsideAbout,
  metric: OutsideMetric,
  pasts: SeriesPasts | null,
): Promise<OutsideJudged> {
  const { now, version } = about;
  const name = metric.metric;
  const standing = about.standing.find((one) => one.verdict.metric === name);
  const byHistory = metric.kind === 'series' ? null : await byGoodPeriods(outside, about, metric);
  const undecided = byHistory === null || isWithoutHistory(about, metric, byHistory);
  const found =
    undecided && pasts !== null
      ? ((await byOwnPast(pasts, about, metric, standing?.verdict ?? null)) ?? byHistory)
      : byHistory;
  const { verdict, calm, points } = found ?? unasked(metric, about);
  const prefix = `${version}/${name}/o`;
  const isOurs = standing?.id.startsWith(prefix) === true;
  // Silence ends nothing, and neither do values that nobody could judge.
  const isOver = isOurs && verdict.kind !== 'unmeasured' && calm;
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

async function byGoodPeriods(outside: OutsideMetrics, about: OutsideAbout, metric: OutsideMetric): Promise<Found> {
  const { baseline, now, routedAt, service } = about;
  const from = Math.max(routedAt, now - metric.windowMs);
  const values = await quietly(READ_MS, metric.metric, () =>
    outside.values(service, metric.metric, from, now, VALUES_MAX),
  );
  const known = baseline.metrics[metric.metric];
  const asSeen = outsidePoints(values ?? [], metric.minSamples);
  const history = known?.reference ?? null;
  const { points, reference } =
    history === null ? { points: asSeen, reference: null } : atNewestHour(asSeen, history, known?.hourOffsets ?? null);
  const verdict = assessOutsideMetric(metric, points, {
    reference,
    baseline: known?.source ?? 'no history',
    nowMs: now,
    values: values === null ? null : values.length,
    falseAlarmDays: about.policy.falseAlarmDays,
  });
  return { verdict, points, calm: reference !== null && outsideIsCalm(metric, points, reference) };
}

/** Measured, and nothing of good periods to compare it with: too few of them for limits, or none. */
function isWithoutHistory({ baseline }: OutsideAbout, { metric }: OutsideMetric, { points }: Found): boolean {
  const reference = baseline.metrics[metric]?.reference;
  return points.length > 0 && (reference === undefined || reference.warmth === 'cold');
}

/** Null where its own past is too short as well, or cannot be asked. */
async function byOwnPast(
  pasts: SeriesPasts,
  about: OutsideAbout,
  metric: OutsideMetric,
  standing: Verdict | null,
): Promise<Found | null> {
  const { now, routedAt, service } = about;
  const past = await quietly(PAST_MS, metric.metric, () => pasts.upTo(service, metric, now));
  if (past === null) return null;
  const { points, state } = past;
  const { condition, verdict } = assessSeriesMetric(state, metric, { nowMs: now, routedAtMs: routedAt, points });
  if (condition === 'warming' && metric.kind !== 'series') return null;
  const calm = standing !== null && isSeriesVerdict(standing) ? seriesIsCalm(standing, points) : verdict.kind === 'ok';
  return { verdict, points, calm };
}

function unasked(metric: OutsideMetric, { now, policy }: OutsideAbout): Found {
  const { falseAlarmDays } = policy;
  const about = { reference: null, baseline: 'no history', nowMs: now, values: null, falseAlarmDays };
  return { verdict: assessOutsideMetric(metric, [], about), calm: false, points: [] };
}
