import { setTimeout as pause } from 'node:timers/promises';
import type { RouterState, TelemetryRow } from '../gateway/protocol';
import type { ControlActivities, StepOutcome } from '../workflows/contract/activities';
import { messageOf } from './failures';
import { askProbes } from './golden-probes';
import { withHeartbeat } from './heartbeat';
import type { ArtifactStore, Engine, Telemetry, TrafficRouter } from './ports';

type Input = Parameters<ControlActivities['verifyShift']>[0];
type Outcome = Awaited<ReturnType<ControlActivities['verifyShift']>>;
interface Ports {
  readonly router: TrafficRouter;
  readonly telemetry: Telemetry;
  readonly artifacts: ArtifactStore;
  readonly engine: (service: string) => Engine;
}

const probeTimeoutMs = 3_000;
/** Probes right after a shift may meet connections that are being made; a wrong answer thrice is a wrong answer. */
const probeAttempts = 3;
const probePauseMs = 200;
/** Clearly bad: so many failures, and more than this share of the answers. */
const badCount = 5;
const badShare = 0.2;
/** So many failures without one good answer say the same. */
const badWithoutGood = 3;

/**
 * Quick verify: golden probes through the router, then the answers that users got. Ends early when enough of them are good
 * or when they are clearly bad; without traffic the probes decide. Read-only, so an attempt that died is simply repeated.
 */
export function verifyShift(ports: Ports): ControlActivities['verifyShift'] {
  return async (input) =>
    await withHeartbeat(500, async (signal) => {
      const beganAt = performance.now();
      const state = await ports.router.read(input.service);
      const routed = routedRight(state, input);
      if (!routed.ok) return routed;
      const isPrimary = state.record?.primary === input.version;
      // While it has only a share nobody can say which version will answer a probe at the entrance.
      const probed = isPrimary ? await probeEntrance(ports, input, signal) : { ok: true as const, probes: 0 };
      if (!probed.ok) return probed;
      const tally = await countAnswers(ports.telemetry, input, state.lastSeq, signal);
      return judged(tally, probed.probes, Math.round(performance.now() - beganAt));
    });
}

function routedRight({ record, fallback }: RouterState, { version, epoch, digest }: Input): StepOutcome {
  if (record === null) return { ok: false, why: 'the router has no route' };
  if (record.epoch < epoch) return { ok: false, why: `the router is at epoch ${record.epoch}, expected ${epoch}` };
  if (record.primary !== version && record.share?.version !== version) {
    return {
      ok: false,
      why: `the router sends requests to ${record.primary} (epoch ${record.epoch}), not to ${version}`,
    };
  }
  if (fallback !== null && fallback.epoch >= epoch && fallback.version !== version) {
    return { ok: false, why: `the router fell back to ${fallback.version}: ${fallback.reason}` };
  }
  const wrong = (record.backends[version] ?? []).find((backend) => backend.digest !== digest);
  return wrong === undefined
    ? { ok: true }
    : { ok: false, why: `${wrong.instance} has ${wrong.digest}, not ${digest}` };
}

async function probeEntrance(
  ports: Ports,
  { service, version, model }: Input,
  signal: AbortSignal,
): Promise<StepOutcome<{ readonly probes: number }>> {
  const probes = await ports.artifacts.probes(service, version);
  const { address, probeHeaders: headers } = await ports.router.entrance(service);
  const asked = { engine: ports.engine(service), address, model, timeoutMs: probeTimeoutMs, headers };
  for (let attempt = 1; ; attempt++) {
    const answered = await askProbes(asked, probes, signal);
    const wrong = answered.ok
      ? answered.answeredBy !== null && answered.answeredBy !== version
        ? `answered by ${answered.answeredBy}`
        : null
      : answered.why;
    if (wrong === null) return { ok: true, probes: probes.length };
    if (attempt === probeAttempts) return { ok: false, why: `through the router: ${wrong}` };
    await pause(probePauseMs, undefined, { signal });
  }
}

interface Tally {
  readonly good: number;
  readonly bad: number;
  /** Why the telemetry could not be read to the end; the probes decide then. */
  readonly unread: string | null;
}

async function countAnswers(telemetry: Telemetry, input: Input, lastSeq: number, signal: AbortSignal): Promise<Tally> {
  const until = performance.now() + input.maxMs;
  const over = AbortSignal.any([signal, AbortSignal.timeout(input.maxMs)]);
  const counts = { good: 0, bad: 0 };
  const decided = (): boolean => counts.good >= input.goodAnswers || clearlyBad(counts.good, counts.bad);
  try {
    // Rows up to the sequence number that the router had at the beginning come from the store, later ones as they close:
    // no row is counted twice.
    for (const row of await telemetry.window(input.service, input.sinceMs, Date.now())) {
      if (row.seq <= lastSeq) count(row, input, counts);
    }
    if (decided()) return { ...counts, unread: null };
    for await (const row of telemetry.follow(input.service, lastSeq, over)) {
      if (row !== null) count(row, input, counts);
      if (decided() || performance.now() >= until) break;
    }
    return { ...counts, unread: null };
  } catch (error) {
    signal.throwIfAborted();
    // The time that was allowed is over; this is how a follower is told to end.
    if (over.aborted) return { ...counts, unread: null };
    return { ...counts, unread: messageOf(error) };
  }
}

function count(row: TelemetryRow, input: Input, counts: { good: number; bad: number }): void {
  if (row.kind !== 'counts' || row.version !== input.version || row.cohort !== (input.cohort ?? 'live')) return;
  if (row.toMs <= input.sinceMs) return;
  // The same version may have answered the drill before, made worse: only what it answers under this record counts.
  if (input.cohort !== undefined && row.epoch < input.epoch) return;
  counts.good += row.requests - row.failures;
  counts.bad += row.failures + row.timeouts;
}

function clearlyBad(good: number, bad: number): boolean {
  return bad >= badCount && bad > badShare * (good + bad);
}

function judged({ good, bad, unread }: Tally, probes: number, ms: number): Outcome {
  const total = good + bad;
  const seen = `${good} good and ${bad} failed answers`;
  if (clearlyBad(good, bad) || (good === 0 && bad >= badWithoutGood)) return { ok: false, why: `users get ${seen}` };
  // One failure of two requests says nothing; neither does silence.
  const tooFew = total < badCount && bad > 0;
  const byProbesOnly = total === 0 || tooFew || unread !== null;
  if (!byProbesOnly) return { ok: true, goodAnswers: good, ms, byProbesOnly, note: `${probes} golden probes, ${seen}` };
  const because = unread !== null ? `telemetry: ${unread}` : total === 0 ? 'no traffic' : `too few answers (${seen})`;
  if (probes === 0)
    return { ok: true, goodAnswers: good, ms, byProbesOnly, note: `nothing could be measured: ${because}` };
  return { ok: true, goodAnswers: good, ms, byProbesOnly, note: `${probes} golden probes decide: ${because}` };
}
