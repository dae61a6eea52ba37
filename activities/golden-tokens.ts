import { createHash } from 'node:crypto';
import type { Asked } from './golden-probes';
import type { ExpectedTokens, GoldenProbe } from './ports';

/** `unmeasured`: the server does not tell its token ids; neither good nor bad. */
export type TokensFinding =
  | { readonly is: 'right' }
  | { readonly is: 'wrong'; readonly why: string }
  | { readonly is: 'unmeasured'; readonly why: string };

/** Asks what the server's tokenizer makes of a probe. Rejects as the engine does when it does not answer. */
export async function askTokens(
  { engine, address, model, timeoutMs, headers }: Asked,
  { request }: GoldenProbe,
  expected: ExpectedTokens,
): Promise<TokensFinding> {
  if (engine.askTokens === undefined)
    return { is: 'unmeasured', why: `the protocol ${engine.name} has no way to ask for token ids` };
  const { text, output } = expected;
  const question = { request, ...(text === undefined ? {} : { text }), ...(output === undefined ? {} : { output }) };
  const answer = await engine.askTokens(address, model, question, { timeoutMs, ...(headers && { headers }) });
  if ('unavailable' in answer) return { is: 'unmeasured', why: answer.unavailable };
  const why = tokensProblem(answer.ids, expected);
  return why === null ? { is: 'right' } : { is: 'wrong', why };
}

/** SHA-256, in hex, of the ids as a JSON array without spaces. */
export function tokensDigest(ids: readonly number[]): string {
  return createHash('sha256').update(JSON.stringify(ids)).digest('hex');
}

/** Null when the ids are the expected ones. Ids are named, never the text behind them. */
export function tokensProblem(found: readonly number[], expected: ExpectedTokens): string | null {
  if ('ids' in expected) {
    const { ids } = expected;
    const at = ids.findIndex((id, index) => found[index] !== id);
    if (at >= 0) return `token ${at + 1} of ${ids.length} is ${found[at] ?? 'missing'}, expected ${ids[at]}`;
    return found.length === ids.length ? null : `${found.length} tokens, expected ${ids.length}`;
  }
  const { count, sha256 } = expected;
  if (found.length !== count) return `${found.length} tokens, expected ${count}`;
  const digest = tokensDigest(found);
  return digest === sha256 ? null : `${count} tokens, but others (sha256 ${digest}, expected ${sha256})`;
}
