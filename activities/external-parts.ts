import { setTimeout } from 'node:timers/promises';
import { messageOf } from './failures';
import type { ExternalParts } from './ports';
import type { VersionInfo } from '../domain/version';

/** `wrong`: the part has another version. `unmeasured`: it did not say. `unasked`: nobody configured how to ask it. */
export interface ExternalFinding {
  readonly wrong: readonly string[];
  readonly unmeasured: readonly string[];
  readonly right: readonly string[];
  readonly unasked: readonly string[];
}

/** Asks every part that a version declares to run outside of its process which version it has now. Never rejects. */
export async function askExternalParts(
  parts: ExternalParts,
  service: string,
  { version, external }: Pick<VersionInfo, 'version' | 'external'>,
): Promise<ExternalFinding> {
  const found = { wrong: [] as string[], unmeasured: [] as string[], right: [] as string[], unasked: [] as string[] };
  const asked = external.map(async ({ name, version: declared }) => {
    try {
      const has = await parts.version(service, name, declared);
      if (has === null)
        found.unasked.push(`${name} (declared ${declared}; services.${service}.external.${name} is not configured)`);
      else if (has === declared) found.right.push(`${name} ${has}`);
      else found.wrong.push(`${name} has version ${has}, ${service}@${version} needs ${declared}`);
    } catch (error) {
      found.unmeasured.push(
        `${name} does not say its version, ${service}@${version} needs ${declared}: ${messageOf(error)}`,
      );
    }
  });
  await Promise.all(asked);
  return found;
}

/** So long a part that does not say its version is asked again. */
const PATIENCE_MS = 3_000;
const AGAIN_MS = 500;
const SILENT_CHARS = 160;

/**
 * Before anything is moved: why the candidate is refused, or null with what was found out. A part that does not say its
 * version for a few seconds is not said, in the notes: unmeasured is neither good nor bad (I10), and a place that is
 * down must not cost every candidate its turn. Rejects only when `signal` ends the wait.
 */
export async function externalRefusal(
  parts: ExternalParts | undefined,
  service: string,
  info: Pick<VersionInfo, 'version' | 'external'> | null,
  { signal, patienceMs = PATIENCE_MS }: { signal?: AbortSignal; patienceMs?: number } = {},
): Promise<{ readonly why: string | null; readonly notes: readonly string[] }> {
  if (parts === undefined || info === null || info.external.length === 0) return { why: null, notes: [] };
  const until = performance.now() + patienceMs;
  let found = await askExternalParts(parts, service, info);
  while (found.wrong.length === 0 && found.unmeasured.length > 0 && performance.now() + AGAIN_MS < until) {
    await setTimeout(AGAIN_MS, undefined, signal && { signal });
    found = await askExternalParts(parts, service, info);
  }
  const { wrong, unmeasured, right, unasked } = found;
  if (wrong.length > 0) return { why: wrong.join('; '), notes: [] };
  const notes = [
    ...unmeasured.map((words) => `not said: ${words.slice(0, SILENT_CHARS)}`),
    ...(right.length > 0 ? [`outside: ${right.join(', ')}`] : []),
    ...(unasked.length > 0 ? [`not asked: ${unasked.join(', ')}`] : []),
  ];
  return { why: null, notes };
}
