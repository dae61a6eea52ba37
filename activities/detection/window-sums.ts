import type { CountsRow } from '../../gateway/protocol';
import { tallyOf, type RateSpec, type Tally } from './chart-specs';

/** Live rows of one version in the order of their time. */
export function rowsOf(rows: readonly CountsRow[], version: string): CountsRow[] {
  return rows
    .filter((row) => row.version === version && row.cohort === 'live')
    .sort((left, right) => left.fromMs - right.fromMs);
}

/** Everything that the rows say to one chart, never below zero after corrections. */
export function tallyAll(spec: Pick<RateSpec, 'name' | 'classLabel'>, rows: readonly CountsRow[]): Tally {
  let trials = 0;
  let failures = 0;
  for (const row of rows) {
    const tally = tallyOf(spec, row);
    if (tally === null || !Number.isFinite(tally.trials) || !Number.isFinite(tally.failures)) continue;
    trials += tally.trials;
    failures += tally.failures;
  }
  const counted = Math.max(0, trials);
  return { trials: counted, failures: Math.min(counted, Math.max(0, failures)) };
}

/** Labelled answers by true class. */
export function labelsByClass(rows: readonly CountsRow[]): Map<string, { total: number; correct: number }> {
  const classes = new Map<string, { total: number; correct: number }>();
  for (const { labels } of rows) {
    for (const [label, { n, correct }] of Object.entries(labels)) {
      if (!Number.isFinite(n) || !Number.isFinite(correct)) continue;
      const known = classes.get(label) ?? { total: 0, correct: 0 };
      classes.set(label, { total: known.total + n, correct: known.correct + correct });
    }
  }
  for (const [label, { total, correct }] of classes) {
    if (total <= 0) classes.delete(label);
    else classes.set(label, { total, correct: Math.min(total, Math.max(0, correct)) });
  }
  return classes;
}
