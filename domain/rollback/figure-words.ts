import { noFitReasons } from './input-fit';
import type { Weighed } from './order';

/** For people: how well a version fits the inputs of now, or why that is not known. */
export function fitWords(fit: Weighed['fit'], limit: number): string {
  if (fit === 'stale') return 'fit not known: it was measured too long ago';
  if (fit === 'not-measured') return 'fit not known: it was not measured yet';
  if (typeof fit === 'string') return `fit not known: ${noFitReasons[fit]}`;
  const { distance, field, n } = fit;
  const worst = `PSI ${twoDigits(distance)} at most, at ${field}, of ${n} inputs`;
  return distance <= limit
    ? `fits the inputs of now (${worst})`
    : `differs from the inputs of now (${worst}; limit ${twoDigits(limit)})`;
}

/** `usable` is in order, so the first one is the closest. */
export function noneFits(usable: readonly Weighed[], limit: number): string {
  const [closest] = usable;
  if (!closest) return 'there is no other version';
  return `no version fits the inputs of now; the closest is ${closest.facts.version}, which ${fitWords(closest.fit, limit)}`;
}

function twoDigits(value: number): string {
  return value.toFixed(2);
}
