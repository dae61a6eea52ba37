import { Context } from '@temporalio/activity';
import type { Backend } from '../domain/route';
import type { LiveInput, LiveResult, WatchActivities } from '../workflows/contract/activities';
import { engineOn } from './engine-on';
import { messageOf } from './failures';
import { signOfLifeEveryMs } from './heartbeat';
import { lookAt } from './golden-probes';
import { hintsOf } from './instance-hints';
import type { Engine, InstanceEvent, ServingRuntime } from './ports';

export interface LivePorts {
  readonly engine: (service: string) => Engine;
  readonly serving: (service: string) => ServingRuntime;
  /** Told of each event of a copy, where the runtime has any: for the metrics. */
  readonly onCopyEvent?: (service: string, event: InstanceEvent['event']) => void;
}

const HEARTBEAT_MS = 1_000;
const CALL_MS = 2_000;
/** A copy under load may miss a look; one that never answers for this long is called silent. */
const SILENT_AFTER_MS = 5_000;

/** `down`: of several copies those that did not answer while others did. */
type Seen = Pick<LiveResult, 'condition' | 'why'> & { readonly down: readonly string[] };

/** Since when each of several copies has not answered. */
class Silences {
  private readonly since = new Map<string, number>();

  longerThan(ms: number, down: readonly string[], now: number): string[] {
    for (const instance of this.since.keys()) if (!down.includes(instance)) this.since.delete(instance);
    for (const instance of down) if (!this.since.has(instance)) this.since.set(instance, now);
    return down.filter((instance) => now - (this.since.get(instance) ?? now) >= ms).sort();
  }
}

/**
 * Asks each `intervalMs` whether the copies of the live version answer as what they are. `dead` rests on the processes
 * (pid, start time, boot id, nonce), never on a look that failed: a process that is there may answer again. Returns when
 * the condition is not the known one, when other copies than the known are down while some answer, or after `returnAfterMs`. A runtime that is told of deaths (Docker) makes it look at
 * once. Read-only, so it may run twice.
 */
export function guardLive(ports: LivePorts): WatchActivities['guardLive'] {
  return async (input) => {
    const context = Context.current();
    const signal = context.cancellationSignal;
    const began = Date.now();
    const timer = setInterval(() => context.heartbeat(), signOfLifeEveryMs(HEARTBEAT_MS));
    context.heartbeat();
    let silentSince: number | null = null;
    const silences = new Silences();
    const hints = hintsOf(ports.serving(input.service), input.service, (event) => {
      ports.onCopyEvent?.(input.service, event.event);
      context.log.info('a copy, as its runtime tells', { service: input.service, ...event });
    });
    try {
      for (;;) {
        const seen = await look(ports, input);
        if (signal.aborted) await context.cancelled;
        const now = Date.now();
        silentSince = seen.condition === 'silent' ? (silentSince ?? now) : null;
        const counts = silentSince === null || now - silentSince >= SILENT_AFTER_MS;
        const over = now - began >= input.returnAfterMs;
        const down = silences.longerThan(SILENT_AFTER_MS, seen.down, now);
        const others = down.join() !== [...(input.knownDown ?? [])].sort().join();
        if (counts && (seen.condition !== input.known || over || others)) {
          const { condition, why } = seen;
          return { condition, why, at: now, ...(down.length === 0 ? {} : { down }) };
        }
        await hints.orAfter(input.intervalMs, signal);
        if (signal.aborted) await context.cancelled;
      }
    } finally {
      clearInterval(timer);
      hints.close();
    }
  };
}

/** One copy that answers is enough; all must be dead to be called so. */
async function look(ports: LivePorts, input: LiveInput): Promise<Seen> {
  const { service, version, model, copies } = input;
  const ask = async (backend: Backend): Promise<string | null> => {
    const { address, digest, instance } = backend;
    const engine = engineOn(ports.engine(service), backend);
    const seen = await lookAt({ engine, address, model, timeoutMs: CALL_MS }, { digest, version });
    return seen.ok ? null : `${instance}: ${seen.why}`;
  };
  const answers = await Promise.all(copies.map(ask));
  if (answers.includes(null)) {
    const down = copies.flatMap(({ instance }, index) => (answers[index] === null ? [] : [instance]));
    const why = answers.filter((each) => each !== null).join('; ');
    return { condition: 'answers', why: why.slice(0, 300), down };
  }
  const ends = await endsOf(ports.serving(service), input);
  const dead = ends.length === copies.length;
  return { condition: dead ? 'dead' : 'silent', why: (dead ? ends : answers).join('; ').slice(0, 300), down: [] };
}

/** How each copy ended, for those of which that is known for sure. */
async function endsOf(runtime: ServingRuntime, { service, copies }: LiveInput): Promise<string[]> {
  try {
    const { instances } = await runtime.inspect(service);
    return copies.flatMap(({ instance }) => {
      const found = instances.find((one) => one.instance === instance);
      return found?.state === 'exited' ? [`${instance} ended: ${found.exit?.code ?? 'nobody knows how'}`] : [];
    });
  } catch (error) {
    Context.current().log.warn('the copies could not be inspected', { service, error: messageOf(error) });
    return [];
  }
}
