import { binomialUpperTail } from './binomial-distribution';
import { EXPLAINED } from './explained';
import { DECISIVE_NATS, lossNats, slowerNats, type PairedLatency, type PairedReplay } from './paired-evidence';
import { clockText, durationText, percentText } from './verdict';

/** What a degradation is laid to. */
export type Attribution = 'model' | 'environment' | 'undetermined';

export interface AttributionInput {
  pairedReplay?: PairedReplay;
  /** The same requests timed on both versions, and the share by which a slower answer matters. */
  pairedLatency?: PairedLatency & { idleSdLog: number; usualKnown: boolean; marginRatio: number };
  /** Environment signals that changed at the onset, and those that could not be measured. */
  environment: { changed: string[]; unmeasured: string[] };
  deployAtMs: number | null;
  onsetMs: number | null;
  /** Age of the deploy now: stands in where no onset could be estimated. */
  deployAgeMs?: number | null;
  /** The onset's interval, where known. */
  onsetLowMs?: number | null;
  onsetHighMs?: number | null;
  /** How long after a deploy a degradation is laid at its door (default 24 h, the bake period). */
  deployAgeLimitMs?: number;
  /** The previous version, as standby on the same host, failed its own proof at the same time. */
  standbyProofFailedToo?: boolean;
  /** Share of wrong answers that was normal before, and that the verdict saw. */
  expectedWrongRate?: number;
  observedWrongRate?: number;
  /** Another metric of the same version that stands and was laid to the environment. */
  explainedBy?: string;
  /** Most requests fail: users cannot wait for the better explanation, see {@link COINCIDENCE_MS}. */
  hard?: boolean;
}

export interface AttributionResult {
  attribution: Attribution;
  reasons: string[];
}

/** Asked of every verdict, and again while one stands: one in a hundred would be too many. */
const REPLAY_LEVEL = 0.001;
/** Standard normal quantile at 97.5 %. */
const Z975 = 1.959963984540054;
/** The loss at an alarm looks larger than it is: what alarmed was chosen for being large. */
const TRUE_SHARE = 2 / 3;
const MIN_REPLAY = 8;
const MIN_TIMED = 5;
const SURE_SE_LOG = 0.05;
const TAIL_LEVEL = 0.001;
const DEFAULT_DEPLOY_AGE_MS = 24 * 3600_000;
/** A deploy and a change of the surroundings that both lie this near to an onset explain it equally well. */
const COINCIDENCE_MS = 10 * 60_000;
/** Signals of what users send: with more of it a copy that carries the load is slower than an idle one. */
const LOAD_SIGNAL = /^users:rate\b/;

/**
 * Asks in the order of strength: causal tests (the same inputs on both versions), a standby that fails as well, a change
 * of the environment at the onset, a deploy shortly before it. Nothing that answers: `undetermined`.
 */
export function attribute(input: AttributionInput): AttributionResult {
  const reasons: string[] = [];
  const causal = judgeReplay(input, reasons) ?? judgeTimes(input, reasons);
  if (causal !== null && causal !== 'alike')
    return { attribution: causal, reasons: [...reasons, ...unmeasuredReason(input)] };

  if (input.standbyProofFailedToo === true) {
    reasons.push('the previous version, as standby, failed its own proof at the same time');
    return { attribution: 'environment', reasons };
  }
  const { changed } = input.environment;
  if (changed.length > 0) {
    reasons.push(`changed at the same onset: ${changed.join(', ')}`);
    // A deploy and a change of the environment together: each would explain it, the causal test is missing.
    if (deployExplains(input, reasons) && !isFarFromDeploy(input, reasons))
      return { attribution: 'undetermined', reasons };
    return { attribution: 'environment', reasons };
  }
  if (isExplained(input, reasons))
    return { attribution: 'environment', reasons: [...reasons, ...unmeasuredReason(input)] };
  if (causal === 'alike') {
    // The age of a deploy must not accuse a version that was just seen to be no worse than the one before it.
    reasons.push(...unmeasuredReason(input));
    return { attribution: 'undetermined', reasons };
  }
  if (deployExplains(input, reasons)) {
    reasons.push(...unmeasuredReason(input));
    // Absence of evidence counts only where somebody looked.
    if (input.environment.unmeasured.length === 0) reasons.push('no change of the environment was seen at the onset');
    return { attribution: 'model', reasons };
  }
  reasons.push(...unmeasuredReason(input), 'neither a replay, nor the environment, nor a deploy explains it');
  return { attribution: 'undetermined', reasons };
}

