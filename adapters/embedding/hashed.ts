import type { Embedder } from '../../activities/ports';
import { cut, unit } from './vectors';

const DIMENSIONS = 512;
const [SHORTEST, LONGEST] = [3, 5];
/** Between two looks at the event loop; one text of the greatest length takes about 3 ms. */
const TEXTS_A_SLICE = 4;

/**
 * Which character n-grams (3 to 5, case folded) a text has, hashed into signed buckets. Presence, not counts: what an
 * answer says often would drown what it says. Knows no meaning, only wording: enough for answers that change in form,
 * language, phrase or topic. Needs nothing but itself.
 */
export function hashedEmbedder(): Embedder {
  return {
    async embed(texts, signal) {
      const vectors: Float32Array[] = [];
      for (const [index, text] of texts.entries()) {
        if (index % TEXTS_A_SLICE === 0) await new Promise(setImmediate);
        signal.throwIfAborted();
        vectors.push(unit(ngrams(text), 'hashed n-grams'));
      }
      return { by: `hashed-ngrams/1 ${SHORTEST}-${LONGEST} ${DIMENSIONS}`, vectors };
    },
  };
}

function ngrams(text: string): Float64Array {
  // Begin and end are characters too: the empty text has n-grams, and how answers begin is a feature.
  const padded = `\u0002 ${cut(text).trim().toLowerCase().replace(/\s+/g, ' ')} \u0003`;
  const present = new Set<number>();
  for (let from = 0; from < padded.length; from += 1) {
    let hash = 0x811c9dc5;
    for (let at = from; at < Math.min(padded.length, from + LONGEST); at += 1) {
      // FNV-1a over code units.
      hash = Math.imul(hash ^ padded.charCodeAt(at), 0x01000193) >>> 0;
      if (at - from + 1 >= SHORTEST) present.add(hash);
    }
  }
  const vector = new Float64Array(DIMENSIONS);
  for (const hash of present) {
    const mixed = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0;
    const bucket = mixed % DIMENSIONS;
    vector[bucket] = (vector[bucket] ?? 0) + (mixed >>> 31 === 0 ? 1 : -1);
  }
  return vector;
}
