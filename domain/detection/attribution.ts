import { binomialUpperTail } from './binomial-distribution';
import { clockText, durationText, percentText } from './verdict';

/** What a degradation is laid to. */
export type Attribution = 'model' | 'environment' | 'undetermined';

/** The same inputs on both versions. Only discordant pairs say anything about which one is worse. */
export interface PairedReplay {
  n: number;
  /** Wrong on the live version, right on the previous one, and the reverse. Pairs wrong on both are `bothWrong`. */
  currentWrong: number;
  previousWrong: number;
  bothWrong?: number;
}

export interface AttributionInput {
  pairedReplay?: PairedReplay;
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
  /** Share of wrong answers that was normal before, for a replay in which both versions are wrong. */
  expectedWrongRate?: number;
}

export interface AttributionResult {
  attribution: Attribution;
  reasons: string[];
}

const REPLAY_LEVEL = 0.01;
const MIN_REPLAY = 8;
const DEFAULT_DEPLOY_AGE_MS = 24 * 3600_000;

/**
 * Asks in the order of strength: causal test (paired replay), a standby that fails as well, a change of the
 * environment at the onset, a deploy shortly before it. Nothing that answers: `undetermined`.
 */
export function attribute(input: AttributionInput): AttributionResult {
  const reasons: string[] = [];
  const causal = judgeReplay(input, reasons);
  if (causal !== null) return { attribution: causal, reasons: [...reasons, ...unmeasuredReason(input)] };

  if (input.standbyProofFailedToo === true) {
    reasons.push('the previous version, as standby, failed its own proof at the same time');
    return { attribution: 'environment', reasons };
  }
  const { changed } = input.environment;
  if (changed.length > 0) {
    reasons.push(`changed at the same onset: ${changed.join(', ')}`);
    // A deploy and a change of the environment together: each would explain it, the causal test is missing.
    if (deployExplains(input, reasons)) return { attribution: 'undetermined', reasons };
    return { attribution: 'environment', reasons };
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

function judgeReplay(input: AttributionInput, reasons: string[]): Attribution | null {
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
  const bothWrong = replay.bothWrong;
  const expected = input.expectedWrongRate;
  if (bothWrong !== undefined && expected !== undefined) {
    const previousTotal = previousWrong + bothWrong;
    const tail = binomialUpperTail(previousTotal, n, Math.max(expected, 1e-6));
    if (tail <= REPLAY_LEVEL) {
      reasons.push(
        `the previous version is wrong on ${previousTotal} of ${n} replayed inputs too ` +
          `(${percentText(expected)} is normal): the inputs or what lies behind both versions changed`,
      );
      return 'environment';
    }
  }
  reasons.push(
    `the replay of ${n} inputs does not separate the versions (${currentWrong} wrong only live, ` +
      `${previousWrong} only before)`,
  );
  return null;
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
