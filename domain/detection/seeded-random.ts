// Called some hundred thousand times for one verdict.
const { floor, imul } = Math;

/**
 * Uniform numbers on [0, 1), the same on every machine for the same seed: what a verdict rests on can be computed again.
 * A 32-bit Weyl sequence through a finaliser in the manner of MurmurHash3; period 2³², no use for secrets.
 */
export function seededUniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = imul(state ^ (state >>> 16), 0x85ebca6b);
    mixed = imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 4_294_967_296;
  };
}

/** Shuffles `items[from, to)` in place (Fisher–Yates). */
export function shuffle(items: Int32Array, from: number, to: number, uniform: () => number): void {
  for (let last = to - 1; last > from; last -= 1) {
    const other = from + floor(uniform() * (last - from + 1));
    const moved = items[last] ?? 0;
    items[last] = items[other] ?? 0;
    items[other] = moved;
  }
}
