import {
  CancellationScope,
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  log,
  patched,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { Baseline } from './contract/activities';
import { chartsOfNextVersion } from './contract/charts';
import type { DetectionInput, DetectionState } from './contract/inputs';
import { signalNames, type RouteChanged } from './contract/signals';
import { limitsQueryName } from './contract/status';
import { askCause, askCauseAgain, assessTrend, assessWindow, awaitCooldown, keepBaseline } from './detection/assessing';
import { detectionDetails } from './detection/details';
import type { Detecting } from './detection/detecting';
import { keepGoodPeriods } from './detection/good-periods';
import { guardOnce, lookWhoServes } from './detection/guarding';
import { guarded, watched } from './detection/inputs';
import { copiesOf, guardLive } from './detection/live';
import { Loops } from './detection/loops';
import { carriedState, Reports } from './detection/reports';
import { readRoute } from './detection/route-signal';
import { initialDetection, withEnded } from './detection/state';
import { watchOnce } from './detection/watching';

/**
 * One per service, for ever: the tiers as loops over one state, and reports of what begins and ends to the service, which
 * alone decides. Every loop waits for the first route.
 */
export async function detectionWorkflow(input: DetectionInput): Promise<void> {
  let refuseCancel = (): void => undefined;
  // A service without detection would look healthy for ever: `pause` stops the machine, and says who did it.
  CancellationScope.current().cancelRequested.catch(() => refuseCancel());
  const detection = await CancellationScope.nonCancellable(async () => {
    const begun = new Detection(input);
    refuseCancel = () => begun.refuseCancel();
    await begun.run();
    return begun;
  });
  await continueAsNew<typeof detectionWorkflow>(detection.carriedInput());
}

class Detection implements Detecting {
  state: DetectionState;
  readonly service: string;
  readonly external: boolean;
  readonly loops = new Loops();
  readonly reports: Reports;
  private readonly routes: RouteChanged[] = [];
  private shown = '';
  private cancelRefusedAt: number | null = null;

  constructor(private readonly input: DetectionInput) {
    this.state = input.carried ?? initialDetection();
    this.service = input.service;
    this.external = input.external === true;
    this.reports = new Reports(input.service, this);
    setHandler(defineQuery<Baseline | null>(limitsQueryName), () => this.state.baseline);
    setHandler(defineSignal<[unknown]>(signalNames.routeChanged), (message) => {
      const read = readRoute(message);
      if ('route' in read) this.routes.push(read.route);
      else log.warn('a route could not be read', { problem: read.problem });
    });
  }

  async run(): Promise<void> {
    await this.loops.start({
      routes: () => this.takeRoutes(),
      baseline: () => keepBaseline(this),
      watch: () => watchOnce(this),
      'short window': () => assessWindow(this),
      trend: () => assessTrend(this),
      causes: () => askCause(this),
      // Runs that began before it have no such loop.
      ...(patched('causes-asked-again') && { 'causes again': () => askCauseAgain(this) }),
      cooldown: () => awaitCooldown(this),
      standby: () => guardOnce(this),
      serving: () => lookWhoServes(this),
      live: () => guardLive(this),
    });
    const reports = this.reports.run(() => this.loops.stopping);
    await condition(() => this.mayContinue());
    // The watch is given up, not waited for: cursor and charts are those of its last result, and the next one reads the
    // rows since then again.
    await this.loops.stop();
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
    this.show();
  }

  refuseCancel(): void {
    this.cancelRefusedAt = Date.now();
    log.warn('a cancel is not obeyed', { service: this.service });
    this.show();
  }

  private show(): void {
    const details = detectionDetails(this.service, this.state, Date.now(), this.cancelRefusedAt);
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
    // A copy that becomes the standby again is unproven again to the service, as every copy is to one that lost its state.
    const sameCopy = route.standby?.backend.instance === this.state.standbyKnown?.instance;
    if (!sameCopy || route.incarnation !== before?.incarnation) this.change({ standbyKnown: null });
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
        windowCharts: chartsOfNextVersion(this.state.windowCharts),
        trendCharts: {},
        tiers: initialDetection().tiers,
        nextWindowAt: now + route.policy.detection.shortWindow.everyMs,
        nextTrendAt: now + route.policy.detection.trend.everyMs,
      });
    }
    if (before?.live?.address !== route.live?.address) this.loops.cancel('serving');
    if (!before) return;
    if (copiesOf(before) !== copiesOf(route)) this.loops.cancel('live');
    if (watched(before) !== watched(route)) this.loops.cancel('watch');
    if (guarded(before) !== guarded(route)) this.loops.cancel('guard');
  }
}
