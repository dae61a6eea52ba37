import { setTimeout as pause } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type {
  ChartStates,
  ObservedRoute,
  WatchActivities,
  WatchInput,
  WatchResult,
} from '../workflows/contract/activities';
import { OutsideWatch } from './detection/outside-watch';
import { quickCause, type CausePorts } from './detection/quick-cause';
import { WatchFold } from './detection/watch-fold';
import { messageOf, within } from './failures';
import { signOfLifeEveryMs } from './heartbeat';
import { lookAtRouter } from './observe-route';
import type { OutsideMetrics, ServingRuntime, Telemetry, TrafficRouter } from './ports';

export interface WatchPorts extends CausePorts {
  readonly serving: (service: string) => ServingRuntime;
  readonly telemetry: Telemetry;
  readonly router: TrafficRouter;
  readonly outside: OutsideMetrics;
}

const HEARTBEAT_MS = 500;
/** A restart of the gateway is no news; a gateway that cannot be reached for longer is. */
const UNREACHABLE_MS = 5_000;
const BACKOFF_MS = [50, 100, 250, 500, 1_000] as const;
const OBSERVE_MS = 300;
const MEMORY_EVERY_MS = 5_000;
/** The interval of a source decides how often there is something new; this is how soon it is seen. */
const OUTSIDE_EVERY_MS = 2_500;

/** What a heartbeat carries: everything that a restarted watch needs to go on where this one was. */
interface Beat {
  readonly cursor: number;
  readonly charts: ChartStates;
}

/**
 * Follows the numbered rows and folds them, until something begins or ends, the route changes, measurement stops or
 * comes back, or `returnAfterMs` is over. A restarted watch takes cursor and charts of its last heartbeat and reads
 * what came since: a death costs delay, never evidence. Read-only, so it may run twice.
 */
export function watchTelemetry(ports: WatchPorts): WatchActivities['watchTelemetry'] {
  return async (input) => {
    const context = Context.current();
    const began = Date.now();
    const fold = new WatchFold(input, beatOf(context.info.heartbeatDetails) ?? (await firstBeat(ports, input, began)));
    const timer = startBeating(fold);
    void lookAtMemory(ports, input, fold);
    const memory = setInterval(() => void lookAtMemory(ports, input, fold), MEMORY_EVERY_MS);
    const outside = watchOutside(ports, input, fold);
    try {
      await follow(ports, input, fold, { began, signal: context.cancellationSignal });
      // Rejects as Temporal expects it of a cancelled activity; the workflow keeps the last result's cursor and charts.
      if (context.cancellationSignal.aborted) await context.cancelled;
      return await resultOf(ports, input, fold);
    } finally {
      clearInterval(timer);
      clearInterval(memory);
      clearInterval(outside);
    }
  };
}

/** New evidence is carried at once; without any, a sign of life is enough. */
function startBeating(fold: WatchFold): NodeJS.Timeout {
  const context = Context.current();
  const quietMs = signOfLifeEveryMs(HEARTBEAT_MS);
  let told = { cursor: -1, at: 0 };
  const beat = (): void => {
    const now = performance.now();
    if (fold.cursor === told.cursor && now - told.at < quietMs) return;
    told = { cursor: fold.cursor, at: now };
    context.heartbeat({ cursor: fold.cursor, charts: fold.snapshot() } satisfies Beat);
  };
  beat();
  return setInterval(beat, Math.min(HEARTBEAT_MS, quietMs));
}

/** Never rejects: a copy that could not be looked at is unmeasured. */
async function lookAtMemory({ serving }: WatchPorts, { service, copy }: WatchInput, fold: WatchFold): Promise<void> {
  if (copy === undefined) return;
  try {
    const { instances } = await serving(service).inspect(service);
    const found = instances.find(({ instance, state }) => instance === copy && state === 'running');
    if (!found?.memoryLimit || found.memoryBytes === null) return;
    const { bytes: limitBytes, of: limitOf } = found.memoryLimit;
    fold.takeMemory({ instance: copy, bytes: found.memoryBytes, limitBytes, limitOf }, Date.now());
  } catch (error) {
    Context.current().log.debug('memory could not be looked at', { copy, error: messageOf(error) });
  }
}

/** Looks at the immediate metrics from outside; undefined where there are none. */
function watchOutside({ outside }: WatchPorts, input: WatchInput, fold: WatchFold): NodeJS.Timeout | undefined {
  const watch = new OutsideWatch(outside, input);
  if (!watch.isNeeded) return undefined;
  const look = (): void => void watch.look(Date.now()).then((judged) => fold.takeOutside(judged));
  look();
  return setInterval(look, OUTSIDE_EVERY_MS);
}

