import { askExternalParts } from '../activities/external-parts';
import type { ArtifactStore } from '../activities/ports';
import { externalParts } from '../adapters/serving/external-parts';
import type { ServiceConfiguration } from './configuration/configuration';

/** What a part outside of the process says; `by` is the newest version that declares it, null where none does. */
export interface PartAsked {
  readonly name: string;
  readonly by: string | null;
  readonly outcome: 'right' | 'other' | 'silent' | 'not-asked';
  readonly said: string;
}

/** Each configured part, asked once for its version, as the newest version that names it declares it. */
export async function askExternalOf(
  service: ServiceConfiguration,
  store: Pick<ArtifactStore, 'list'>,
): Promise<PartAsked[]> {
  const names = Object.keys(service.external);
  if (names.length === 0) return [];
  const ports = externalParts((_, name) => service.external[name] ?? null);
  const versions = [...(await store.list(service.name))].reverse();
  return await Promise.all(
    names.map(async (name): Promise<PartAsked> => {
      const info = versions.find(({ external }) => external.some((part) => part.name === name));
      if (info === undefined)
        return { name, by: null, outcome: 'not-asked', said: 'no version in the store declares it' };
      const external = info.external.filter((part) => part.name === name);
      const { right, wrong, unmeasured } = await askExternalParts(ports, service.name, { ...info, external });
      const said = [...wrong, ...unmeasured, ...right].join('; ');
      const outcome = wrong.length > 0 ? 'other' : unmeasured.length > 0 ? 'silent' : 'right';
      return { name, by: info.version, outcome, said };
    }),
  );
}
