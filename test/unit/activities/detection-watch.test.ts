import { MockActivityEnvironment } from '@temporalio/testing';
import type { OutsideMetrics, Telemetry } from '../../../activities/ports';
import { watchTelemetry, type WatchPorts } from '../../../activities/watch-telemetry';
import { outsideReference } from '../../../domain/detection/outside-metric';
import type { TelemetryRow } from '../../../gateway/protocol';
import type { WatchInput, WatchResult } from '../../../workflows/contract/activities';
import { pushedScore } from '../../support/outside-metric';
import { counts, event, rows, watchInput } from './detection-rows';

const unused = (): never => {
  throw new Error('was called and is not stubbed');
};

/** Rows after the cursor, then silence. Fails the first `failures` times. */
function following(all: readonly TelemetryRow[], failures = 0): Telemetry {
  let left = failures;
  return {
    async *follow(_service, cursor, signal) {
      if ((left -= 1) >= 0) throw new Error('unreachable');
      for (const row of all) if (row.seq > cursor) yield row;
      while (!signal.aborted) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        yield null;
      }
    },
    window: async () => [],
    samples: unused,
    feedback: unused,
    answer: unused,
    answersAt: unused,
  };
}

function portsOf(telemetry: Telemetry, outside: OutsideMetrics = { values: unused }): WatchPorts {
  const state = {
    service: 'mail-triage',
    record: null,
    floor: 0,
    inForceSince: null,
    fallback: { version: '1.2', since: 5, epoch: 7, reason: 'refused' },
    inFlight: {},
    pinned: {},
    lastSeq: 0,
  };
  return {
    telemetry,
    router: { read: async () => state, apply: unused, fence: unused, drained: unused, entrance: unused },
    artifacts: {
      list: unused,
      get: unused,
      verify: unused,
      materialise: unused,
      probes: unused,
      annotate: unused,
    },
    environment: { assess: async () => ({ changed: [], unmeasured: [], facts: {} }) },
    engine: unused,
    serving: unused,
    outside,
  };
}

async function watch(
  telemetry: Telemetry,
  input: Partial<WatchInput> = {},
  heartbeatDetails?: unknown,
  outside?: OutsideMetrics,
): Promise<{ result: WatchResult; beats: unknown[] }> {
  const env = new MockActivityEnvironment(heartbeatDetails === undefined ? {} : { heartbeatDetails });
  const beats: unknown[] = [];
  env.on('heartbeat', (beat: unknown) => beats.push(JSON.parse(JSON.stringify(beat))));
  const run = watchTelemetry(portsOf(telemetry, outside));
  const result: WatchResult = await env.run(run, watchInput({ returnAfterMs: 5_000, ...input }));
  return { result, beats };
}

const failing = rows(60, (seq) => counts(seq, { failures: seq > 30 ? 14 : 0 }));

describe('watchTelemetry', () => {
  it('returns a verdict with its cause as soon as it begins', async () => {
    const { result } = await watch(following(failing), { cursor: 1 });

    const id = result.began[0]?.id ?? '';
    expect(result.began[0]?.verdict.metric).toBe('error-rate');
    expect(result.attributions[id]?.attribution).toBe('model');
    expect(result.cursor).toBeLessThanOrEqual(32);
  });

  it('goes on from the heartbeat of the watch that died, with the same verdict', async () => {
    const whole = await watch(following(failing), { cursor: 1 });
    const first = await watch(following(failing.slice(0, 30)), { cursor: 1, returnAfterMs: 700 });
    const last = first.beats.at(-1) as { cursor: number };
    expect(last.cursor).toBe(30);

    const second = await watch(following(failing), { cursor: 1 }, last);

    expect(second.result.began).toEqual(whole.result.began);
    expect(Buffer.byteLength(JSON.stringify(last))).toBeLessThan(16 * 1024);
  });

  it('returns a verdict on an immediate metric from outside without waiting for an assessment', async () => {
    const now = Date.now();
    const good = Array.from({ length: 300 }, (_, index) => ({ atMs: index, value: 80 + (index % 7) / 3, samples: 1 }));
    const entry = { value: 81, n: 300, spread: null, source: 'good hours', reference: outsideReference(good, 2) };
    const { baseline, policy } = watchInput();
    const outside: OutsideMetrics = {
      values: async () =>
        Array.from({ length: 60 }, (_, index) => ({
          atMs: now - (60 - index) * 5_000,
          value: index < 40 ? 80 + (index % 7) / 3 : 60,
          n: null,
        })),
    };
    const input = {
      cursor: 1,
      routedAt: now - 3_600_000,
      policy: { ...policy, outside: [{ ...pushedScore, tier: 'immediate' as const }] },
      baseline: { ...baseline, metrics: { ...baseline.metrics, quality: entry } },
    };
    const { result } = await watch(following([]), input, undefined, outside);
    const id = result.began[0]?.id ?? '';
    expect(result.began[0]?.verdict).toMatchObject({ metric: 'quality', tier: 'immediate', kind: 'degraded' });
    expect(result.attributions[id]).toBeDefined();
    expect(result.tiers.find(({ metric }) => metric === 'quality')).toMatchObject({ kind: 'degraded' });
    expect(result.at - now).toBeLessThan(3_000);
  });

  it('follows again when telemetry could not be reached', async () => {
    const { result } = await watch(following(failing, 3), { cursor: 1 });

    expect(result.began).toHaveLength(1);
    expect(result.unmeasuredSince).toBeNull();
  });

  it('returns what the router says together with the verdict when it began to use its fallback', async () => {
    const { result } = await watch(following([event(2, 'fallbackBegan', { detail: 'refused' })]), { cursor: 1 });

    expect(result.began[0]?.verdict).toMatchObject({ metric: 'live-backend', hard: true });
    expect(result.observed?.fallback).toMatchObject({ version: '1.2', epoch: 7 });
  });

  it('says since when nothing can be measured, neither good nor bad', async () => {
    const policy = { ...watchInput().policy, unmeasuredAfterMs: 200 };
    const { result } = await watch(following([]), { cursor: 1, policy });

    expect(result.unmeasuredSince).not.toBeNull();
    expect(result.began).toEqual([]);
    expect(result.tiers.find(({ metric }) => metric === 'error-rate')?.kind).toBe('unmeasured');
  });
});
