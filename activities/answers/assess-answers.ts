import { Context } from '@temporalio/activity';
import type { AssessmentInput, ChartStates } from '../../workflows/contract/activities';
import type { Judged } from '../detection/judged';
import { messageOf, within } from '../failures';
import type { AnswerChecks, Telemetry } from '../ports';
import { answerStateOf, chartsOf } from './answer-state';
import { askCanaries, undecidedCanary, type CanaryPorts } from './ask-canaries';
import { judgeWindow, undecided } from './judge-window';

export interface AnswerPorts extends CanaryPorts {
  readonly telemetry: Telemetry;
  /** Null for a service that is no language model. */
  readonly answerChecks: (service: string) => AnswerChecks | null;
}

/** Of the minute that an assessment may take; embedding a window on a busy machine takes some seconds. */
const WINDOW_MS = 25_000;
const CANARY_MS = 20_000;

export interface AnswersAssessed {
  readonly judged: readonly Judged[];
  readonly charts: ChartStates;
}

/**
 * What the answers of a language model say: of a window of real ones, and of the canary prompts. Whatever fails (embedder,
 * baseline, gateway) is `unmeasured`, leaves the state as it was, and never holds up the other checks.
 */
export function assessAnswers(ports: AnswerPorts): (input: AssessmentInput) => Promise<AnswersAssessed> {
  return async (input) => {
    const checks = ports.answerChecks(input.service);
    if (checks === null) return { judged: [], charts: {} };
    const before = answerStateOf(input.charts);
    const window =
      (await limited(WINDOW_MS, 'the answers', (signal) =>
        judgeWindow(checks, ports.telemetry, input, before, signal),
      )) ?? undecided(before, 'unmeasured', 0, input.now);
    const canaries = (await limited(CANARY_MS, 'the canaries', (signal) =>
      askCanaries(checks, ports, input, window.state, signal),
    )) ?? { judged: [undecidedCanary('unmeasured', 0, input.now)], state: window.state };
    return { judged: [...window.judged, ...canaries.judged], charts: chartsOf(canaries.state) };
  };
}

async function limited<T>(limitMs: number, what: string, run: (signal: AbortSignal) => Promise<T>): Promise<T | null> {
  try {
    return await within(limitMs, what, run(AbortSignal.timeout(limitMs)));
  } catch (error) {
    // Not the texts: what an embedder says of them may not be logged either, and adapters quote none.
    Context.current().log.warn(`${what} could not be judged`, { error: messageOf(error) });
    return null;
  }
}
