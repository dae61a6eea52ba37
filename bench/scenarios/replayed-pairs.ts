import type { AskedOfBoth } from '../../activities/attribute-cause';
import { LATENCY } from '../../activities/detection/latency-chart';
import { TAIL_LOG } from '../../activities/detection/timed-pairs';
import type { PairedLatency, PairedReplay } from '../../domain/detection/paired-evidence';
import type { Verdict } from '../../domain/detection/types';
import type { DetectionPolicy } from '../../domain/policy';
import { normal } from '../calibration/random';
import { CLASSES, type ClassName, type World } from './world';

/** A twentieth of the answers is labelled; of these the newest are replayed. */
const LABELS_A_MINUTE = 60;
/** Share of the inputs on which both versions are right or wrong for the same reason: the input itself. */
const SHARED_DIFFICULTY = 0.8;
const NAMES = Object.keys(CLASSES) as ClassName[];

/** One replayed input and the pause after it. */
const INPUT_MS = 120;
/** Requests that are timed on both copies within the budget, and how much the same request scatters on one copy. */
const TIMED = { cause: 120, look: 60 };
const CALL_SD_LOG = 0.25;

/** What asking both versions gives at the moment of a verdict. */
export function askedOfBoth(
  world: World,
  verdict: Verdict,
  { maxInputs, budgetMs }: DetectionPolicy['replay'],
  now: number,
): AskedOfBoth {
  if (verdict.metric === LATENCY) return { answers: 'the verdict is on times', times: timed(world, now, 'cause') };
  return { answers: replayed(world, verdict, Math.min(maxInputs, Math.floor(budgetMs / INPUT_MS)), now) };
}

export function timed(
  { slownessAt, idleFasterLog, uniform }: World,
  now: number,
  by: keyof typeof TIMED,
): PairedLatency {
  const pairs = TIMED[by];
  const { live, before } = slownessAt(now - 1);
  const apart = Math.log(live / before) + idleFasterLog;
  const draw = normal(uniform);
  const logs = Array.from({ length: pairs }, () => apart + Math.SQRT2 * CALL_SD_LOG * draw());
  const meanLog = logs.reduce((sum, one) => sum + one, 0) / pairs;
  const variance = logs.reduce((sum, one) => sum + (one - meanLog) ** 2, 0) / (pairs - 1);
  const tail = {
    slower: logs.filter((one) => one - meanLog > TAIL_LOG).length,
    faster: logs.filter((one) => meanLog - one > TAIL_LOG).length,
  };
  return { pairs, meanLog, sdLog: Math.sqrt(variance), tail, by: 'samples' };
}

/**
 * Labelled inputs of the live version since the onset, those of the failing class where one is named, answered by the
 * version before as well. A text: why there are none.
 */
function replayed(
  { recallAt, uniform }: World,
  { classLabel, onsetLowMs, onsetMs, sinceMs }: Verdict,
  maxInputs: number,
  now: number,
): PairedReplay | string {
  const since = onsetLowMs ?? onsetMs ?? sinceMs ?? now;
  const known = Math.floor(((now - since) / 60_000) * LABELS_A_MINUTE);
  const n = Math.min(maxInputs, known);
  if (n <= 0) return 'there are no labelled samples of the live version';
  const pairs = { n, currentWrong: 0, previousWrong: 0, bothWrong: 0 };
  for (let at = 0; at < n; at += 1) {
    const name = NAMES.find((one) => one === classLabel) ?? (uniform() < CLASSES.bulk.share ? 'bulk' : 'ham');
    const recall = recallAt(since + uniform() * (now - since))[name];
    const difficulty = uniform();
    const live = difficulty < recall.live;
    const before = (uniform() < SHARED_DIFFICULTY ? difficulty : uniform()) < recall.before;
    if (!live && before) pairs.currentWrong += 1;
    if (live && !before) pairs.previousWrong += 1;
    if (!live && !before) pairs.bothWrong += 1;
  }
  return pairs;
}