/** Returns when there is something to report, or the time is over, or the watch is cancelled. */
async function follow(
  { telemetry }: WatchPorts,
  input: WatchInput,
  fold: WatchFold,
  { began, signal }: { began: number; signal: AbortSignal },
): Promise<void> {
  let reachedAt = Date.now();
  for (let failures = 0; !signal.aborted; failures += 1) {
    try {
      for await (const row of telemetry.follow(input.service, fold.cursor, signal)) {
        failures = 0;
        reachedAt = Date.now();
        if (row !== null) fold.take(row);
        if (isOver(fold, input, began, reachedAt)) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      // Unreachable telemetry is `unmeasured`, not a failure: the evidence so far stays, and it is asked again.
      Context.current().log.debug('telemetry cannot be followed', { error: messageOf(error) });
    }
    if (isOver(fold, input, began, reachedAt)) return;
    await pause(BACKOFF_MS[Math.min(failures, BACKOFF_MS.length - 1)], undefined, { signal }).catch(() => undefined);
  }
}

function isOver(fold: WatchFold, input: WatchInput, began: number, reachedAt: number): boolean {
  const now = Date.now();
  return fold.hasNews || measurementFlipped(fold, input, began, reachedAt, now) || now - began >= input.returnAfterMs;
}

/** Measurement stopped or came back since it was last reported. A watch that reads old rows first is not silent. */
function measurementFlipped(
  fold: WatchFold,
  { policy }: WatchInput,
  began: number,
  reachedAt: number,
  now: number,
): boolean {
  const { rowAtMs, unmeasuredSince } = fold;
  const unreachable = now - reachedAt >= UNREACHABLE_MS;
  if (unmeasuredSince === null) {
    if (!unreachable && now - Math.max(rowAtMs ?? 0, began) < policy.unmeasuredAfterMs) return false;
    fold.setUnmeasured(rowAtMs ?? began);
    return true;
  }
  if (unreachable || rowAtMs === null || now - rowAtMs >= policy.unmeasuredAfterMs) return false;
  fold.setUnmeasured(null);
  return true;
}

async function resultOf(ports: WatchPorts, input: WatchInput, fold: WatchFold): Promise<WatchResult> {
  const immediate = fold.began.filter(({ verdict }) => verdict.tier === 'immediate');
  const [causes, observed] = await Promise.all([
    Promise.all(immediate.map(async ({ id, verdict }) => [id, await quickCause(ports, input, verdict)] as const)),
    fold.routeEvents.some(({ event }) => event === 'fallbackBegan') ? observe(ports.router, input.service) : null,
  ]);
  const at = Date.now();
  return {
    cursor: fold.cursor,
    charts: fold.snapshot(),
    began: fold.began,
    attributions: Object.fromEntries(causes),
    observed,
    ended: fold.ended,
    tiers: fold.readings(at),
    routeEvents: fold.routeEvents.slice(-20),
    unmeasuredSince: fold.unmeasuredSince,
    at,
  };
}

async function observe(router: TrafficRouter, service: string): Promise<ObservedRoute | null> {
  try {
    return await within(OBSERVE_MS, 'the route', lookAtRouter(router, service));
  } catch {
    return null;
  }
}

function beatOf(details: unknown): Beat | null {
  if (typeof details !== 'object' || details === null) return null;
  const { cursor, charts } = details as Partial<Beat>;
  return typeof cursor === 'number' && typeof charts === 'object' && charts !== null ? { cursor, charts } : null;
}

/**
 * Where a watch without a cursor begins: at the oldest row of the short window, not at the begin of two days of rows.
 * What is older is the business of the assessments.
 */
async function firstBeat({ telemetry, router }: WatchPorts, input: WatchInput, now: number): Promise<Beat> {
  const { cursor, charts, policy, routedAt, service } = input;
  if (cursor > 0) return { cursor, charts };
  try {
    const from = Math.max(routedAt - 1_000, now - policy.shortWindow.windowMs);
    const rows = await within(1_500, 'the newest rows', telemetry.window(service, from, now));
    const oldest = Math.min(...rows.map(({ seq }) => seq));
    if (Number.isFinite(oldest)) return { cursor: Math.max(0, oldest - 1), charts };
    const { lastSeq, inForceSince } = await within(1_500, 'the route', router.read(service));
    // Nothing was counted yet: events (a fallback before the first answer) are read from the begin.
    return { cursor: (inForceSince ?? 0) >= from ? 0 : lastSeq, charts };
  } catch {
    return { cursor, charts };
  }
}
