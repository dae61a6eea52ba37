import { normal, type Uniform } from './random';

/** A stationary series: each call is its next value. */
export type Process = (uniform: Uniform) => () => number;

/** Names of the rows and what they stand for; the plain name is independent normal data. */
export const PROCESSES: Readonly<Record<'normal' | 't3' | 'lognormal' | 'ar50' | 'ar80', Process>> = {
  normal: (uniform) => normal(uniform),
  t3: (uniform) => {
    const draw = normal(uniform);
    return () => draw() / Math.sqrt((draw() ** 2 + draw() ** 2 + draw() ** 2) / 3);
  },
  lognormal: (uniform) => {
    const draw = normal(uniform);
    return () => Math.exp(draw());
  },
  ar50: autoregressive(0.5),
  ar80: autoregressive(0.8),
};

/** AR(1) with marginal variance 1, begun in its stationary state. */
function autoregressive(rho: number): Process {
  return (uniform) => {
    const draw = normal(uniform);
    const innovation = Math.sqrt(1 - rho * rho);
    let value = draw();
    return () => (value = rho * value + innovation * draw());
  };
}
