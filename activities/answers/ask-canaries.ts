import { canaryTest, type CanaryPrompt, type CanaryTestResult } from '../../domain/detection/canary-test';
import { DRIFT_LIMITS, testWords } from '../../domain/detection/answer-drift';
import { limitWithEffect } from '../../domain/detection/energy-test';
import { seededUniform } from '../../domain/detection/seeded-random';
import { buildVerdict, clockText } from '../../domain/detection/verdict';
import type { AssessmentInput, TierReading } from '../../workflows/contract/activities';
import type { Judged } from '../detection/judged';
import { engineOn } from '../engine-on';
import type { AnswerChecks, ArtifactStore, Engine, FrozenAnswers, GoldenProbe, TrafficRouter } from '../ports';
import { CANARY, withReading, withWindow, type AnswerState } from './answer-state';
import { seenAnswers } from './seen-answers';
import { mirrorHeaders } from '../detection/mirror';
import { inSlices } from './slices';

export interface CanaryPorts {
  readonly artifacts: ArtifactStore;
  readonly router: TrafficRouter;
  readonly engine: (service: string) => Engine;
}

export interface CanaryResult {
  readonly judged: readonly Judged[];
  readonly state: AnswerState;
}

/** So often each prompt is asked for the baseline: with one answer later, four prompts can reach a p of .001. */
const BASELINE_ROUNDS = 5;
const PROMPTS_MAX = 20;
const CALL_MS = 10_000;

/**
 * The prompts of the golden probes, asked again of the live copy when they are due, against the answers of the same version
 * when it was new here and had just passed its probes. Only the frozen baseline is written; twice is once.
 */
export async function askCanaries(
  checks: AnswerChecks,
  ports: CanaryPorts,
  input: AssessmentInput,
  before: AnswerState,
  signal: AbortSignal,
): Promise<CanaryResult> {
  const { now, service, version } = input;
  if (checks.canaryEveryMs === null) return { judged: [], state: before };
  const known = before.readings.find(({ metric }) => metric === CANARY);
  if (now - before.canaryAt < checks.canaryEveryMs) {
    return {
      judged: [known ? { reading: known, verdict: null } : undecidedCanary('inconclusive', 0, now)],
      state: before,
    };
  }
  const state = { ...before, canaryAt: now };
  const probes = (await ports.artifacts.probes(service, version)).slice(0, PROMPTS_MAX);
  const backend = (await ports.router.read(service)).record?.backends[version]?.[0];
  if (probes.length === 0 || backend === undefined) return { judged: [undecidedCanary('unmeasured', 0, now)], state };

  const ask = async (rounds: number): Promise<FrozenAnswers> => {
    const engine = engineOn(ports.engine(service), backend);
    const said: { prompt: string; answer: string }[] = [];
    for (let round = 0; round < rounds; round += 1) {
      for (const probe of probes) {
        signal.throwIfAborted();
        const answer = await answerOf(engine, backend.address, checks.model, probe);
        if (answer !== null) said.push({ prompt: probe.id, answer });
      }
    }
    const texts = said.map(({ answer }) => ({ input: null, answer }));
    const { by, answers } = await seenAnswers(checks.embedder, texts, checks.features, signal);
    return { by, answers, fromMs: now, toMs: now, prompts: said.map(({ prompt }) => prompt) };
  };

  const kept = await checks.baselines.read(service, version, 'canary');
  const current = await ask(1);
  if (kept === null || kept.frozen.by !== current.by) {
    if (input.standing.length === 0)
      await checks.baselines.freeze(service, version, 'canary', await ask(BASELINE_ROUNDS));
    return { judged: [undecidedCanary('inconclusive', 0, now)], state };
  }
  const prompts = pairedBy(kept.frozen, current);
  if (prompts.length === 0) return { judged: [undecidedCanary('unmeasured', 0, now)], state };
  const uniform = seededUniform(now % 2 ** 32);
  const test = await inSlices(canaryTest(prompts, { ...DRIFT_LIMITS, uniform }), signal);
  return judged(
    test,
    state,
    input,
    `${version} at ${clockText(kept.frozen.fromMs)}, ${kept.frozen.by}, ${kept.digest}`,
  );
}

async function answerOf(engine: Engine, address: string, model: string, probe: GoldenProbe): Promise<string | null> {
  try {
    const options = { timeoutMs: CALL_MS, headers: mirrorHeaders };
    const { status, outputs } = await engine.infer(address, model, probe.request, options);
    const found = outputs[probe.expect.output];
    return status === 200 && found !== undefined ? String(found) : null;
  } catch {
    // A copy that does not answer is for other metrics; here its answer is missing.
    return null;
  }
}

function pairedBy(then: FrozenAnswers, now: FrozenAnswers): CanaryPrompt[] {
  const of = (frozen: FrozenAnswers, prompt: string): ArrayLike<number>[] =>
    frozen.answers.flatMap(({ answer }, index) => (frozen.prompts?.[index] === prompt ? [answer] : []));
  return [...new Set(now.prompts)].flatMap((prompt) => {
    const baseline = of(then, prompt);
    return baseline.length === 0 ? [] : [{ baseline, current: of(now, prompt) }];
  });
}

function judged(test: CanaryTestResult, before: AnswerState, { now }: AssessmentInput, baseline: string): CanaryResult {
  const ucl = limitWithEffect(test, DRIFT_LIMITS.practicalEffect);
  // Fewer prompts than can prove anything never say that all is well either.
  const able = test.leastP <= DRIFT_LIMITS.alpha;
  const found = withWindow(before, CANARY, { beyond: test.distance > ucl, excused: false, sinceMs: now });
  const kind = able ? found.kind : 'inconclusive';
  const reading: TierReading = {
    tier: 'short-window',
    metric: CANARY,
    kind,
    observed: test.distance,
    expected: test.chance,
    limit: ucl,
    samples: test.prompts,
    at: now,
  };
  const state = withReading(able ? found.state : before, reading);
  if (kind !== 'degraded') return { judged: [{ reading, verdict: null }], state };
  const own = test.ownCosine === null ? '' : `, of two answers of the baseline ${test.ownCosine.toFixed(3)}`;
  const verdict = buildVerdict({
    kind,
    tier: 'short-window',
    metric: CANARY,
    observed: test.distance,
    expected: test.chance,
    ucl,
    unit: 'energy distance',
    samples: test.prompts,
    sinceMs: found.sinceMs,
    onsetMs: found.sinceMs,
    statistic: { name: 'paired test, twice in a row', value: test.distance, threshold: ucl, falseAlarmDays: null },
    sentence:
      `${testWords('answers to the same prompts', test, ucl)}; mean cosine of an answer then and now ` +
      `${test.cosine.toFixed(3)}${own}, the second time in a row, since about ${clockText(found.sinceMs)}`,
    baseline,
  });
  return { judged: [{ reading, verdict }], state };
}

export function undecidedCanary(kind: 'inconclusive' | 'unmeasured', samples: number, at: number): Judged {
  const nothing = { observed: null, expected: null, limit: null };
  return { reading: { tier: 'short-window', metric: CANARY, kind, ...nothing, samples, at }, verdict: null };
}
