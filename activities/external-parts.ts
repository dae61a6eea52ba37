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

/** A part of the version that runs elsewhere did not say which version it has: asked again while there is time. */
export class ExternalPartSilent extends Error {
  override readonly name = 'ExternalPartSilent';
}

/**
 * Before anything is moved: null, or why the candidate is refused. Rejects with {@link ExternalPartSilent} where a part
 * does not say, so that the step is tried again until its deadline; unmeasured is neither good nor bad.
 */
export async function externalRefusal(
  parts: ExternalParts | undefined,
  service: string,
  info: Pick<VersionInfo, 'version' | 'external'> | null,
): Promise<{ readonly why: string | null; readonly notes: readonly string[] }> {
  if (parts === undefined || info === null || info.external.length === 0) return { why: null, notes: [] };
  const { wrong, unmeasured, right, unasked } = await askExternalParts(parts, service, info);
  if (wrong.length > 0) return { why: wrong.join('; '), notes: [] };
  if (unmeasured.length > 0) throw new ExternalPartSilent(unmeasured.join('; '));
  const notes = [
    ...(right.length > 0 ? [`outside: ${right.join(', ')}`] : []),
    ...(unasked.length > 0 ? [`not asked: ${unasked.join(', ')}`] : []),
  ];
  return { why: null, notes };
}
