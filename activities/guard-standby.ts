import { setTimeout as pause } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type { GuardResult, StepOutcome, WatchActivities } from '../workflows/contract/activities';
import { engineOn } from './engine-on';
import { askExternalParts } from './external-parts';
import { messageOf } from './failures';
import { signOfLifeEveryMs } from './heartbeat';
import { askProbes, lookAt } from './golden-probes';
import type { ArtifactStore, Engine, ExternalParts, GoldenProbe } from './ports';

export interface GuardPorts {
  readonly artifacts: ArtifactStore;
  readonly engine: (service: string) => Engine;
  readonly external?: ExternalParts;
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
    const timer = setInterval(() => context.heartbeat(), signOfLifeEveryMs(HEARTBEAT_MS));
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
      const wrong = await wrongOutside(ports, service, version);
      if (wrong !== null) return { ok: false, why: wrong };
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

/** A part outside that moved to another version takes this standby's proof; one that is silent takes nothing. */
async function wrongOutside(ports: GuardPorts, service: string, version: string): Promise<string | null> {
  if (ports.external === undefined) return null;
  const info = await ports.artifacts.get(service, version);
  if (info === null || info.external.length === 0) return null;
  const { wrong } = await askExternalParts(ports.external, service, info);
  return wrong.length === 0 ? null : wrong.join('; ');
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
