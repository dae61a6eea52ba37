import type { HostActivities } from '../workflows/contract/activities';
import type { ServingRuntime } from './ports';

/** Lets go of a copy that serves on. Idempotent: one that is not ours any more is `absent`. */
export function releaseInstance(ports: {
  serving: (service: string) => ServingRuntime;
}): HostActivities['releaseInstance'] {
  return async ({ service, instance }) => {
    const runtime = ports.serving(service);
    if (runtime.release === undefined)
      return { outcome: 'kept', why: `nothing of lastgood is on it that could be taken off (${runtime.kind})` };
    return await runtime.release(instance);
  };
}
