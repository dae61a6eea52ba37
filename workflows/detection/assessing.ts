import { condition } from '@temporalio/workflow';
import type { Assessment, AssessmentInput } from '../contract/activities';
import { control } from '../proxies';
import { environmentLines } from './details';
import { freshBaseline } from './baseline';
import { baselineIsDue } from './baseline-state';
import type { DetectionState, StandingEntry } from '../contract/inputs';
import type { Detecting } from './detecting';
import { assessmentInputOf, causeOf } from './inputs';
import { isSuppressed } from './reports';
import { withBegan, withEnded } from './state';

/** Long enough for new inputs, and for another minute of both copies. */
const ASK_AGAIN_MS = 10 * 60_000;

export async function assessWindow(detection: Detecting): Promise<void> {
  await until(detection, () => detection.state.nextWindowAt, 'the next short window');
  const input = inputOf(detection, detection.state.windowCharts);
  if (!input) return;
  const result = await looking(detection, 'nextWindowAt', input.policy.shortWindow.everyMs, () =>
    control.assessShortWindow.executeWithOptions({ summary: summaryOf(input) }, [input]),
  );
  if (!takeAssessment(detection, 'short-window', input, result)) return;
  detection.change({ windowCharts: result.charts, environment: environmentLines(result) });
  if (result.observed) detection.reports.observe(result.observed);
}

export async function assessTrend(detection: Detecting): Promise<void> {
  await until(detection, () => detection.state.nextTrendAt, 'the next look at the trend');
  const input = inputOf(detection, detection.state.trendCharts);
  if (!input) return;
  const result = await looking(detection, 'nextTrendAt', input.policy.trend.everyMs, () =>
    control.assessTrend.executeWithOptions({ summary: summaryOf(input) }, [input]),
  );
  if (takeAssessment(detection, 'trend', input, result)) detection.change({ trendCharts: result.charts });
}

/** The service is told of a verdict of the slower tiers together with its cause. */
export async function askCause(detection: Detecting): Promise<void> {
  await condition(() => detection.state.standing.some(({ cause }) => cause === null));
  const entry = detection.state.standing.find(({ cause }) => cause === null);
  const { route } = detection.state;
  if (!entry || !route) return;
  const cause = { ...(await causeOf(detection.service, entry, route, detection.state)), at: Date.now() };
  detection.change({
    standing: detection.state.standing.map((one) => (one.id === entry.id ? { ...one, cause } : one)),
  });
}

/**
 * What was not laid to the model is asked again while it stands: behind a slow host a version may have become slow as well,
 * and nothing else would say so, for a metric has one verdict. The service is told when the answer is another one.
 */
export async function askCauseAgain(detection: Detecting): Promise<void> {
  const longestAgo = (): StandingEntry | undefined => askedLongestAgo(detection.state);
  await condition(() => longestAgo() !== undefined);
  const entry = longestAgo();
  const { route } = detection.state;
  if (!entry?.cause?.at || !route) return;
  const due = entry.cause.at + ASK_AGAIN_MS;
  if (due > Date.now()) {
    const changed = (): boolean => longestAgo()?.id !== entry.id || detection.state.route !== route;
    await condition(changed, due - Date.now(), { summary: `the cause of ${entry.verdict.metric} again` });
    return;
  }
  const cause = { ...(await causeOf(detection.service, entry, route, detection.state)), at: Date.now() };
  // What was measured to be the environment's is overturned by an accusation, not by a question without an answer.
  const isNews = cause.attribution !== entry.cause.attribution && cause.attribution !== 'undetermined';
  const answer = isNews || cause.attribution === entry.cause.attribution ? cause : { ...entry.cause, at: cause.at };
  detection.change({
    standing: detection.state.standing.map((one) =>
      one.id === entry.id ? { ...one, cause: answer, told: isNews ? null : one.told } : one,
    ),
  });
}

/** An immediate verdict has its cause from the watch, at once, and is the service's to decide. */
function askedLongestAgo({ standing }: DetectionState): StandingEntry | undefined {
  const open = standing.filter(({ cause }) => cause?.at !== undefined && cause.attribution !== 'model');
  return open.reduce<StandingEntry | undefined>(
    (first, entry) => ((entry.cause?.at ?? 0) < (first?.cause?.at ?? Infinity) ? entry : first),
    undefined,
  );
}

/** What stands when the cooldown ends is reported again, not suppressed. */
export async function awaitCooldown(detection: Detecting): Promise<void> {
  const suppressed = (): boolean => detection.state.standing.length > 0 && isSuppressed(detection.state, Date.now());
  await condition(suppressed);
  const until = detection.state.route?.cooldownUntil ?? 0;
  await condition(
    () => detection.state.route?.cooldownUntil !== until || !suppressed(),
    Math.max(1, until - Date.now()),
    { summary: 'the cooldown ends' },
  );
}

export async function keepBaseline(detection: Detecting): Promise<void> {
  await condition(() => baselineIsDue(detection.state, Date.now()));
  const moved = detection.state.baseline !== null && detection.state.baselineOf !== detection.state.route?.judgedBy;
  const change = await freshBaseline(detection.service, () => detection.state);
  if (change) detection.change(change);
  // A watch that began with the limits of another history goes on with these, its evidence kept.
  if (moved) detection.loops.cancel('watch');
}

/** Waits for a route, its baseline and the moment; the moment may move while it waits. */
async function until(detection: Detecting, at: () => number, summary: string): Promise<void> {
  await condition(() => detection.state.route !== null && detection.state.baseline !== null);
  for (let due = at(); due > Date.now(); due = at()) {
    const waitsFor = due;
    await condition(() => at() !== waitsFor, due - Date.now(), { summary });
  }
}

/** The next look is a period after the begin of this one; a look that the end of the run cuts short is due in the next. */
async function looking(
  detection: Detecting,
  moment: 'nextWindowAt' | 'nextTrendAt',
  everyMs: number,
  look: () => Promise<Assessment>,
): Promise<Assessment> {
  const due = detection.state[moment];
  detection.state = { ...detection.state, [moment]: Date.now() + everyMs };
  try {
    return await look();
  } catch (error) {
    if (detection.loops.stopping) detection.state = { ...detection.state, [moment]: due };
    throw error;
  }
}

function summaryOf({ version, epoch }: AssessmentInput): string {
  return `${version}, epoch ${epoch}`;
}

function inputOf(detection: Detecting, charts: AssessmentInput['charts']): AssessmentInput | null {
  return assessmentInputOf(detection.service, detection.state, charts, Date.now());
}

/** False for the result of a version that does not serve any more: it is dropped. */
function takeAssessment(
  detection: Detecting,
  source: 'short-window' | 'trend',
  input: AssessmentInput,
  result: Assessment,
): boolean {
  const { state } = detection;
  if (state.route?.version !== input.version) return false;
  const rest = withEnded(state, result.ended, state.route.epoch);
  const found = { version: input.version, source, causes: {} };
  detection.change({
    ...rest,
    standing: withBegan(rest.standing, result.began, found),
    tiers: { ...state.tiers, [source]: result.tiers },
  });
  return true;
}
