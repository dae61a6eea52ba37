import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { Engine } from '../../activities/ports';
import type { Json } from '../../domain/ledger';
import { EngineAnswerRefused } from './errors';

export interface IdentityOptions {
  /** Response headers that carry the digest and the version, lower case. */
  readonly digestHeader?: string;
  readonly versionHeader?: string;
  /** Requests whose answers identify a model that reports nothing; deterministic ones, e.g. golden probes. */
  readonly fingerprintProbes?: readonly Json[];
}

export function headerIdentity(
  headers: Readonly<Record<string, string>>,
  options: IdentityOptions,
): { digest: string | null; version: string | null } {
  const read = (name: string | undefined): string | null =>
    name === undefined ? null : (headers[name.toLowerCase()] ?? null);
  return { digest: read(options.digestHeader), version: read(options.versionHeader) };
}

/**
 * `fingerprint:<hex SHA-256>` over the answers to fixed requests, numbers rounded to six significant digits (a model that
 * moved to another machine may differ in the last bits). Equal fingerprints do not prove equal models, only equal answers.
 */
export async function fingerprint(
  probes: readonly Json[],
  infer: (body: Json) => ReturnType<Engine['infer']>,
): Promise<string | null> {
  if (probes.length === 0) return null;
  const hash = createHash('sha256');
  for (const probe of probes) {
    const answer = await infer(probe);
    // A failed answer says nothing of the model: no fingerprint rather than a false one.
    if (answer.status !== 200) throw new EngineAnswerRefused(`a fingerprint request was answered ${answer.status}`);
    // No outputs would be the same fingerprint for every model.
    if (Object.keys(answer.outputs).length === 0)
      throw new EngineAnswerRefused('a fingerprint request was answered without any output to tell models apart by');
    const rounded = Object.entries(answer.outputs).map(([name, value]) => [
      name,
      typeof value === 'number' ? value.toPrecision(6) : value,
    ]);
    hash.update(`${canonicalize(Object.fromEntries(rounded)) ?? ''}\n`);
  }
  return `fingerprint:${hash.digest('hex')}`;
}
