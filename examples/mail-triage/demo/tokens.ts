/** What a version's server makes of the golden probes of another version: the question that finds a wrong tokenizer. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '../canonical';
import { MODEL_NAME } from '../inference-protocol';
import type { Probe } from '../probes';
import { startServer } from '../server';

interface Answer {
  readonly outputs: readonly { readonly name: string; readonly data: readonly (string | number)[] }[];
}

/** One sentence: how many of the probes of `trusted` the server of `release` labels right, and how many of their ids. */
export async function againstProbesOf(trusted: string, release: string): Promise<string> {
  const { probes } = JSON.parse(readFileSync(join(trusted, 'probes.json'), 'utf8')) as { readonly probes: Probe[] };
  const server = await startServer({ artifact: release, port: 0 });
  try {
    let labels = 0;
    let ids = 0;
    for (const { request, expect } of probes) {
      const outputs = [{ name: 'label' }, { name: 'tokens' }];
      const response = await fetch(`http://127.0.0.1:${server.port}/v2/models/${MODEL_NAME}/infer`, {
        method: 'POST',
        body: JSON.stringify({ ...request, outputs }),
      });
      const [label, tokens] = ((await response.json()) as Answer).outputs;
      if (label?.data[0] === expect.value) labels += 1;
      if (sha256(JSON.stringify(tokens?.data ?? [])) === expect.tokens?.sha256) ids += 1;
    }
    return `${labels} of ${probes.length} labels right, the token ids of ${ids}`;
  } finally {
    await server.stop();
  }
}
