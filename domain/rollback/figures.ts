import type { StoredVersion, VersionFigures } from '../service/state';

/**
 * The whole state of a service is at most 128 KiB with 200 versions (I15), and this is what is left of it: about the 35
 * newest versions. Of those that are left out nothing is known, which speaks neither for nor against them.
 */
const FIGURES_CHARS = 4_800;
const LABEL_CHARS = 32;

/** What a list of versions says of each, the newest ones where all are too many. `listed` is oldest first. */
export function figuresOf(listed: readonly StoredVersion[]): Readonly<Record<string, VersionFigures>> {
  const kept: [string, VersionFigures][] = [];
  let room = FIGURES_CHARS;
  for (const stored of [...listed].sort((left, right) => right.importedAt - left.importedAt)) {
    const figures = figuresOfOne(stored);
    room -= JSON.stringify([stored.version, figures]).length + 1;
    if (room < 0) break;
    kept.push([stored.version, figures]);
  }
  return Object.fromEntries(kept.reverse());
}

function figuresOfOne({ evaluation, fit }: StoredVersion): VersionFigures {
  const [weakest] = Object.entries(evaluation?.byClass ?? {}).sort(
    ([left, { recall: a }], [right, { recall: b }]) => a - b || (left < right ? -1 : 1),
  );
  return {
    ...(evaluation && { accuracy: rounded(evaluation.accuracy) }),
    ...(weakest && { weakest: [weakest[0].slice(0, LABEL_CHARS), rounded(weakest[1].recall)] as const }),
    ...(fit !== undefined && { fit }),
  };
}

function rounded(rate: number): number {
  return Math.round(rate * 10_000) / 10_000;
}
