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
/** What a report keeps of one reason; of what does not fit the number is said. */
const REASON_MAX = 200;
/** What is left when a cause outside the model is proven and nothing that is measured has changed. */
const SHARED = 'what both versions share: the inputs, the host, what they depend on';

/**
 * The same cause, with what was measured of each changed signal, and where to look. They stand behind the first reason:
 * a report keeps the first ones.
 */
export function withPlaces(result: AttributionResult, changes: readonly SeenChange[]): AttributionResult {
  if (changes.length === 0 && result.attribution !== 'environment') return result;
  const said = changes.flatMap(({ name, words }) => (words === null || words === '' ? [] : [`${name}: ${words}`]));
  const evidence = said.length === 0 ? [] : [fitting(said)];
  const places = changes.flatMap(({ where }) => (where === null ? [] : [where]));
  const shown = places.length > 0 ? fitting([...new Set(places)]) : SHARED;
  const look = result.attribution === 'model' ? [] : [`${LOOK}${shown}`];
  const [first, ...rest] = result.reasons;
  return { ...result, reasons: [...(first === undefined ? [] : [first]), ...evidence, ...look, ...rest] };
}

/** As many as fit, the first one in any case. */
function fitting(parts: readonly string[]): string {
  const room = REASON_MAX - LOOK.length - '; and 10 more'.length;
  let text = (parts[0] ?? '').slice(0, room);
  for (let at = 1; at < parts.length; at += 1) {
    const longer = `${text}; ${parts[at] ?? ''}`;
    if (longer.length > room) return `${text}; and ${parts.length - at} more`;
    text = longer;
  }
  return text;
}

/** What {@link withPlaces} said of where to look, as a sentence; null where it said nothing. */
export function placesOf(reasons: readonly string[]): string | null {
  const look = reasons.find((reason) => reason.startsWith(LOOK));
  return look === undefined ? null : `L${look.slice(1)}`;
}
