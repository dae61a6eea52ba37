/**
 * Seeded pseudo-random numbers (sfc32, Chris Doty-Humphrey's small fast counting generator): the same seed gives the
 * same sequence on every platform, so that a build or a replay can be repeated from the seed that was printed.
 */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** An integer in [0, below). */
  integer(below: number): number;
}

export function seededRandom(seed: number): Random {
  let a = 0x9e3779b9 ^ seed;
  let b = 0x243f6a88;
  let c = 0xb7e15162;
  let counter = 1;
  const step = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  // The first outputs of neighbouring seeds are alike; a few rounds mix the state.
  for (let round = 0; round < 16; round += 1) step();
  const next = (): number => step() / 4294967296;
  return { next, integer: (below) => Math.floor(next() * below) };
}

/** Fisher–Yates, in place. */
export function shuffle(items: Int32Array, random: Random): void {
  for (let last = items.length - 1; last > 0; last -= 1) {
    const other = random.integer(last + 1);
    const held = items[last] as number;
    items[last] = items[other] as number;
    items[other] = held;
  }
}
