import fc from 'fast-check';

/** Runs a property with a seed that is printed, so that a failure can be repeated with FAST_CHECK_SEED. */
export function holds<T>(name: string, property: fc.IProperty<T>, numRuns = 200): void {
  const seed = Number(process.env['FAST_CHECK_SEED'] ?? Date.now() % 2_147_483_647);
  process.stdout.write(`property "${name}": seed ${seed}\n`);
  fc.assert(property, { seed, numRuns });
}
