import { goodPeriodsUntil } from '../../../workflows/detection/good-periods';
import type { DetectionState } from '../../../workflows/contract/inputs';

function state(minHistoryMs: number): DetectionState {
  const route = { version: '1.2', policy: { detection: { minHistoryMs } } };
  return { goodPeriods: [], goodSince: 1_000_000, route } as unknown as DetectionState;
}

test('half a minute of good history counts where the policy is content with it', () => {
  expect(goodPeriodsUntil(state(30_000), 1_045_000)).toEqual([{ version: '1.2', from: 1_000_000, to: 1_045_000 }]);
});

test('with the shipped policy a period below a minute says nothing', () => {
  expect(goodPeriodsUntil(state(1_800_000), 1_045_000)).toEqual([]);
  expect(goodPeriodsUntil(state(1_800_000), 1_065_000)).toHaveLength(1);
});
