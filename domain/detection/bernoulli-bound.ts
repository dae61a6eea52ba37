/** KL(p1 ‖ p0) of one observation, in nats. */
export function bernoulliKl(p1: number, p0: number): number {
  const term = (p: number, q: number): number => (p === 0 ? 0 : p * Math.log(p / q));
  return term(p1, p0) + term(1 - p1, 1 - p0);
}

/**
 * Observations that no detector with this ARL can beat by more than a constant: ln(arl) / KL(p1 ‖ p0)
 * (Lorden 1971; Moustakides 1986).
 */
export function bound(p0: number, p1: number, arl: number): number {
  return Math.log(arl) / bernoulliKl(p1, p0);
}

/** The rate at which the evidence for p1 against p0 neither grows nor falls. */
export function breakEvenRate(p0: number, p1: number): number {
  const success = Math.log((1 - p1) / (1 - p0));
  return -success / (Math.log(p1 / p0) - success);
}
