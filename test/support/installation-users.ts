import type { Installation } from './installation';
import type { Tally, Traffic } from './installation-traffic';

/**
 * Counting users in every test of a file, from its first line to its end: nobody may lose a request, and a run with too
 * little traffic does not count. Answers with the traffic of the test that runs.
 */
export function usersLoseNothing(of: () => Installation, enough = 40): () => Traffic {
  let traffic: Traffic | null = null;
  beforeEach(async () => {
    traffic = await of().load({ perSecond: 20 });
  });
  afterEach(async () => {
    if (traffic === null) return;
    const { tally } = await traffic.stop(enough);
    traffic = null;
    expectNothingLost(tally);
  }, 70_000);
  return () => {
    if (traffic === null) throw new Error('no test runs');
    return traffic;
  };
}

export function expectNothingLost({ failed, dropped, reasons }: Tally): void {
  expect({ failed, dropped, reasons }).toEqual({ failed: 0, dropped: 0, reasons: {} });
}
