import { setTimeout as pause } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type { GuardResult, StepOutcome, WatchActivities } from '../workflows/contract/activities';
import { engineOn } from './engine-on';
import { messageOf } from './failures';
import { askProbes, lookAt } from './golden-probes';
import type { ArtifactStore, Engine, GoldenProbe } from './ports';

export interface GuardPorts {
  readonly artifacts: ArtifactStore;
  readonly engine: (service: string) => Engine;
}

const HEARTBEAT_MS = 1_000;
const CALL_MS = 2_000;
/** A proof that failed once is made again before it counts: one slow answer of a loaded machine withdraws no fallback. */
const AGAIN_AFTER_MS = 200;

/**
 * Repeats the standby proof (readiness, reported digest, golden probes) each `intervalMs`. Returns when its outcome is
 * not the known one, or after `returnAfterMs`. Read-only, so it may run twice.
 */
export function guardStandby(ports: GuardPorts): WatchActivities['guardStandby'] {
  return async (input) => {
    const context = Context.current();
    const signal = context.cancellationSignal;
    const began = Date.now();
    const timer = setInterval(() => context.heartbeat(), HEARTBEAT_MS);
    context.heartbeat();
    let probes: GoldenProbe[] | null = null;
    let tokensCompared = false;
    const prove = async (): Promise<StepOutcome> => {
      probes ??= await ports.artifacts.probes(input.service, input.version);
      const { backend, model, service, version } = input;
      const asked = {
        engine: engineOn(ports.engine(service), backend),
        address: backend.address,
        model,
        timeoutMs: CALL_MS,
      };
      const seen = await lookAt(asked, { digest: backend.digest, version });
      if (!seen.ok) return seen;
      const answered = await askProbes(asked, probes, signal, { compareTokens: !tokensCompared });
      tokensCompared = answered.ok;
      return answered;
    };
    try {
      for (;;) {
        const result = await proveTwice(prove, signal);
        if (signal.aborted) await context.cancelled;
        const changed = (result.ok ? 'ok' : 'failed') !== input.known;
        if (changed || Date.now() - began >= input.returnAfterMs) return { ...result, changed };
        await pause(input.intervalMs, undefined, { signal }).catch(() => undefined);
        if (signal.aborted) await context.cancelled;
      }
    } finally {
      clearInterval(timer);
    }
  };
}

async function proveTwice(
  prove: () => Promise<StepOutcome>,
  signal: AbortSignal,
): Promise<Omit<GuardResult, 'changed'>> {
  const once = async (): Promise<StepOutcome> => {
    try {
      return await prove();
    } catch (error) {
      // The probes could not be read, or the guard is cancelled: without them nothing is proven.
      return { ok: false, why: messageOf(error) };
    }
  };
  let outcome = await once();
  if (!outcome.ok && !signal.aborted) {
    await pause(AGAIN_AFTER_MS, undefined, { signal }).catch(() => undefined);
    outcome = await once();
  }
  return { ok: outcome.ok, at: Date.now(), why: outcome.ok ? '' : outcome.why };
}
