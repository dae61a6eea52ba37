import { expectProof } from '../adapters/serving/http';
import { ConfigurationError, type ServiceConfiguration } from './configuration/configuration';

/** lastgood itself asks the servers, too, and believes no more of them than the router does. */
export function expectProofs({ name, serving }: ServiceConfiguration): void {
  const { tls } = serving;
  if (tls === null) return;
  for (const address of addressesOf(serving).filter((each) => each.startsWith('https://'))) {
    try {
      expectProof(address, tls);
    } catch (error) {
      throw new ConfigurationError([`services.${name}.serving.tls.caFile: ${(error as Error).message}`]);
    }
  }
}

function addressesOf(serving: ServiceConfiguration['serving']): string[] {
  if ('serves' in serving) {
    return 'address' in serving.serves ? [serving.serves.address] : Object.values(serving.serves.versions);
  }
  const { address } = serving as { address?: unknown };
  return typeof address === 'string' ? [address] : [];
}
