import type { InputFit } from './input-fit';
import type { StoredVersion, VersionFigures } from '../service/state';

/**
 * The whole state of a service is at most 128 KiB with 200 versions (I15), and this is what is left of it: about the 25
 * newest versions. Of those that are left out nothing is known, which speaks neither for nor against them.
 */
const FIGURES_BYTES = 3_500;
const LABEL_CHARS = 32;

interface FigureOptions {
  /** What is kept of the list beside the figures, in the same room. */
  readonly besides?: unknown;
  /** The fit that was known of this content, for a list that brings none: a controller that starts measures first. */
  readonly fitBefore?: (stored: StoredVersion) => InputFit | undefined;
}

/** What a list of versions says of each, the newest ones where all are too many. `listed` is oldest first. */
export function figuresOf(
  listed: readonly StoredVersion[],
  { besides, fitBefore }: FigureOptions = {},
): Readonly<Record<string, VersionFigures>> {
  const kept: [string, VersionFigures][] = [];
  let room = FIGURES_BYTES - (besides === undefined ? 0 : utf8Bytes(JSON.stringify(besides)));
  for (const stored of [...listed].sort((left, right) => right.importedAt - left.importedAt)) {
    const figures = figuresOfOne({ ...stored, fit: stored.fit ?? fitBefore?.(stored) });
    room -= utf8Bytes(JSON.stringify([stored.version, figures])) + 1;
    if (room < 0) break;
    kept.push([stored.version, figures]);
  }
  return Object.fromEntries(kept.reverse());
}

function figuresOfOne({
  evaluation,
  fit,
}: Pick<StoredVersion, 'evaluation'> & { readonly fit: InputFit | undefined }): VersionFigures {
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

/** Bytes of the text as UTF-8. A surrogate is half of a character of four bytes. */
function utf8Bytes(text: string): number {
  let bytes = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    bytes += code < 0x80 ? 1 : code < 0x800 || (code >= 0xd800 && code <= 0xdfff) ? 2 : 3;
  }
  return bytes;
}
