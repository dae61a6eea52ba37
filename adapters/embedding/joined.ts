import type { Embedder } from '../../activities/ports';

/**
 * Two views of a text as one vector, each with half of the weight: what one does not see the other may. Meant for a model
 * that sees meaning beside n-grams that see wording; a new release often says the same in other words.
 */
export function joinedEmbedder(one: Embedder, other: Embedder): Embedder {
  return {
    async embed(texts, signal) {
      const [first, second] = await Promise.all([one.embed(texts, signal), other.embed(texts, signal)]);
      const vectors = first.vectors.map((vector, index) => joined(vector, second.vectors[index] ?? new Float32Array()));
      return { by: `${first.by} + ${second.by}`, vectors };
    },
  };
}

function joined(first: Float32Array, second: Float32Array): Float32Array {
  const both = new Float32Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both.map((value) => value * Math.SQRT1_2);
}
