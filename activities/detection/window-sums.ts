import type { CountsRow } from '../../gateway/protocol';
import { tallyOf, type RateSpec, type Tally } from './chart-specs';

/** What the counts of charts are made of: a row, or the sum of many. */
export type RowSums = Pick<
  CountsRow,
  'requests' | 'failures' | 'timeouts' | 'clientErrors' | 'malformed' | 'cut' | 'labels' | 'notCounted'
>;

/** Live rows of one version in the order of their time. */
export function rowsOf(rows: readonly CountsRow[], version: string): CountsRow[] {
  return rows
    .filter((row) => row.version === version && row.cohort === 'live')
    .sort((left, right) => left.fromMs - right.fromMs);
}

/**
 * All rows in one pass, however many charts ask: an hour has 3,600 of them. Requests with a count that is not a number
 * are left out, and so are such labels.
 */
export function sumRows(rows: readonly RowSums[]): RowSums {
  const sums = { requests: 0, failures: 0, timeouts: 0, clientErrors: 0, malformed: 0, cut: 0 };
  const labels = new Map<string, { n: number; correct: number }>();
  // One row that cannot tell is enough: its requests are in the sum.
  const notCounted = new Set<NonNullable<RowSums['notCounted']>[number]>();
  for (const row of rows) {
    for (const name of row.notCounted ?? []) notCounted.add(name);
    const { requests, failures, timeouts, clientErrors, malformed, cut } = row;
    if (Number.isFinite(requests + failures + timeouts + clientErrors + malformed + cut)) {
      sums.requests += requests;
      sums.failures += failures;
      sums.timeouts += timeouts;
      sums.clientErrors += clientErrors;
      sums.malformed += malformed;
      sums.cut += cut;
    }
    for (const label in row.labels) {
      const counts = row.labels[label];
      if (counts === undefined || !Number.isFinite(counts.n + counts.correct)) continue;
      const known = labels.get(label);
      if (known === undefined) labels.set(label, { n: counts.n, correct: counts.correct });
      else {
        known.n += counts.n;
        known.correct += counts.correct;
      }
    }
  }
  return {
    ...sums,
    labels: Object.fromEntries(labels),
    ...(notCounted.size === 0 ? {} : { notCounted: [...notCounted] }),
  };
}

/** What the sums say to one chart, never below zero after corrections. */
export function tallyIn(spec: Pick<RateSpec, 'name' | 'classLabel'>, sums: RowSums): Tally {
  const { trials, failures } = tallyOf(spec, sums) ?? { trials: 0, failures: 0 };
  const counted = Math.max(0, trials);
  return { trials: counted, failures: Math.min(counted, Math.max(0, failures)) };
}

/** Classes that have labels, with their tallies. */
export function classTallies({ labels }: RowSums): Map<string, Tally> {
  const classes = new Map<string, Tally>();
  for (const [label, { n, correct }] of Object.entries(labels)) {
    if (n > 0) classes.set(label, { trials: n, failures: Math.min(n, Math.max(0, n - correct)) });
  }
  return classes;
}
