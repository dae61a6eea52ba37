import { setTimeout as pause } from 'node:timers/promises';
import type { CountsRow, TelemetryRow } from '../gateway/protocol';
import type { DrillActivities, WatchDrillInput, WatchDrillResult } from '../workflows/contract/drill';
import { WatchFold } from './detection/watch-fold';
import { messageOf } from './failures';
import { withHeartbeat } from './heartbeat';
import type { Telemetry, TrafficRouter } from './ports';
import { Context } from '@temporalio/activity';

interface Ports {
  readonly router: TrafficRouter;
  readonly telemetry: Telemetry;
}

/** Rows close after a second, and news of them takes a moment. */
const lastRowsMs = 2_000;
const againMs = 250;

/**
 * The fold that judges the live traffic, with the same limits, fed with the rows of the drill's cohort alone: what it
 * proves is the real code, and nothing of it touches the live charts. Reads from the begin of the share each time, so that
 * an attempt that died is simply repeated.
 */
export function watchDrill(ports: Ports): DrillActivities['watchDrill'] {
  return async (input) =>
    await withHeartbeat(500, async (signal) => {
      const cohort = new Cohort(input);
      const over = AbortSignal.any([signal, AbortSignal.timeout(Math.max(1, input.untilMs + lastRowsMs - Date.now()))]);
      while (cohort.verdict === null) {
        try {
          await follow(ports, input, cohort, over);
        } catch (error) {
          if (!over.aborted) Context.current().log.debug('the cohort cannot be followed', { error: messageOf(error) });
        }
        if (over.aborted || cohort.verdict !== null) break;
        await pause(againMs);
      }
      if (signal.aborted) await Context.current().cancelled;
      return cohort.result();
    });
}

/** What is stored first, then what comes: no row is counted twice. */
async function follow(ports: Ports, input: WatchDrillInput, cohort: Cohort, over: AbortSignal): Promise<void> {
  if (cohort.cursor === 0) {
    const { lastSeq } = await ports.router.read(input.service);
    const rows = await ports.telemetry.window(input.service, input.sinceMs, Date.now());
    const stored = rows.filter(({ seq }) => seq <= lastSeq).sort((a, b) => a.seq - b.seq);
    for (const row of stored) if (cohort.verdict === null) cohort.take(row);
    cohort.cursor = Math.max(cohort.cursor, lastSeq);
  }
  if (cohort.verdict !== null) return;
  for await (const row of ports.telemetry.follow(input.service, cohort.cursor, over)) {
    if (row !== null) cohort.take(row);
    if (cohort.verdict !== null || over.aborted) return;
  }
}

/** The answers of one drill, and what the charts make of them. */
class Cohort {
  cursor = 0;
  verdict: WatchDrillResult['verdict'] = null;
  private onsetAt: number | null = null;
  private answers = 0;
  private readonly fold: WatchFold;

  constructor(private readonly input: WatchDrillInput) {
    const { service, version, model, epoch, sinceMs, baseline, policy } = input;
    this.fold = new WatchFold(
      {
        ...{ service, version, model, epoch, baseline, policy },
        routedAt: sinceMs,
        deployedAt: null,
        standby: null,
        cursor: 0,
        charts: {},
        standing: [],
        returnAfterMs: 0,
      },
      { cursor: 0, charts: {} },
    );
  }

  take(row: TelemetryRow): void {
    this.cursor = row.seq;
    if (!this.isMine(row)) return;
    if (row.requests > 0) this.onsetAt ??= Math.max(row.fromMs, this.input.sinceMs);
    this.answers += row.requests;
    this.fold.take({ ...row, cohort: 'live' });
    const { began } = this.fold;
    const wanted = began.find(({ verdict }) => verdict.tier === this.input.expect);
    this.verdict = (wanted ?? began[0])?.verdict ?? null;
  }

  result(): WatchDrillResult {
    const { verdict, onsetAt, answers } = this;
    return { verdict, onsetAt, answers, at: Date.now() };
  }

  private isMine(row: TelemetryRow): row is CountsRow {
    const { version, epoch } = this.input;
    return row.kind === 'counts' && row.cohort === 'drill' && row.version === version && row.epoch >= epoch;
  }
}
