import type { IncompatibleVersions, ServiceState, StoredVersion } from '../service/state';

const WHY_CHARS = 120;
/** Versions of one service differ in few ways; what goes beyond gets the general words, never less than the bar. */
const REASONS = 6;

/**
 * Who could not serve the clients of the live version, by reason: each version costs its name only, so that none has to be
 * left out (I8, I15). Undefined where nobody is.
 */
export function incompatibleOf(listed: readonly StoredVersion[]): IncompatibleVersions | undefined {
  const found = listed.flatMap(({ incompatible }) => (typeof incompatible === 'object' ? [incompatible] : []));
  const live = found[0]?.live;
  if (live === undefined) return undefined;
  const reasons = new Map<string, string[]>();
  for (const { version, incompatible } of listed) {
    if (incompatible === undefined || incompatible === false) continue;
    // Versions of one list are compared with one live version.
    const said = incompatible === true ? '' : incompatible.why.slice(0, WHY_CHARS);
    const why = reasons.has(said) || reasons.size < REASONS ? said : '';
    reasons.set(why, [...(reasons.get(why) ?? []), version]);
  }
  return { live, reasons: [...reasons].map(([why, versions]) => ({ why, versions })) };
}

/** Why clients of the live version could not be served by it; null where nothing speaks against it. */
export function incompatibility(
  { incompatible }: Pick<ServiceState, 'incompatible'>,
  version: string,
  live: string | null,
): string | null {
  // Of another live version than this one nothing is known.
  if (incompatible === undefined || incompatible.live !== live) return null;
  const reason = incompatible.reasons.find(({ versions }) => versions.includes(version));
  return reason === undefined ? null : reason.why || `clients of ${live} could not use it`;
}
