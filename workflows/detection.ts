import {
  CancellationScope,
  condition,
  continueAsNew,
  defineSignal,
  isCancellation,
  log,
  setCurrentDetails,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { Assessment, AssessmentInput, WatchInput, WatchResult } from './contract/activities';
import type { DetectionInput, DetectionState } from './contract/inputs';
import { signalNames, type RouteChanged } from './contract/signals';
import { detectionDetails, environmentLines } from './detection/details';
import { baselineIsDue, freshBaseline } from './detection/baseline';
import { keepGoodPeriods } from './detection/good-periods';
import { carriedState, isSuppressed, Reports } from './detection/reports';
import { assessmentInputOf, causeOf, guarded, watched, watchInputOf } from './detection/inputs';
import { copiesOf, guardLive } from './detection/live';
import { readRoute } from './detection/route-signal';
import { initialDetection, withBegan, withEnded } from './detection/state';
import { control, watch } from './proxies';

const GUARD_RETURN_MS = 10 * 60_000;
const SERVING_EVERY_MS = 10_000;
const SERVING_RETURN_MS = 60 * 60_000;
const AFTER_FAULT_MS = 5_000;

/**
 * One per service, for ever: the tiers as loops over one state, and reports of what begins and ends to the service, which
 * alone decides. Every loop waits for the first route.
 */
export async function detectionWorkflow(input: DetectionInput): Promise<void> {
  const detection = new Detection(input);
  await detection.run();
  await continueAsNew<typeof detectionWorkflow>(detection.carriedInput());
}

type Loop = 'watch' | 'guard' | 'serving' | 'live';

class Detection {
  state: DetectionState;
  private readonly routes: RouteChanged[] = [];
  readonly reports: Reports;
  private readonly scopes = new Map<Loop, CancellationScope>();
  private stopping = false;
  private running = 0;
  private shown = '';

  constructor(private readonly input: DetectionInput) {
    this.state = input.carried ?? initialDetection();
    this.reports = new Reports(input.service, this);
    setHandler(defineSignal<[unknown]>(signalNames.routeChanged), (message) => {
      const read = readRoute(message);
      if ('route' in read) this.routes.push(read.route);
      else log.warn('a route could not be read', { problem: read.problem });
    });
  }

  async run(): Promise<void> {
    const loops = new CancellationScope();
    const all = loops.run(async () => {
      this.loop('routes', () => this.takeRoutes());
      this.loop('baseline', () => this.keepBaseline());
      this.loop('watch', () => this.watchOnce());
      this.loop('short window', () => this.assessWindow());
      this.loop('trend', () => this.assessTrend());
      this.loop('causes', () => this.askCause());
      this.loop('cooldown', () => this.awaitCooldown());
      this.loop('standby', () => this.guardOnce());
      this.loop('serving', () => this.lookWhoServes());
      this.loop('live', () => guardLive(this.input.service, this));
    });
    await all;
    const reports = this.reports.run(() => this.stopping);
    await condition(() => this.mayContinue());
    this.stopping = true;
    // The watch is given up, not waited for: cursor and charts are those of its last result, and the next one reads the
    // rows since then again.
    loops.cancel();
    await condition(() => this.running === 0);
    await reports;
  }

  carriedInput(): DetectionInput {
    for (let route = this.routes.shift(); route; route = this.routes.shift()) this.takeRoute(route);
    return { ...this.input, carried: carriedState(this.state, this.reports) };
  }

  change(change: Partial<DetectionState>): void {
    const version = this.state.route?.version ?? null;
    this.state = { ...this.state, ...change };
    this.state = { ...this.state, ...keepGoodPeriods(this.state, Date.now(), version) };
    const details = detectionDetails(this.input.service, this.state, Date.now());
    if (details !== this.shown) setCurrentDetails(details);
    this.shown = details;
  }

  private mayContinue(): boolean {
    const { historyLength, continueAsNewSuggested } = workflowInfo();
    const long = historyLength >= (this.input.maxEventsBeforeContinue ?? Infinity);
    return (
      (continueAsNewSuggested || long) && this.routes.length === 0 && (!this.reports.isDue || this.reports.failing)
    );
  }

  /** Repeats a turn until the end; a fault in one turn is logged and never ends the loop. */
  private loop(name: string, turn: () => Promise<void>): void {
    this.running += 1;
    const repeat = async (): Promise<void> => {
      while (!this.stopping) {
        try {
          await turn();
        } catch (error) {
          if (this.stopping) return;
          if (isCancellation(error)) continue;
          log.warn('a turn of detection failed', { loop: name, error: String(error) });
          await sleep(AFTER_FAULT_MS);
        }
      }
    };
    void repeat()
      .catch(() => undefined)
      .finally(() => {
        this.running -= 1;
      });
  }

  private async takeRoutes(): Promise<void> {
    await condition(() => this.routes.length > 0);
    for (let route = this.routes.shift(); route; route = this.routes.shift()) this.takeRoute(route);
  }

  /** Another version: charts start anew, at the row that announced it. The same version: evidence and verdicts stay. */
  private takeRoute(route: RouteChanged): void {
    const now = Date.now();
    const before = this.state.route;
    const { applied } = this.state;
    const onFallback = this.state.onFallback && before?.epoch === route.epoch;
    // A copy that becomes the standby again is unproven again to the service, and must be told of anew.
    if (route.standby?.backend.instance !== this.state.standbyKnown?.instance) this.change({ standbyKnown: null });
    if (before?.version === route.version) {
      this.change({ route, onFallback });
    } else {
      const left = this.state.standing.map(({ id }) => ({ id, at: now, sentence: `${route.version} serves now` }));
      this.change({
        ...withEnded(this.state, left, route.epoch),
        onFallback,
        route,
        cursor: applied?.epoch === route.epoch ? applied.cursor : this.state.cursor,
        applied: null,
        watchCharts: {},
        windowCharts: {},
        trendCharts: {},
        tiers: initialDetection().tiers,
        nextWindowAt: now + route.policy.detection.shortWindow.everyMs,
        nextTrendAt: now + route.policy.detection.trend.everyMs,
      });
    }
    if (before?.live?.address !== route.live?.address) this.scopes.get('serving')?.cancel();
    if (!before) return;
    if (copiesOf(before) !== copiesOf(route)) this.scopes.get('live')?.cancel();
    if (watched(before) !== watched(route)) this.scopes.get('watch')?.cancel();
    if (guarded(before) !== guarded(route)) this.scopes.get('guard')?.cancel();
  }

  private async watchOnce(): Promise<void> {
    await condition(() => this.state.route !== null && this.state.baseline !== null);
    const input = this.watchInput();
    if (!input) return;
    const summary = `${input.version}, epoch ${input.epoch}, from row ${input.cursor}`;
    const result = await this.cancellable('watch', () => watch.watchTelemetry.executeWithOptions({ summary }, [input]));
    if (result && this.state.route?.version === input.version) this.takeWatch(input, result);
  }

  private watchInput(): WatchInput | null {
    return watchInputOf(this.input.service, this.state);
  }

  private takeWatch({ version, epoch }: WatchInput, result: WatchResult): void {
    let { applied, onFallback } = this.state;
    for (const event of result.routeEvents) {
      if (event.event === 'routeApplied') {
        onFallback = false;
        if (event.epoch > epoch) applied = { epoch: event.epoch, cursor: result.cursor };
      } else if (event.event === 'fallbackBegan') {
        onFallback = true;
        if (!result.observed) void this.observeRoute();
      }
    }
    if (result.observed) this.reports.observe(result.observed);
    const rest = withEnded(this.state, result.ended, this.state.route?.epoch ?? epoch);
    const found = { version, source: 'watch' as const, causes: result.attributions };
    this.change({
      ...rest,
      standing: withBegan(rest.standing, result.began, found),
      cursor: result.cursor,
      watchCharts: result.charts,
      tiers: { ...this.state.tiers, watch: result.tiers },
      unmeasuredSince: result.unmeasuredSince,
      applied,
      onFallback,
    });
  }

  private async observeRoute(): Promise<void> {
    try {
      this.reports.observe(await control.observeRoute(this.input.service));
    } catch (error) {
      if (!isCancellation(error)) log.warn('the route could not be read', { error: String(error) });
    }
  }

  private async assessWindow(): Promise<void> {
    await this.until(() => this.state.nextWindowAt);
    const input = this.assessmentInput(this.state.windowCharts);
    if (!input) return;
    this.state = { ...this.state, nextWindowAt: Date.now() + input.policy.shortWindow.everyMs };
    const result = await control.assessShortWindow(input);
    if (!this.takeAssessment('short-window', input, result)) return;
    this.change({ windowCharts: result.charts, environment: environmentLines(result) });
    if (result.observed) this.reports.observe(result.observed);
  }

  private async assessTrend(): Promise<void> {
    await this.until(() => this.state.nextTrendAt);
    const input = this.assessmentInput(this.state.trendCharts);
    if (!input) return;
    this.state = { ...this.state, nextTrendAt: Date.now() + input.policy.trend.everyMs };
    const result = await control.assessTrend(input);
    if (this.takeAssessment('trend', input, result)) this.change({ trendCharts: result.charts });
  }

  /** Waits for a route, its baseline and the moment; the moment may move while it waits. */
  private async until(at: () => number): Promise<void> {
    await condition(() => this.state.route !== null && this.state.baseline !== null);
    for (let due = at(); due > Date.now(); due = at()) {
      const waitsFor = due;
      await condition(() => at() !== waitsFor, due - Date.now());
    }
  }

  private assessmentInput(charts: AssessmentInput['charts']): AssessmentInput | null {
    return assessmentInputOf(this.input.service, this.state, charts, Date.now());
  }

  /** False for the result of a version that does not serve any more: it is dropped. */
  private takeAssessment(source: 'short-window' | 'trend', input: AssessmentInput, result: Assessment): boolean {
    if (this.state.route?.version !== input.version) return false;
    const rest = withEnded(this.state, result.ended, this.state.route.epoch);
    const found = { version: input.version, source, causes: {} };
    this.change({
      ...rest,
      standing: withBegan(rest.standing, result.began, found),
      tiers: { ...this.state.tiers, [source]: result.tiers },
    });
    return true;
  }

  /** The service is told of a verdict of the slower tiers together with its cause. */
  private async askCause(): Promise<void> {
    await condition(() => this.state.standing.some(({ cause }) => cause === null));
    const entry = this.state.standing.find(({ cause }) => cause === null);
    const { route } = this.state;
    if (!entry || !route) return;
    const cause = await causeOf(this.input.service, entry, route);
    this.change({ standing: this.state.standing.map((one) => (one.id === entry.id ? { ...one, cause } : one)) });
  }

  /** What stands when the cooldown ends is reported again, not suppressed. */
  private async awaitCooldown(): Promise<void> {
    const suppressed = (): boolean => this.state.standing.length > 0 && isSuppressed(this.state, Date.now());
    await condition(suppressed);
    const until = this.state.route?.cooldownUntil ?? 0;
    await condition(() => this.state.route?.cooldownUntil !== until || !suppressed(), Math.max(1, until - Date.now()));
  }

  private async keepBaseline(): Promise<void> {
    await condition(() => baselineIsDue(this.state, Date.now()));
    const moved = this.state.baseline !== null && this.state.baselineOf !== this.state.route?.judgedBy;
    const change = await freshBaseline(this.input.service, () => this.state);
    if (change) this.change(change);
    // A watch that began with the limits of another history goes on with these, its evidence kept.
    if (moved) this.scopes.get('watch')?.cancel();
  }

  private async guardOnce(): Promise<void> {
    await condition(() => (this.state.route?.standby ?? null) !== null);
    const { route, standbyKnown } = this.state;
    if (!route?.standby) return;
    const { version, backend } = route.standby;
    const { instance } = backend;
    const known = standbyKnown?.instance === instance ? standbyKnown.proof : 'unproven';
    const { proofIntervalMs: intervalMs } = route.policy.standby;
    const { service } = this.input;
    const result = await this.cancellable('guard', () =>
      watch.guardStandby.executeWithOptions({ summary: instance }, [
        { service, version, model: route.model, backend, intervalMs, returnAfterMs: GUARD_RETURN_MS, known },
      ]),
    );
    if (!result || this.state.route?.standby?.backend.instance !== instance) return;
    this.change({ standbyKnown: { instance, proof: result.ok ? 'ok' : 'failed' } });
    this.reports.proofOf({ version, instance, ok: result.ok, at: result.at, why: result.why });
  }

  /** By the input of the start; a service that was given to something else later is known by its live copy. */
  private get isExternal(): boolean {
    return this.input.external === true || (this.state.route?.live?.instance.endsWith('#external') ?? false);
  }

  /** A deploy by somebody else: who answers at the address is somebody else. Also finds the first version of a service. */
  private async lookWhoServes(): Promise<void> {
    const { service } = this.input;
    await condition(() => this.isExternal);
    const live = this.state.route?.live ?? null;
    const known = this.state.servingKnown ?? (live && { key: live.digest, address: live.address });
    const input = { intervalMs: SERVING_EVERY_MS, returnAfterMs: SERVING_RETURN_MS };
    const result = await this.cancellable('serving', () =>
      watch.watchServing.executeWithOptions({ summary: live?.instance ?? 'nothing is live' }, [
        { service, live: live?.address ?? null, known, ...input },
      ]),
    );
    if (!result?.seen) return;
    this.reports.observe({ ...(await control.observeRoute(service)), serving: result.seen });
    await condition(() => !this.reports.owesServing);
  }

  /** Runs what a change of the route may cancel; null when it did. */
  async cancellable<T>(loop: Loop, run: () => Promise<T>): Promise<T | null> {
    const scope = new CancellationScope();
    this.scopes.set(loop, scope);
    try {
      return await scope.run(run);
    } catch (error) {
      if (isCancellation(error) && !this.stopping) return null;
      throw error;
    } finally {
      this.scopes.delete(loop);
    }
  }
}
