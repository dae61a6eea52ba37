export abstract class FaultError extends Error {}

/** The experiment selects nothing that could be hit: it would prove nothing. */
export class FaultSelectsNothing extends FaultError {
  override readonly name = 'FaultSelectsNothing';
}

/** It would reach beyond what is lastgood's own, or beyond its limits. */
export class FaultRefused extends FaultError {
  override readonly name = 'FaultRefused';
}

/** It was tried, and was not seen in effect. */
export class FaultDidNotHappen extends FaultError {
  override readonly name = 'FaultDidNotHappen';
}

/** It was taken back, and was still seen. */
export class FaultRemains extends FaultError {
  override readonly name = 'FaultRemains';
}
