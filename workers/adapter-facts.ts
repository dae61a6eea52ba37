import { AdapterServer } from '../adapters/serving/vllm-adapters/server';
import { apiKeyOf } from './composition';
import type { ServiceConfiguration } from './configuration/configuration';
import { expectProofs } from './server-proofs';

/** Which vLLM a service's adapters are in, and their names, whoever loaded them; rejects where it does not answer as one. */
export async function adapterFacts(
  service: ServiceConfiguration,
  address: string,
): Promise<{ version: string | null; adapters: readonly string[] }> {
  expectProofs(service);
  const server = new AdapterServer(address, apiKeyOf(service) ?? undefined);
  const [version, adapters] = await Promise.all([server.version(), server.adapters()]);
  return { version, adapters: adapters.map(({ name }) => name) };
}
