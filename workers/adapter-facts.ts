import { AdapterServer } from '../adapters/serving/vllm-adapters/server';

/** Names of the adapters that a vLLM server has, whoever loaded them; rejects where it does not answer as one. */
export async function adaptersAt(address: string): Promise<readonly string[]> {
  return (await new AdapterServer(address).adapters()).map(({ name }) => name);
}