/** One-sided exact McNemar test: P(at least `worse` of the discordant pairs | both versions alike). */
export function exactMcNemar(worse: number, better: number): number {
  const discordant = worse + better;
  return discordant === 0 ? 1 : binomialUpperTail(worse, discordant, 0.5);
}

/** `alike`: asked with enough inputs, and rather both versions than the live one alone; not for certain. */
type Causal = 'model' | 'environment' | 'alike';

function judgeReplay(input: AttributionInput, reasons: string[]): Causal | null {
  const replay = input.pairedReplay;
  if (replay === undefined) return null;
  if (replay.n < MIN_REPLAY) {
    reasons.push(`a replay of ${replay.n} inputs is too small to judge (${MIN_REPLAY} needed)`);
    return null;
  }
  const { n, currentWrong, previousWrong } = replay;
  const p = exactMcNemar(currentWrong, previousWrong);
  if (p <= REPLAY_LEVEL) {
    reasons.push(
      `of ${n} replayed inputs ${currentWrong} are wrong only on the live version and ` +
        `${previousWrong} only on the previous one (chance ${percentText(p)})`,
    );
    return 'model';
  }
  const shared = sharedLoss(input, replay);
  if (shared !== null && shared.nats >= DECISIVE_NATS && replay.ofTheFault !== false) {
    reasons.push(
      `the previous version is wrong on ${shared.previousTotal} of ${n} replayed inputs too ` +
        `(${percentText(shared.expected)} is normal): the inputs or what lies behind both versions changed`,
    );
    return 'environment';
  }
  if (gainsNothing(input, replay)) {
    reasons.push(
      `of ${n} replayed inputs ${currentWrong} are wrong only on the live version and ${previousWrong} only on the ` +
        'previous one: to go back would gain nothing',
    );
    return 'environment';
  }
  reasons.push(
    `the replay of ${n} inputs does not separate the versions (${currentWrong} wrong only live, ` +
      `${previousWrong} only before)`,
  );
  return shared !== null && shared.nats > 0 ? 'alike' : null;
}

/** The most that the previous version may be better on the same inputs (97.5 %) is less than two thirds of what was lost. */
function gainsNothing(
  { expectedWrongRate: expected, observedWrongRate: observed }: AttributionInput,
  { n, currentWrong, previousWrong, ofTheFault }: PairedReplay,
): boolean {
  if (expected === undefined || observed === undefined || ofTheFault === false) return false;
  // One discordant pair more: none at all is no certainty either.
  const most = (currentWrong - previousWrong + Z975 * Math.sqrt(currentWrong + previousWrong + 1)) / n;
  return most < TRUE_SHARE * (observed - expected);
}

/** Whether the previous version lost what the live one lost: against its normal rate of wrong answers. */
function sharedLoss(
  { expectedWrongRate: expected, observedWrongRate: observed }: AttributionInput,
  { n, previousWrong, bothWrong }: PairedReplay,
): { nats: number; previousTotal: number; expected: number } | null {
  if (bothWrong === undefined || expected === undefined || observed === undefined) return null;
  const previousTotal = previousWrong + bothWrong;
  return { nats: lossNats(previousTotal, n, expected, observed), previousTotal, expected };
}

