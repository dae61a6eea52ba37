import { control } from '../proxies';
import type { DetectionState } from '../contract/inputs';
import { baselineQuestion, withBaseline } from './baseline-state';

/** Asks for the baseline of whose history makes the limits now; null when the route moved on meanwhile. */
export async function freshBaseline(
  service: string,
  state: () => DetectionState,
): Promise<Partial<DetectionState> | null> {
  const now = Date.now();
  const question = baselineQuestion(service, state(), now);
  if (!question) return null;
  const { version: judgedBy } = question;
  const summary = `history of ${judgedBy}`;
  const baseline = await control.computeBaseline.executeWithOptions({ summary }, [question]);
  return state().route?.judgedBy === judgedBy ? withBaseline(question, baseline, now) : null;
}
