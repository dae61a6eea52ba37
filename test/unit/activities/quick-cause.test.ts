import { judgeQuickly } from '../../../activities/detection/quick-cause';
import { verdictOf } from '../../support/detection-rig';

const deployedAt = Date.UTC(2026, 4, 1, 9);
const onsetMs = deployedAt + 3 * 3_600_000;
const seen = {
  environment: { changed: ['host:cpu'], unmeasured: [], facts: {} },
  standby: { state: 'passed' as const },
  now: onsetMs + 5_000,
};
const causeOf = (hard: boolean): string =>
  judgeQuickly(
    { deployedAt, standby: null },
    verdictOf({ onsetMs, onsetLowMs: onsetMs, onsetHighMs: onsetMs, hard }),
    seen,
  ).attribution;

it('a change of the host hours after a deploy is the cause of a few failures, and is not waited for when most requests fail', () => {
  expect(causeOf(false)).toBe('environment');
  expect(causeOf(true)).toBe('undetermined');
});
