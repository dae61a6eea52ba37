import type { HostActivities } from '../workflows/contract/activities';
import type { ServingRuntime } from './ports';

/** What runs, found by looking; nothing is remembered. Read-only. */
export function inspectInstances(ports: {
  serving: (service: string) => ServingRuntime;
}): HostActivities['inspectInstances'] {
  return async (service) => {
    const { instances } = await ports.serving(service).inspect(service);
    return instances.map(({ instance, version, state, address, digest }) => ({
      instance,
      version,
      state,
      address,
      digest,
    }));
  };
}
