import type { Tier, Verdict, VerdictKind, VerdictStatistic } from './types';

/** What a caller of `buildVerdict` must say; the rest is null until measured. */
export interface VerdictDraft {
  kind: VerdictKind;
  tier: Tier;
  metric: string;
  classLabel?: string;
  hard?: boolean;
  observed?: number | null;
  expected?: number | null;
  ucl?: number | null;
  lcl?: number | null;
  unit: string;
  samples?: number;
  sinceMs?: number | null;
  onsetMs?: number | null;
  onsetLowMs?: number | null;
  onsetHighMs?: number | null;
  statistic: VerdictStatistic;
  sentence: string;
  baseline: string;
}

/** Completes a draft. Numbers that are not finite become null: they would not survive JSON. */
export function buildVerdict(draft: VerdictDraft): Verdict {
  return {
    kind: draft.kind,
    tier: draft.tier,
    metric: draft.metric,
    ...(draft.classLabel === undefined ? {} : { classLabel: draft.classLabel }),
    hard: draft.kind === 'degraded' && draft.hard === true,
    observed: finite(draft.observed),
    expected: finite(draft.expected),
    ucl: finite(draft.ucl),
    lcl: finite(draft.lcl),
    unit: draft.unit,
    samples: Math.round(finite(draft.samples) ?? 0),
    sinceMs: finite(draft.sinceMs),
    onsetMs: finite(draft.onsetMs),
    onsetLowMs: finite(draft.onsetLowMs),
    onsetHighMs: finite(draft.onsetHighMs),
    statistic: { ...draft.statistic, value: finite(draft.statistic.value) ?? 0 },
    sentence: draft.sentence,
    baseline: draft.baseline,
  };
}

/** `7 %`, `0.52 %`: two significant digits below 10 %, whole per cents above. */
export function percentText(ratio: number): string {
  const percent = ratio * 100;
  if (percent === 0 || Math.abs(percent) >= 9.95) return `${Math.round(percent)} %`;
  return `${Number(percent.toPrecision(2))} %`;
}

/** `14:03:10 UTC`. */
export function clockText(atMs: number): string {
  const seconds = Math.floor(atMs / 1000);
  const two = (value: number): string => String(((value % 60) + 60) % 60).padStart(2, '0');
  const hour = ((Math.floor(seconds / 3600) % 24) + 24) % 24;
  return `${String(hour).padStart(2, '0')}:${two(Math.floor(seconds / 60))}:${two(seconds)} UTC`;
}

/** `45 s`, `12 min`, `3.5 h`, `2.1 days`. */
export function durationText(durationMs: number): string {
  const seconds = durationMs / 1000;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Number((seconds / 3600).toFixed(1))} h`;
  return `${Number((seconds / 86_400).toFixed(1))} days`;
}

/** Three significant digits, without exponent for everyday sizes. */
export function numberText(value: number): string {
  return String(Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(3)));
}

/** `a false alarm of this size comes at most once in 30 days`. */
export function falseAlarmText(days: number): string {
  return `a false alarm of this size comes at most once in ${numberText(days)} days`;
}

function finite(value: number | null | undefined): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
