import { AdapterServer } from '../adapters/serving/vllm-adapters/server';
import { apiKeyOf } from './composition';
import type { ServiceConfiguration } from './configuration/configuration';

/** Names of the adapters that the vLLM of a service has, whoever loaded them; rejects where it does not answer as one. */
export async function adaptersAt(service: ServiceConfiguration, address: string): Promise<readonly string[]> {
  const server = new AdapterServer(address, apiKeyOf(service) ?? undefined);
  return (await server.adapters()).map(({ name }) => name);
}