function judgeTimes({ pairedLatency, environment }: AttributionInput, reasons: string[]): Causal | null {
  if (pairedLatency === undefined) return null;
  const { pairs, meanLog, sdLog, marginRatio, usualKnown, tail, by } = pairedLatency;
  if (pairs < MIN_TIMED) {
    reasons.push(`${pairs} requests timed on both versions are too few to judge (${MIN_TIMED} needed)`);
    return null;
  }
  const said =
    `the same ${pairs} requests, asked of both versions in turn, take ${Math.exp(meanLog).toFixed(2)} times as long ` +
    'on the live version as on the previous one';
  // Nobody knows yet what an idle copy gains here: then only twice the margin accuses.
  const isSlower = usualKnown || meanLog >= 2 * Math.log(1 + marginRatio);
  if (isSlower && slowerNats(pairedLatency, 1 + marginRatio) >= DECISIVE_NATS) {
    // An idle copy is faster than one that carries more than it used to.
    const load = environment.changed.find((signal) => LOAD_SIGNAL.test(signal));
    reasons.push(load === undefined ? said : `${said}, but it carries more load than before`);
    return load === undefined ? 'model' : null;
  }
  // What a return to the previous version would gain is less than what matters.
  const se = sdLog / Math.sqrt(pairs);
  const inTheTail = tail.slower > tail.faster && exactMcNemar(tail.slower, tail.faster) < TAIL_LEVEL;
  const gainsLittle =
    meanLog + 2 * se < Math.log(1 + marginRatio) || (se < SURE_SE_LOG && meanLog < Math.log(1 + 0.8 * marginRatio));
  if (gainsLittle && by === 'samples' && !inTheTail) {
    reasons.push(`${said}: the previous one would be too slow as well`);
    return 'environment';
  }
  const why =
    by === 'probes' ? ' (golden probes only: samples are off)' : inTheTail ? ' (some of them much slower)' : '';
  reasons.push(`${said}, which does not separate them${why}`);
  return gainsLittle ? 'alike' : null;
}

/** One cause shows in many metrics, in some of them later; a deploy just before the onset is another cause. */
function isExplained(input: AttributionInput, reasons: string[]): boolean {
  if (input.explainedBy === undefined) return false;
  if (deployExplains(input, reasons) && !isFarFromDeploy(input, reasons)) return false;
  reasons.push(`${input.explainedBy} ${EXPLAINED}`);
  return true;
}

/** The surroundings changed with the onset and the deploy was long over: the nearer change is the better explanation. */
function isFarFromDeploy({ deployAtMs, hard, onsetLowMs, onsetMs }: AttributionInput, reasons: string[]): boolean {
  const began = onsetLowMs ?? onsetMs;
  if (hard === true || deployAtMs === null || began === null || began - deployAtMs <= COINCIDENCE_MS) return false;
  reasons.push('the change of the environment is nearer to the onset than the deploy');
  return true;
}

function deployExplains(input: AttributionInput, reasons: string[]): boolean {
  const { deployAtMs, onsetMs } = input;
  const limitMs = input.deployAgeLimitMs ?? DEFAULT_DEPLOY_AGE_MS;
  if (deployAtMs === null || onsetMs === null) {
    const deployAgeMs = input.deployAgeMs ?? null;
    if (onsetMs !== null || deployAgeMs === null || deployAgeMs > limitMs) return false;
    reasons.push(`the onset is not known; the deploy is ${durationText(deployAgeMs)} old`);
    return true;
  }
  // An onset is an estimate: with its upper end after the deploy it may have begun with it.
  const latestMs = Math.max(onsetMs, input.onsetHighMs ?? onsetMs);
  if (latestMs < deployAtMs) {
    reasons.push(`it began at ${clockText(onsetMs)}, before the deploy at ${clockText(deployAtMs)}`);
    return false;
  }
  const ageMs = Math.max(0, onsetMs - deployAtMs);
  if (ageMs > limitMs) {
    reasons.push(`the deploy was ${durationText(ageMs)} before the onset`);
    return false;
  }
  reasons.push(`it began ${durationText(ageMs)} after the deploy at ${clockText(deployAtMs)}`);
  return true;
}

function unmeasuredReason(input: AttributionInput): string[] {
  const { unmeasured } = input.environment;
  return unmeasured.length === 0 ? [] : [`not measured: ${unmeasured.join(', ')}`];
}
