import { hasTriton } from '../../bench/load/triton-server';

export * from '../../bench/load/triton-server';

/** `describe`, or with one visible line `describe.skip`. */
export function describeTriton(what: string): jest.Describe {
  if (hasTriton) return describe;
  process.stdout.write(`skipped: ${what} (no Triton; scripts/test-deps/triton.sh installs it)\n`);
  return describe.skip;
}
