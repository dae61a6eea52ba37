import { changePoint, type ScoredPoint } from '../detection/change-point';
import { clockText, numberText, percentText } from '../detection/verdict';
import type { CheckResult, InputCheck } from './field-checks';
import { beganAfter, type OnsetInterval, type SignalFinding } from './finding';
import { compareInputs } from './input-comparison';
import type { ReducedInput } from './input-fields';
import { profileInputs, type InputProfile } from './input-profile';

/** The same body within this time is a client that asks again: counted once. */
const REPEAT_MS = 5 * 60_000;
/** Fields that are named one by one; the others are counted. */
const NAMED_MAX = 5;
/** Inputs that an onset is looked for in. */
const ONSET_INPUTS = 400;
/** What is compared is bounded, so that a verdict that waits for it waits some milliseconds: the inputs nearest to the onset. */
const HISTORY_MAX = 400;
const RECENT_MAX = 200;

export interface InputQuestion {
  /** In order of time. Those before `beforeMs` are the history, those from `sinceMs` on are judged. */
  readonly inputs: readonly ReducedInput[];
  readonly beforeMs: number;
  readonly sinceMs: number;
  /** What the inputs looked like when the version was validated; null where its manifest has none. */
  readonly validated: InputProfile | null;
  readonly degradation: OnsetInterval | null;
}

/**
 * Whether the inputs have changed. With a profile from the version's validation: they must differ from it **and** from
 * their own history, for what was always so is no news; what differs from the profile while there is no history yet is
 * unmeasured. Without such a profile the history alone is the yardstick. Repeats of an input count once, so that clients
 * that try again do not make a failure look like another kind of traffic.
 */
export function inputFindings(question: InputQuestion): SignalFinding[] {
  const since = question.inputs.filter(({ atMs }) => atMs >= question.sinceMs);
  const earlier = question.inputs.filter(({ atMs }) => atMs < question.beforeMs);
  const recent = withoutRepeats(since).slice(0, RECENT_MAX);
  const history = withoutRepeats(earlier.slice(-2 * HISTORY_MAX)).slice(-HISTORY_MAX);
  const own = compareInputs(profileInputs(history), recent);
  const asValidated = question.validated === null ? null : compareInputs(question.validated, recent);
  if (asValidated?.kind === 'unmeasured') return [unmeasured(asValidated.why)];
  if (asValidated !== null) {
    if (asValidated.different.length === 0) return [same(asValidated.asked, asValidated.redacted, recent.length)];
    if (own.kind === 'unmeasured') {
      const [first] = asValidated.different;
      const words = first ? differenceWords(first, null, 'when the version was validated') : '';
      return [unmeasured(`${words}; whether that is new is not known: ${own.why}`)];
    }
    const fields = new Set(asValidated.different.map(({ field }) => field));
    const news = own.different.filter(({ field }) => fields.has(field));
    return named(news, question, [...history, ...recent], own.redacted, own.asked);
  }
  if (own.kind === 'unmeasured') return [unmeasured(own.why)];
  return named(own.different, question, [...history, ...recent], own.redacted, own.asked);
}

function named(
  different: readonly CheckResult[],
  { degradation }: InputQuestion,
  inputs: readonly ReducedInput[],
  redacted: readonly string[],
  asked: number,
): SignalFinding[] {
  const recent = different[0]?.n ?? 0;
  if (different.length === 0) return [same(asked, redacted, recent)];
  const findings = different.slice(0, NAMED_MAX).map((check): SignalFinding => {
    const onset = onsetOf(check, inputs);
    const late = beganAfter(onset?.onsetLowMs ?? null, degradation);
    const more = different.length - NAMED_MAX;
    const words = differenceWords(check, onset?.onsetMs ?? null, 'before');
    return {
      name: `inputs:${check.field}`,
      state: late ? 'same' : 'changed',
      words: late ? `${words}, which is after the degradation began` : words,
      where: `what sends the field ${check.field}${more > 0 ? ` (${more} more fields differ)` : ''}`,
      observed: check.observed,
      before: check.check === 'distance' ? 0 : check.before,
      limit: check.limit,
      onsetMs: onset?.onsetMs ?? null,
      samples: check.n,
    };
  });
  return findings;
}

const WHAT: Readonly<Record<InputCheck, string>> = {
  unreadable: 'of the bodies cannot be read',
  type: 'have another type',
  missing: 'are missing',
  range: 'are outside the range',
  category: 'are new categories',
  distance: 'distance (PSI)',
  unexpected: 'of the inputs have fields that nobody knew',
};

/** No value of an input is in it: they are what users sent. */
function differenceWords(check: CheckResult, onsetMs: number | null, then: string): string {
  const since = onsetMs === null ? '' : `, since about ${clockText(onsetMs)}`;
  if (check.check === 'distance') {
    const js = check.js === undefined ? '' : `, JS ${numberText(check.js)}`;
    return `its distribution moved: PSI ${numberText(check.observed)}${js} (limit ${numberText(check.limit)}) of ${check.n}${since}`;
  }
  return (
    `${percentText(check.observed)} ${WHAT[check.check]} (limit ${percentText(check.limit)}, ` +
    `${percentText(check.before)} ${then}) of ${check.n}${since}`
  );
}

function onsetOf(check: CheckResult, inputs: readonly ReducedInput[]): ReturnType<typeof changePoint> {
  const expected = Math.min(0.9, Math.max(0.02, check.before));
  const spread = Math.sqrt(expected * (1 - expected));
  const points: ScoredPoint[] = [];
  for (const input of inputs.slice(-ONSET_INPUTS)) {
    const odd = check.odd(input);
    if (odd !== null) points.push({ atMs: input.atMs, value: Number(odd), score: (Number(odd) - expected) / spread });
  }
  return changePoint(points, 1);
}

function same(asked: number, redacted: readonly string[], samples: number): SignalFinding {
  const hidden = redacted.length === 0 ? '' : `; not measured, being redacted: ${redacted.slice(0, 5).join(', ')}`;
  return { ...nothing, name: 'inputs', state: 'same', words: `${asked} fields as before${hidden}`, samples };
}

function unmeasured(why: string): SignalFinding {
  return { ...nothing, name: 'inputs', state: 'unmeasured', words: why };
}

const nothing = {
  where: 'what sends the inputs',
  observed: null,
  before: null,
  limit: null,
  onsetMs: null,
  samples: 0,
} as const;

function withoutRepeats(inputs: readonly ReducedInput[]): ReducedInput[] {
  const lastAt = new Map<number, number>();
  return inputs.filter(({ atMs, digest }) => {
    const before = lastAt.get(digest);
    lastAt.set(digest, atMs);
    return before === undefined || atMs - before > REPEAT_MS;
  });
}
