import { identityKey, NO_IDENTITY, schemeOf } from '../domain/observed-serving';
import type { StepOutcome } from '../workflows/contract/activities';
import { messageOf } from './failures';
import { askTokens } from './golden-tokens';
import type { Engine, GoldenProbe } from './ports';

export interface Asked {
  readonly engine: Engine;
  readonly address: string;
  readonly model: string;
  readonly timeoutMs: number;
  readonly headers?: Readonly<Record<string, string>>;
}

type Identity = Awaited<ReturnType<Engine['identity']>>;

/** Null when the copy is what the decision names; else what it said instead, in words. */
export function identityProblem(
  { digest, version, means }: Identity,
  expected: { readonly digest: string; readonly version: string },
): string | null {
  // Known by its address alone, or by the name that it gives itself.
  if (expected.digest === NO_IDENTITY) return null;
  if (schemeOf(expected.digest) === 'version:') {
    const key = identityKey({ digest, version });
    return key === expected.digest ? null : `it reports ${key} (${means}), expected ${expected.digest}`;
  }
  // A fingerprint of answers and a digest of a manifest cannot be compared; then the golden probes are the identity.
  if (digest !== null && schemeOf(digest) === schemeOf(expected.digest)) {
    return digest === expected.digest ? null : `it reports ${digest} (${means}), expected ${expected.digest}`;
  }
  if (version !== null) {
    return version === expected.version
      ? null
      : `it reports version ${version} (${means}), expected ${expected.version}`;
  }
  if (means === 'probe-fingerprint') return null;
  return `it reports neither digest nor version (${means}), expected ${expected.digest}`;
}

/** Readiness and identity of one running copy. Nothing that the copy does makes this reject. */
export async function lookAt(
  asked: Asked,
  expected: { readonly digest: string; readonly version: string },
): Promise<StepOutcome> {
  const { engine, address, model, timeoutMs } = asked;
  try {
    const [ready, identity] = await Promise.all([
      engine.ready(address, model, { timeoutMs }),
      engine.identity(address, model, { timeoutMs }).catch((error: unknown) => messageOf(error)),
    ]);
    if (!ready.ready) return { ok: false, why: `not ready: ${ready.why}` };
    if (typeof identity === 'string') return { ok: false, why: `it does not say what it serves: ${identity}` };
    const problem = identityProblem(identity, expected);
    return problem === null ? { ok: true } : { ok: false, why: problem };
  } catch (error) {
    return { ok: false, why: messageOf(error) };
  }
}

/** `tokens`: for how many probes the ids were compared, and why others that carry ids could not be. */
export interface ProbesAnswered {
  readonly answeredBy: string | null;
  readonly tokens: { readonly compared: number; readonly unmeasured: string | null };
}

/**
 * Asks every golden probe, one after the other; the first that is not answered as expected ends it. Token ids only where
 * `compareTokens`: the tokenizer of a running copy does not change, and behind a router nobody may tell them.
 */
export async function askProbes(
  asked: Asked,
  probes: readonly GoldenProbe[],
  signal: AbortSignal,
  { compareTokens = false }: { readonly compareTokens?: boolean } = {},
): Promise<StepOutcome<ProbesAnswered>> {
  let answeredBy: string | null = null;
  let compared = 0;
  let unmeasured: string | null = null;
  for (const probe of probes) {
    signal.throwIfAborted();
    const answer = await askProbe(asked, probe);
    if (!answer.ok) return answer;
    answeredBy = answer.answeredBy;
    // A server that does not tell once is not asked again for each probe.
    if (!compareTokens || unmeasured !== null) continue;
    const tokens = await tokensOf(asked, probe);
    if (!tokens.ok) return tokens;
    compared += tokens.compared;
    unmeasured = tokens.unmeasured;
  }
  return { ok: true, answeredBy, tokens: { compared, unmeasured } };
}

async function tokensOf(asked: Asked, probe: GoldenProbe): Promise<StepOutcome<ProbesAnswered['tokens']>> {
  const { tokens: expected } = probe.expect;
  if (expected === undefined) return { ok: true, compared: 0, unmeasured: null };
  try {
    const found = await askTokens(asked, probe, expected);
    switch (found.is) {
      case 'right':
        return { ok: true, compared: 1, unmeasured: null };
      case 'unmeasured':
        return { ok: true, compared: 0, unmeasured: found.why };
      case 'wrong':
        return {
          ok: false,
          why: `golden probe ${probe.id}: the tokenizer does not fit, although ${probe.expect.output} is right: ${found.why}`,
        };
    }
  } catch (error) {
    return { ok: false, why: `golden probe ${probe.id}: its token ids: ${messageOf(error)}` };
  }
}

export async function askProbe(
  { engine, address, model, timeoutMs, headers }: Asked,
  probe: GoldenProbe,
): Promise<StepOutcome<{ readonly answeredBy: string | null }>> {
  const { output, value, tolerance = 0 } = probe.expect;
  try {
    const options = { timeoutMs, ...(headers === undefined ? {} : { headers }) };
    const answer = await engine.infer(address, model, probe.request, options);
    if (answer.status !== 200) return { ok: false, why: `golden probe ${probe.id}: status ${answer.status}` };
    const found = answer.outputs[output];
    // NaN is never within a tolerance.
    const right =
      typeof value === 'string' ? found === value : typeof found === 'number' && Math.abs(found - value) <= tolerance;
    if (right) return { ok: true, answeredBy: answer.headers['x-lastgood-version'] ?? null };
    const margin = tolerance > 0 ? ` ± ${tolerance}` : '';
    return {
      ok: false,
      why: `golden probe ${probe.id}: ${output} is ${found ?? 'missing'}, expected ${value}${margin}`,
    };
  } catch (error) {
    return { ok: false, why: `golden probe ${probe.id}: ${messageOf(error)}` };
  }
}
