import type { ServiceConfiguration } from '../../workers/configuration/configuration';
import type { PartAsked } from '../../workers/external-parts';
import { fine, messageOf, unmeasured, warning, type Finding } from './finding';

type Store = Parameters<(typeof import('../../workers/external-parts'))['askExternalOf']>[1];

/** `services.NAME.external`: each part outside of the process, asked once for its version. */
export async function askExternal(service: ServiceConfiguration, store: Store): Promise<Finding[]> {
  if (Object.keys(service.external).length === 0) return [];
  const { askExternalOf } = await import('../../workers/external-parts');
  try {
    return (await askExternalOf(service, store)).map((asked) => judge(service.name, asked));
  } catch (error) {
    // That the store cannot be read is a finding of its own.
    return [unmeasured(`${service.name}: external`, messageOf(error), 'repair the artifact store')];
  }
}

function judge(service: string, { name, outcome, said }: PartAsked): Finding {
  const what = `${service}: external ${name}`;
  const key = `services.${service}.external.${name}`;
  switch (outcome) {
    case 'right':
      return fine(what, said);
    case 'other':
      return warning(what, said, `a shift to that version is refused until it has it; or correct ${key}`);
    case 'silent':
      return warning(what, said, `start it, or correct ${key}: what is not said holds no shift up, and proves none`);
    case 'not-asked':
      return unmeasured(what, said, 'declare it under external in the manifest, or take it out of the configuration');
  }
}
