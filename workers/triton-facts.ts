import { askTriton, type TritonFacts } from '../adapters/serving/triton/server-facts';
import type { ServiceConfiguration, TritonServing } from './configuration/configuration';
import { expectProofs } from './server-proofs';

export type { TritonFacts };

/**
 * Asks the server of one service about itself and its repository; changes nothing there. It must prove itself as to the
 * router, whoever asks: `doctor` has not opened the adapters. Rejects with ConfigurationError where its CA cannot be read.
 */
export async function tritonFacts(
  service: ServiceConfiguration,
  { address, repository }: TritonServing,
): Promise<TritonFacts> {
  expectProofs(service);
  return await askTriton({ address, model: service.model, repository });
}
