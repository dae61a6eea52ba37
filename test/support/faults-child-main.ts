import { faultCatalogue } from '../../adapters/faults/catalogue';
import { chaosMesh } from '../../adapters/faults/kubernetes/chaos-mesh';
import { openKubernetes } from '../../adapters/faults/kubernetes/client';
import { litmus } from '../../adapters/faults/kubernetes/litmus';
import type { Faults } from '../../activities/ports';

/**
 * The faults in a cluster as a process of its own: the client library is an ES module, which Node's `require` loads and
 * jest's does not. Asked over the channel of `fork`: `{id, method, args}` → `{id, value}` or `{id, error: {name, message}}`.
 */
const faults = faultCatalogue({
  'chaos-mesh': chaosMesh((place) => openKubernetes(place)),
  litmus: litmus((place) => openKubernetes(place)),
});

process.on('message', (asked: { id: number; method: keyof Faults; args: unknown[] }) => {
  const { id, method, args } = asked;
  const call = faults[method] as (...given: unknown[]) => Promise<unknown>;
  call(...args).then(
    (value) => process.send?.({ id, value }),
    ({ name, message }: Error) => process.send?.({ id, error: { name, message } }),
  );
});
process.on('disconnect', () => process.exit(0));
