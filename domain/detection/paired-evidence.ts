import { median } from './robust';

/**
 * What asking two versions the same says about the cause, as log-likelihood ratios (nats): above zero for the first
 * named explanation, below it for the other.
 */

/** The same inputs on both versions. Only discordant pairs say anything about which one is worse. */
export interface PairedReplay {
  n: number;
  /** Wrong on the live version, right on the previous one, and the reverse. Pairs wrong on both are `bothWrong`. */
  currentWrong: number;
  previousWrong: number;
  bothWrong?: number;
  /** False: too few inputs of the fault itself were there, older ones or other classes stand in. They acquit nobody. */
  ofTheFault?: boolean;
}

/** The same requests timed on both versions in turn: ln(live ÷ previous), its mean and standard deviation. */
export interface PairedLatency {
  pairs: number;
  meanLog: number;
  sdLog: number;
  /** Pairs in which one copy took more than twice as long as the mean pair says: a fault of few inputs shows here, not in the mean. */
  tail: { slower: number; faster: number };
  /** Golden probes are not what users send: alike on them is no proof. */
  by: 'samples' | 'probes';
}

/** From even odds to 99 to 1. */
export const DECISIVE_NATS = Math.log(99);
/**
 * An idle copy and one that carries the load differ in time by so much for no fault of a version (standard deviation),
 * while nobody knows what is usual between the two, and once that was learned.
 */
const IDLE_SD_LOG = { unknown: 0.07, learned: 0.03 };
const USUAL_LOOKS_MIN = 3;
/** More than this is no matter of an idle copy. */
const USUAL_MAX_LOG = 0.5;

/** What is usual between the copies was learned from some looks (their mean logs); it is taken off. */
export function withoutUsual(
  found: PairedLatency,
  usual: readonly number[],
): PairedLatency & { idleSdLog: number; usualKnown: boolean } {
  const middle = usual.length < USUAL_LOOKS_MIN ? null : median(usual);
  if (middle === null) return { ...found, idleSdLog: IDLE_SD_LOG.unknown, usualKnown: false };
  const usualLog = Math.max(0, Math.min(USUAL_MAX_LOG, middle));
  return { ...found, meanLog: found.meanLog - usualLog, idleSdLog: IDLE_SD_LOG.learned, usualKnown: true };
}

/**
 * `wrong` of `n` at the rate that the verdict saw, against the rate that is normal. Of the previous version's answers it
 * asks whether the previous version lost as much as the live one.
 */
export function lossNats(wrong: number, n: number, normalRate: number, seenRate: number): number {
  const [normal, seen] = [inside(normalRate), inside(seenRate)];
  if (seen <= normal) return 0;
  return wrong * Math.log(seen / normal) + (n - wrong) * Math.log((1 - seen) / (1 - normal));
}

/**
 * The live version takes `times` as long, against: both are alike. Normal, with the
 * sampling error of the mean and what an idle copy may differ by.
 */
export function slowerNats(
  { pairs, meanLog, sdLog, idleSdLog }: Pick<PairedLatency, 'pairs' | 'meanLog' | 'sdLog'> & { idleSdLog: number },
  times: number,
): number {
  const shift = Math.log(times);
  if (!(pairs > 1) || !(shift > 0)) return 0;
  const variance = (sdLog * sdLog) / pairs + idleSdLog * idleSdLog;
  return (shift * (meanLog - shift / 2)) / variance;
}

function inside(rate: number): number {
  return Math.min(1 - 1e-6, Math.max(1e-6, rate));
}
