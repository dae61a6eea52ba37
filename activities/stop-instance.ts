import { namesInstance } from '../domain/route';
import type { RouterState } from '../gateway/protocol';
import type { HostActivities } from '../workflows/contract/activities';
import { withHeartbeat } from './heartbeat';
import type { ServingRuntime, TrafficRouter } from './ports';

/**
 * Asks the router in the same activity: a late stop must not end a copy that was chosen again. A router that cannot be
 * asked is a fault, never a yes. Idempotent: a copy that is gone is `absent`.
 */
export function stopInstance(ports: {
  router: TrafficRouter;
  serving: (service: string) => ServingRuntime;
}): HostActivities['stopInstance'] {
  return async ({ service, instance, graceMs }) =>
    await withHeartbeat(1_000, async () => {
      const state = await ports.router.read(service);
      const named = namedBy(state, instance) ?? namedElsewhere(state, instance);
      if (named !== null) return { outcome: 'refused', why: `${named} still names ${instance}` };
      const runtime = ports.serving(service);
      const { outcome, why } = await runtime.stop(instance, { graceMs });
      if (outcome !== 'stopped') return { outcome, why };
      const left = (await runtime.inspect(service)).instances.find((found) => found.instance === instance);
      if (left === undefined || left.state === 'exited') return { outcome, why };
      return { outcome: 'refused', why: `${instance} was stopped and is ${left.state}` };
    });
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
