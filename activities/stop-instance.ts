import { namesInstance } from '../domain/route';
import type { RouterState } from '../gateway/protocol';
import type { HostActivities } from '../workflows/contract/activities';
import { withHeartbeat } from './heartbeat';
import { untilIdle } from './idle';
import type { Engine, ServingRuntime, TrafficRouter } from './ports';

/**
 * Asks the router in the same activity: a late stop must not end a copy that was chosen again. A router that cannot be
 * asked is a fault, never a yes. Then the engine, where it counts its requests: the router knows only of those that came
 * through it, and some engines drop what they work on, or answer 500, from the first signal on. Idempotent: a copy that is
 * gone is `absent`.
 */
export function stopInstance(ports: {
  router: TrafficRouter;
  serving: (service: string) => ServingRuntime;
  engine: (service: string) => Engine;
}): HostActivities['stopInstance'] {
  return async ({ service, instance, graceMs }) =>
    await withHeartbeat(1_000, async (signal) => {
      const named = await namedAnywhere(ports.router, service, instance);
      if (named !== null) return { outcome: 'refused', why: `${named} still names ${instance}` };
      const runtime = ports.serving(service);
      const worked = await untilIdle(ports.engine(service), runtime, { service, instance, limitMs: graceMs }, signal);
      // It may have been chosen again while we waited.
      const since = worked === null ? null : await namedAnywhere(ports.router, service, instance);
      if (since !== null) return { outcome: 'refused', why: `${since} names ${instance} again` };
      const stopped = await runtime.stop(instance, { graceMs });
      const { outcome } = stopped;
      const why = worked === null ? stopped.why : `${stopped.why}; ${worked}`;
      if (outcome !== 'stopped') return { outcome, why };
      const left = (await runtime.inspect(service)).instances.find((found) => found.instance === instance);
      if (left === undefined || left.state === 'exited') return { outcome, why };
      return { outcome: 'refused', why: `${instance} was stopped and is ${left.state}` };
    });
}

async function namedAnywhere(router: TrafficRouter, service: string, instance: string): Promise<string | null> {
  const state = await router.read(service);
  return namedBy(state, instance) ?? namedElsewhere(state, instance);
}

/** Of several routers each may still send requests to it; one that cannot be asked is no yes. */
function namedElsewhere({ differing = [] }: RouterState, instance: string): string | null {
  for (const { router, reached, record, why } of differing) {
    if (!reached) return `router ${router} cannot be asked (${why}) and perhaps`;
    if (record !== null && namesInstance(record, instance, Date.now()))
      return `router ${router} (epoch ${record.epoch})`;
  }
  return null;
}

function namedBy({ record, fallback }: RouterState, instance: string): string | null {
  if (record === null) return null;
  if (namesInstance(record, instance, Date.now())) return `the route at epoch ${record.epoch}`;
  const carrying = fallback === null ? [] : (record.backends[fallback.version] ?? []);
  return carrying.some((backend) => backend.instance === instance) ? 'the fallback in use' : null;
}
