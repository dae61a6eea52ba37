import { quantile } from '../report';

const RESAMPLES = 2000;

/** The 95 % interval of a statistic over files drawn with replacement, the same files for both sides. */
export function pairedBootstrap(
  files: number,
  statistic: (drawn: readonly number[]) => number,
  seed: number,
): { low: number; high: number } {
  const uniform = generator(seed);
  const values = Array.from({ length: RESAMPLES }, () =>
    statistic(Array.from({ length: files }, () => Math.floor(uniform() * files))),
  ).filter((value) => Number.isFinite(value));
  return { low: quantile(values, 0.025), high: quantile(values, 0.975) };
}

/** A linear congruential generator (Numerical Recipes' constants): uniform on [0, 1). */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 4_294_967_296;
  };
}
