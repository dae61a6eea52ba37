import { expectProof } from '../adapters/serving/http';
import { ConfigurationError, type ServiceConfiguration } from './configuration/configuration';

/** lastgood itself asks the servers, too, and believes no more of them than the router does. */
export function expectProofs({ name, serving }: ServiceConfiguration): void {
  if (serving.runtime !== 'external' || serving.tls === null) return;
  const { serves, tls } = serving;
  const addresses = 'address' in serves ? [serves.address] : Object.values(serves.versions);
  for (const address of addresses.filter((each) => each.startsWith('https://'))) {
    try {
      expectProof(address, tls);
    } catch (error) {
      throw new ConfigurationError([`services.${name}.serving.tls.caFile: ${(error as Error).message}`]);
    }
  }
}
