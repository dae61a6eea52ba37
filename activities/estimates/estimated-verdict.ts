import { byBlock } from '../../domain/detection/confidence-calibration';
import type { EstimatedClass } from '../../domain/detection/confidence-assessment';
import type { ShareEstimate } from '../../domain/detection/confidence-estimate';
import { changePoint, type ScoredPoint } from '../../domain/detection/change-point';
import { ESTIMATED_PRECISION } from '../../domain/detection/estimated-metrics';
import { OUTSIDE_BIN } from '../../domain/detection/score-bins';
import type { Verdict } from '../../domain/detection/types';
import { buildVerdict, clockText, durationText, percentText } from '../../domain/detection/verdict';
import type { MetricPolicy } from '../../domain/policy';
import type { CountsRow } from '../../gateway/protocol';
import type { AssessmentInput } from '../../workflows/contract/activities';
import type { KnownHistory } from './known-history';

/** Slots of the window in which an onset is looked for. */
const SLOTS = 48;

export interface About {
  readonly input: AssessmentInput;
  readonly known: KnownHistory;
  readonly rows: readonly CountsRow[];
  readonly level: number;
  readonly metric: MetricPolicy;
}

/** The verdict on a class whose confidences fell. It says in its first words that it is an estimate. */
export function estimatedVerdict(one: EstimatedClass, about: About): Verdict | null {
  const { input, known, level, metric, rows } = about;
  const { adjustedP, expected, label, limit, precision } = one;
  if (precision === null || expected === null) return null;
  const onset = onsetOf(one, about);
  const since = onset === null ? '' : `, about since ${clockText(onset.onsetMs)}`;
  const calibration = known.history.calibrations.get(label);
  return buildVerdict({
    kind: 'degraded',
    tier: metric.tier === 'trend' ? 'short-window' : metric.tier,
    metric: `${ESTIMATED_PRECISION}:${label}`,
    classLabel: label,
    observed: precision.value,
    expected: expected.value,
    lcl: limit,
    unit: 'ratio',
    samples: precision.n,
    sinceMs: rows[0]?.fromMs ?? null,
    ...(onset ?? {}),
    statistic: {
      name: 'CBPE: mean calibrated confidence, Chernoff bound (nats)',
      value: -Math.log(Math.max(1e-300, adjustedP)),
      threshold: -Math.log(level),
      falseAlarmDays: input.policy.falseAlarmDays,
    },
    sentence:
      `Estimated from confidences, without labels: answers ${label} are right in ${estimateText(precision)} of ` +
      `${precision.n} over the last ${durationText(input.policy.shortWindow.windowMs)}${since}; in the good periods ` +
      `${percentText(expected.value)}${limit === null ? '' : ` (limit ${percentText(limit)})`}. ` +
      'The other classes are as confident as they were',
    baseline: `${calibration?.labels ?? 0} labelled answers ${label} of ${known.version}; ${input.baseline.words}`,
  });
}

/** The change point of the mean calibrated confidence, in slots of the window. */
function onsetOf(
  { label, expected }: EstimatedClass,
  { input, known, rows }: About,
): { onsetMs: number; onsetLowMs: number; onsetHighMs: number } | null {
  const calibration = known.history.calibrations.get(label);
  const [first] = rows;
  if (!calibration || !first || expected === null) return null;
  const widthMs = Math.max(1_000, (input.now - first.fromMs) / SLOTS);
  const slots = new Map<number, number[]>();
  for (const { fromMs, scores } of rows) {
    const bins = scores?.[label];
    if (bins === undefined) continue;
    const slot = Math.floor((fromMs - first.fromMs) / widthMs);
    const counts = slots.get(slot) ?? new Array<number>(OUTSIDE_BIN + 1).fill(0);
    for (const [bin, n] of Object.entries(bins)) counts[Number(bin)] = (counts[Number(bin)] ?? 0) + n;
    slots.set(slot, counts);
  }
  const usual = byBlock(calibration, known.history.scores.get(label) ?? []);
  const all = usual.reduce((sum, n) => sum + n, 0);
  const variance = calibration.blocks.reduce(
    (sum, { right }, at) => sum + ((usual[at] ?? 0) / all) * (right - expected.value) ** 2,
    0,
  );
  const points = [...slots].map(([slot, counts]): ScoredPoint => {
    const blocks = byBlock(calibration, counts);
    const n = blocks.reduce((sum, count) => sum + count, 0);
    const value =
      calibration.blocks.reduce((sum, { right }, at) => sum + right * (blocks[at] ?? 0), 0) / Math.max(1, n);
    const sigma = Math.sqrt(Math.max(1e-6, variance) / Math.max(1, n));
    return { atMs: first.fromMs + slot * widthMs, value, score: (value - expected.value) / sigma };
  });
  const found = changePoint(points, -1);
  return found && { onsetMs: found.onsetMs, onsetLowMs: found.onsetLowMs, onsetHighMs: found.onsetHighMs };
}

/** `83 % (81 % to 85 %)`: the estimate with its 95 % interval. */
function estimateText({ value, se }: ShareEstimate): string {
  const [low, high] = [Math.max(0, value - 1.96 * se), Math.min(1, value + 1.96 * se)];
  return `${percentText(value)} (${percentText(low)} to ${percentText(high)})`;
}
