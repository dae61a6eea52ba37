import { reduceInput, type ReducedInput } from '../../domain/environment/input-fields';

const YIELD_EVERY = 50;

/** Yields to the event loop: a body may be long. */
export async function reduceAll(inputs: readonly Parameters<typeof reduceInput>[0][]): Promise<ReducedInput[]> {
  const reduced: ReducedInput[] = [];
  for (const [at, input] of inputs.entries()) {
    reduced.push(reduceInput(input));
    if (at % YIELD_EVERY === YIELD_EVERY - 1) await new Promise(setImmediate);
  }
  return reduced;
}
