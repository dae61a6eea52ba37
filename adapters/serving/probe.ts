import type { Engine, GoldenProbe } from '../../activities/ports';
import { EngineAnswerRefused, EngineUnreachable } from './errors';

export interface ProbeOptions {
  readonly probes: readonly GoldenProbe[];
  /** Digest that the copy must report; null where its version is known by other means only. */
  readonly expectedDigest: string | null;
  /** For each call. */
  readonly timeoutMs: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ProbeResult {
  readonly ok: boolean;
  readonly readiness: { readonly ready: boolean; readonly why: string };
  readonly digest: string | null;
  /** `readiness`, `digest`, or the id of a golden probe. */
  readonly failures: readonly { readonly id: string; readonly expected: string; readonly found: string }[];
  readonly ms: number;
}

/**
 * Whether the copy at an address is what it should be and answers as it should: readiness, then reported digest, then
 * every golden probe. Everything that goes wrong is a failure in the result; nothing of the copy makes this reject.
 */
export async function probeInstance(
  engine: Engine,
  address: string,
  model: string,
  options: ProbeOptions,
): Promise<ProbeResult> {
  const began = performance.now();
  const { timeoutMs, expectedDigest } = options;
  const readiness = await engine.ready(address, model, { timeoutMs });
  if (!readiness.ready) {
    const failures = [{ id: 'readiness', expected: 'ready', found: readiness.why }];
    return { ok: false, readiness, digest: null, failures, ms: performance.now() - began };
  }
  const failures: { id: string; expected: string; found: string }[] = [];
  let digest: string | null = null;
  try {
    digest = (await engine.identity(address, model, { timeoutMs })).digest;
    if (expectedDigest !== null && digest !== expectedDigest) {
      failures.push({ id: 'digest', expected: expectedDigest, found: digest ?? 'none reported' });
    }
  } catch (fault) {
    failures.push({ id: 'digest', expected: expectedDigest ?? 'an answer', found: foundText(fault) });
  }
  for (const probe of options.probes) {
    const { output, value, tolerance = 0 } = probe.expect;
    const expected = `${output} = ${value}${tolerance > 0 ? ` ± ${tolerance}` : ''}`;
    try {
      const call = { timeoutMs, ...(options.headers === undefined ? {} : { headers: options.headers }) };
      const answer = await engine.infer(address, model, probe.request, call);
      const found = answer.outputs[output];
      if (answer.status !== 200) failures.push({ id: probe.id, expected, found: `status ${answer.status}` });
      else if (!matches(value, found, tolerance)) {
        failures.push({ id: probe.id, expected, found: found === undefined ? `no ${output}` : `${output} = ${found}` });
      }
    } catch (fault) {
      failures.push({ id: probe.id, expected, found: foundText(fault) });
    }
  }
  return { ok: failures.length === 0, readiness, digest, failures, ms: performance.now() - began };
}

function matches(expected: string | number, found: string | number | undefined, tolerance: number): boolean {
  if (typeof expected === 'string') return found === expected;
  // NaN is never within a tolerance.
  return typeof found === 'number' && Math.abs(found - expected) <= tolerance;
}

function foundText(fault: unknown): string {
  if (fault instanceof EngineUnreachable || fault instanceof EngineAnswerRefused) return fault.message;
  throw fault;
}
