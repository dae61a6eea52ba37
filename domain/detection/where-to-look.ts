import type { AttributionResult } from './attribution';

/** One changed signal of the environment, in words for people. */
export interface SeenChange {
  readonly name: string;
  /** Value, limit, since when; null where the source has no words. */
  readonly words: string | null;
  /** Where a person should look. */
  readonly where: string | null;
}

const LOOK = 'look at ';
const SAID_MAX = 3;
/** What is left when a cause outside the model is proven and nothing that is measured has changed. */
const SHARED = 'what both versions share: the inputs, the host, what they depend on';

/**
 * The same cause, with what was measured of each changed signal, and where to look. They stand behind the first reason:
 * a report keeps the first ones.
 */
export function withPlaces(result: AttributionResult, changes: readonly SeenChange[]): AttributionResult {
  if (changes.length === 0 && result.attribution !== 'environment') return result;
  const said = changes.flatMap(({ name, words }) => (words === null || words === '' ? [] : [`${name}: ${words}`]));
  const more = said.length > SAID_MAX ? [`and ${said.length - SAID_MAX} more`] : [];
  const evidence = said.length === 0 ? [] : [[...said.slice(0, SAID_MAX), ...more].join('; ')];
  const places = changes.flatMap(({ where }) => (where === null ? [] : [where]));
  const shown = places.length > 0 ? [...new Set(places)].slice(0, SAID_MAX).join('; ') : SHARED;
  const look = result.attribution === 'model' ? [] : [`${LOOK}${shown}`];
  const [first, ...rest] = result.reasons;
  return { ...result, reasons: [...(first === undefined ? [] : [first]), ...evidence, ...look, ...rest] };
}

/** What {@link withPlaces} said of where to look, as a sentence; null where it said nothing. */
export function placesOf(reasons: readonly string[]): string | null {
  const look = reasons.find((reason) => reason.startsWith(LOOK));
  return look === undefined ? null : `L${look.slice(1)}`;
}
