import type { ConfidenceHistory } from '../../domain/detection/confidence-assessment';
import type { AssessmentInput, GoodPeriod } from '../../workflows/contract/activities';
import { slicesOf } from '../detection/period-slices';
import { quietly } from '../detection/surroundings';
import { rowsOf } from '../detection/window-sums';
import type { Telemetry } from '../ports';
import { addScores, historyOf, noScores } from './score-sums';

/** Version whose good periods calibrated the confidences, and which periods they were. */
export interface KnownHistory {
  readonly version: string;
  readonly history: ConfidenceHistory;
  /** The same periods have the same key. */
  readonly key: string;
  /** End of the newest period. */
  readonly toMs: number;
}

const SLICE_READ_MS = 10_000;
/** Of the minute that an assessment may take; a longer reading goes on, and the next assessment has it. */
const WAIT_MS = 10_000;
/** Services of one controller; each history is under 100 kB. */
const KEPT_MAX = 200;

/**
 * The scores and labels of the good periods that the baseline names, calibrated. Too large for the state of a workflow, so
 * they are read again from the telemetry: once for each set of periods, and again after a start. Null while they are being
 * read or cannot be; `none` where there is no good period. The same periods give the same history.
 */
export function knownHistories(
  telemetry: Telemetry,
): (input: AssessmentInput, minLabels: number) => Promise<KnownHistory | 'none' | null> {
  const kept = new Map<string, { readonly key: string; readonly reading: Promise<KnownHistory | null> }>();
  return async ({ baseline, service }, minLabels) => {
    const { version } = baseline;
    const periods = baseline.periods.filter((period) => period.version === version);
    const last = periods.at(-1);
    if (version === null || !last) return 'none';
    const key = JSON.stringify([version, minLabels, periods.map(({ from, to }) => [from, to])]);
    let entry = kept.get(service);
    if (entry?.key !== key) {
      entry = { key, reading: read(telemetry, service, version, periods, minLabels) };
      kept.delete(service);
      kept.set(service, entry);
      const oldest = kept.keys().next().value;
      if (kept.size > KEPT_MAX && oldest !== undefined) kept.delete(oldest);
      const { reading } = entry;
      // What could not be read whole is asked for again, not kept.
      const drop = (): void => void (kept.get(service)?.reading === reading && kept.delete(service));
      reading.then((found) => found === null && drop(), drop);
    }
    return await quietly(WAIT_MS, 'the good periods', () => entry.reading);
  };
}

async function read(
  telemetry: Telemetry,
  service: string,
  version: string,
  periods: readonly GoodPeriod[],
  minLabels: number,
): Promise<KnownHistory | null> {
  const sums = noScores();
  for (const { from, to } of slicesOf(periods)) {
    const rows = await quietly(SLICE_READ_MS, 'a good period', () => telemetry.window(service, from, to));
    if (rows === null) return null;
    for (const row of rowsOf(rows, version)) addScores(sums, row);
  }
  const toMs = Math.max(...periods.map(({ to }) => to));
  const whole = periods.reduce((all, { from, to }) => all + to - from, 0);
  return { version, history: historyOf(sums, minLabels), key: `${version}/${toMs}/${whole}/${minLabels}`, toMs };
}
