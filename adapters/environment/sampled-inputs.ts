import type { SampledInput } from '../../gateway/protocol';

/** Inputs as the router sampled them, redacted before they were written. */
export interface SampledInputs {
  /**
   * The newest `limit` inputs of [fromMs, toMs), oldest first, those of failed requests as well. `off` where the service
   * does not sample. Rejects when it cannot be asked.
   */
  inputs(
    service: string,
    fromMs: number,
    toMs: number,
    limit: number,
  ): Promise<{ off: boolean; inputs: readonly SampledInput[] }>;
}
