import type { SeenChange } from '../../domain/detection/where-to-look';
import type { Verdict } from '../../domain/detection/types';
import type { Json } from '../../domain/ledger';
import { within } from '../failures';
import type { Environment, EnvironmentQuestion } from '../ports';

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
  about: EnvironmentQuestion = {},
): Promise<EnvironmentSeen> {
  const seen = await quietly(limitMs, 'the environment', () => environment.assess(service, sinceMs, about));
  if (seen === null) return { changed: [], unmeasured: ['environment'], facts: {} };
  return { changed: seen.changed.slice(0, 10), unmeasured: seen.unmeasured.slice(0, 10), facts: seen.facts };
}

/**
 * The interval in which the degradation began. Where only a moment was estimated it may be too early, and nothing is
 * called later than it; where none was, the moment that the verdict goes back to.
 */
export function onsetOf(verdict: Verdict, now: number): NonNullable<EnvironmentQuestion['onset']> {
  const onset = verdict.onsetMs ?? verdict.sinceMs ?? now;
  return { lowMs: verdict.onsetLowMs ?? onset, highMs: verdict.onsetHighMs ?? now };
}

/** The changed signals as people should read them. */
export function changesSeen({ changed, facts }: Pick<EnvironmentSeen, 'changed' | 'facts'>): SeenChange[] {
  return changed.map((name) => ({ name, words: textIn(facts[name], 'words'), where: textIn(facts[name], 'where') }));
}

/**
 * Whether the machines and dependencies that all versions of a service share were looked at, all of them. What its users
 * send is not among them: a golden probe of another version does not depend on it.
 */
export function lookedAtWhatIsShared({
  changed,
  unmeasured,
}: Pick<EnvironmentSeen, 'changed' | 'unmeasured'>): boolean {
  return changed.length === 0 && unmeasured.every((name) => /^(inputs|users)\b/.test(name));
}

/** Null for what could not be asked or came too late: an assessment goes on with what it has. */
export async function quietly<T>(limitMs: number, what: string, ask: () => Promise<T>): Promise<T | null> {
  try {
    return await within(limitMs, what, ask());
  } catch {
    return null;
  }
}

function textIn(fact: Json | undefined, key: 'words' | 'where'): string | null {
  if (typeof fact !== 'object' || fact === null || Array.isArray(fact)) return null;
  const value = (fact as { readonly [key: string]: Json })[key];
  return typeof value === 'string' ? value.slice(0, 300) : null;
}
