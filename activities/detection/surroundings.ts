import type { Json } from '../../domain/ledger';
import { within } from '../failures';
import type { Environment } from '../ports';

export interface EnvironmentSeen {
  readonly changed: string[];
  readonly unmeasured: string[];
  readonly facts: { readonly [key: string]: Json };
}

/** What of the environment changed since then; what does not answer in time is `unmeasured`. Never rejects. */
export async function environmentSince(
  environment: Environment,
  service: string,
  sinceMs: number,
  limitMs: number,
): Promise<EnvironmentSeen> {
  const seen = await quietly(limitMs, 'the environment', () => environment.assess(service, sinceMs));
  if (seen === null) return { changed: [], unmeasured: ['environment'], facts: {} };
  return { changed: seen.changed.slice(0, 10), unmeasured: seen.unmeasured.slice(0, 10), facts: seen.facts };
}

/** Null for what could not be asked or came too late: an assessment goes on with what it has. */
export async function quietly<T>(limitMs: number, what: string, ask: () => Promise<T>): Promise<T | null> {
  try {
    return await within(limitMs, what, ask());
  } catch {
    return null;
  }
}
