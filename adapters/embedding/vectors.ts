import { EmbeddingRefused } from './errors';

/** What is read of a text: far beyond what sentence models see, and a bound on what is sent and hashed. */
export const EMBEDDED_CHARACTERS = 8_192;

export function cut(text: string): string {
  return text.length <= EMBEDDED_CHARACTERS ? text : text.slice(0, EMBEDDED_CHARACTERS);
}

/** The vector at length 1. Throws {@link EmbeddingRefused} for one without a direction: zeros, NaN, infinities. */
export function unit(vector: ArrayLike<number>, from: string): Float32Array {
  let square = 0;
  for (let axis = 0; axis < vector.length; axis += 1) square += (vector[axis] ?? NaN) ** 2;
  const length = Math.sqrt(square);
  if (!(length > 0) || !Number.isFinite(length)) throw new EmbeddingRefused(`${from}: a vector has no direction`);
  return Float32Array.from(vector, (value) => value / length);
}
