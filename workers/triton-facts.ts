import { askTriton, type TritonFacts } from '../adapters/serving/triton/server-facts';
import type { ServiceConfiguration, TritonServing } from './configuration/configuration';

export type { TritonFacts };

/** Asks the server of one service about itself and its repository; changes nothing there. */
export function tritonFacts(
  { model }: Pick<ServiceConfiguration, 'model'>,
  { address, repository }: TritonServing,
): Promise<TritonFacts> {
  return askTriton({ address, model, repository });
}
