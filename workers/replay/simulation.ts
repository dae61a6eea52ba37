import { WatchFold } from '../../activities/detection/watch-fold';
import type { ArtifactStore } from '../../activities/ports';
import type { ServicePolicy } from '../../domain/policy';
import type { TelemetryRow } from '../../gateway/protocol';
import type { Assessment, AssessmentInput, ChartStates, StandingVerdict } from '../../workflows/contract/activities';
import type { DetectionState, StandingEntry } from '../../workflows/contract/inputs';
import { baselineIsDue, baselineQuestion, withBaseline } from '../../workflows/detection/baseline-state';
import { keepGoodPeriods } from '../../workflows/detection/good-periods';
import { initialDetection, withBegan, withEnded } from '../../workflows/detection/state';
import { replayedAssessments, type Assessments } from './assessments';
import { Decider, type ReplayDecision } from './decider';
import { segmentsOf, type Recorded, type Segment } from './recording';

export interface ReplayInput {
  readonly service: string;
  readonly model: string;
  readonly policy: ServicePolicy;
  readonly recorded: Recorded;
  readonly fromMs: number;
  readonly toMs: number;
  /** Evaluation reports of the versions, where the store is at hand. */
  readonly artifacts: Pick<ArtifactStore, 'get'> | null;
}

export interface ReplayResult {
  readonly segments: readonly Segment[];
  readonly decisions: readonly ReplayDecision[];
  readonly verdicts: readonly {
    readonly at: number;
    readonly id: string;
    readonly metric: string;
    readonly ended: number | null;
  }[];
  readonly breakerOpenedAt: number | null;
}

/**
 * Today's rules over yesterday's rows: the very fold, assessments, baselines and good periods of the running system,
 * moved by the time of the record instead of the clock, and causal: what came later is not seen. Beyond it is only the
 * decider, which knows no candidates and lets every rollback succeed at once.
 */
export async function simulate(input: ReplayInput): Promise<ReplayResult> {
  const simulation = new Simulation(input);
  await simulation.run();
  return simulation.result();
}

class Simulation {
  private readonly clock: { now: number };
  private readonly segments: Segment[];
  private readonly decider: Decider;
  private readonly assessments: Assessments;
  private readonly verdicts = new Map<string, { at: number; id: string; metric: string; ended: number | null }>();
  private state: DetectionState = initialDetection();
  private fold: WatchFold | null = null;
  private readonly served = new Set<string>();

  constructor(private readonly input: ReplayInput) {
    this.clock = { now: input.fromMs };
    this.segments = segmentsOf(input.recorded.rows, input.fromMs);
    this.decider = new Decider(input.policy);
    this.assessments = replayedAssessments(input.recorded, this.clock, input.artifacts);
  }

  async run(): Promise<void> {
    const { rows } = this.input.recorded;
    let next = 0;
    for (const [index, segment] of this.segments.entries()) {
      const until = this.segments[index + 1]?.fromMs ?? this.input.toMs;
      await this.advance(segment.fromMs);
      await this.routeTo(segment);
      for (let row = rows[next]; row && row.toMs <= until; row = rows[(next += 1)]) {
        await this.advance(row.toMs);
        this.take(row);
      }
    }
    await this.advance(this.input.toMs);
  }

  result(): ReplayResult {
    const { breakerOpenedAt } = this.decider;
    return {
      segments: this.segments,
      decisions: this.decider.decisions,
      verdicts: [...this.verdicts.values()],
      breakerOpenedAt,
    };
  }

  /** Another version is live: charts start anew; it bakes by the limits of the one before, unless it served before. */
  private async routeTo({ version, epoch, fromMs }: Segment): Promise<void> {
    const before = this.state.route;
    const { policy, model } = this.input;
    const isNew = before !== null && !this.served.has(version) && policy.bakeMs > 0;
    this.served.add(version);
    this.end(
      this.state.standing.map(({ id }) => id),
      fromMs,
    );
    this.decider.leave();
    const { baseline, baselineAt, baselineOf, anchors, goodPeriods, goodSince } = this.state;
    const kept = { baseline, baselineAt, baselineOf, anchors, goodPeriods, goodSince };
    this.change({
      ...initialDetection(),
      route: {
        epoch,
        version,
        model,
        routedAt: fromMs,
        deployedAt: isNew ? fromMs : null,
        bakeUntil: isNew ? fromMs + policy.bakeMs : null,
        judgedBy: isNew ? before.judgedBy : version,
        cooldownUntil: null,
        breakerOpen: false,
        inIncident: false,
        drill: null,
        confirming: null,
        standby: null,
        live: null,
        policy,
      },
      ...kept,
      nextWindowAt: fromMs + policy.detection.shortWindow.everyMs,
      nextTrendAt: fromMs + policy.detection.trend.everyMs,
    });
    await this.keepBaseline(true);
  }

  /** Everything that falls due until then, in the order of time. */
  private async advance(toMs: number): Promise<void> {
    for (let due = this.nextDue(); due <= toMs; due = this.nextDue()) {
      this.clock.now = due;
      await this.tick(due);
    }
    this.clock.now = Math.max(this.clock.now, toMs);
  }

  private nextDue(): number {
    const { route, nextWindowAt, nextTrendAt } = this.state;
    if (!route) return Infinity;
    const cooldownEnds = this.decider.cooldownUntil ?? Infinity;
    const others = [route.bakeUntil ?? Infinity, cooldownEnds > this.clock.now ? cooldownEnds : Infinity];
    return Math.min(nextWindowAt, nextTrendAt, ...others);
  }

  private async tick(now: number): Promise<void> {
    const { route, nextWindowAt, nextTrendAt, windowCharts, trendCharts } = this.state;
    const { detection } = this.input.policy;
    if (route && route.bakeUntil !== null && route.bakeUntil <= now)
      this.change({ route: { ...route, bakeUntil: null, judgedBy: route.version } });
    await this.keepBaseline(false);
    if (nextWindowAt <= now) {
      this.state = { ...this.state, nextWindowAt: now + detection.shortWindow.everyMs };
      const input = this.question(windowCharts);
      if (input) this.takeAssessment('short-window', await this.assessments.assessShortWindow(input));
    }
    if (nextTrendAt <= now) {
      this.state = { ...this.state, nextTrendAt: now + detection.trend.everyMs };
      const input = this.question(trendCharts);
      if (input) {
        const found = await this.assessments.assessTrend(input);
        this.takeAssessment('trend', found);
        this.state = { ...this.state, trendCharts: found.charts };
      }
    }
    this.decide();
  }

  private take(row: TelemetryRow): void {
    const { fold } = this;
    if (!fold) return;
    fold.take(row);
    if (!fold.hasNews) return;
    this.end(
      fold.ended.map(({ id }) => id),
      row.toMs,
    );
    this.begin('watch', fold.began);
    this.newFold({ cursor: fold.cursor, charts: fold.snapshot() });
    this.decide();
  }

  private takeAssessment(source: 'short-window' | 'trend', { began, ended }: Assessment): void {
    this.end(
      ended.map(({ id }) => id),
      this.clock.now,
    );
    this.begin(source, began);
  }

  private begin(source: StandingEntry['source'], began: readonly StandingVerdict[]): void {
    const version = this.state.route?.version ?? '';
    const known = new Set(this.state.standing.map(({ id }) => id));
    this.change({ standing: withBegan(this.state.standing, began, { version, source, causes: {} }) });
    for (const { id, verdict } of this.state.standing)
      if (!known.has(id)) this.verdicts.set(id, { at: this.clock.now, id, metric: verdict.metric, ended: null });
  }

  private end(ids: readonly string[], at: number): void {
    const before = this.state.standing;
    const { standing } = withEnded(
      this.state,
      ids.map((id) => ({ id, at, sentence: '' })),
      this.state.route?.epoch ?? 0,
    );
    for (const { id } of before.filter((entry) => !standing.includes(entry))) {
      const verdict = this.verdicts.get(id);
      if (verdict) verdict.ended = at;
    }
    this.change({ standing });
  }

  private decide(): void {
    const { standing, route } = this.state;
    if (!route) return;
    const left = this.decider.decide(standing, route.deployedAt, this.clock.now);
    if (route.inIncident !== left) this.change({ route: { ...route, inIncident: left } });
  }

  private async keepBaseline(isNewRoute: boolean): Promise<void> {
    const { now } = this.clock;
    if (baselineIsDue(this.state, now)) {
      const question = baselineQuestion(this.input.service, this.state, now);
      if (question) this.change(withBaseline(question, await this.assessments.computeBaseline(question), now));
    } else if (!isNewRoute) return;
    this.newFold(
      isNewRoute || !this.fold ? { cursor: 0, charts: {} } : { cursor: this.fold.cursor, charts: this.fold.snapshot() },
    );
  }

  private newFold(from: { readonly cursor: number; readonly charts: ChartStates }): void {
    const input = this.question({});
    const { route } = this.state;
    if (!input || !route) return;
    const { model, deployedAt } = route;
    this.fold = new WatchFold(
      { ...input, model, deployedAt, standby: null, cursor: from.cursor, returnAfterMs: 0 },
      from,
    );
  }

  private question(charts: ChartStates): AssessmentInput | null {
    const { route, baseline, standing } = this.state;
    if (!route || !baseline) return null;
    const { version, epoch, routedAt, policy } = route;
    const stands = standing.map(({ endsWith, verdict }) => ({ id: endsWith, verdict }));
    const { service } = this.input;
    return {
      service,
      version,
      epoch,
      routedAt,
      now: this.clock.now,
      charts,
      standing: stands,
      baseline,
      policy: policy.detection,
    };
  }

  private change(change: Partial<DetectionState>): void {
    const version = this.state.route?.version ?? null;
    this.state = { ...this.state, ...change };
    this.state = { ...this.state, ...keepGoodPeriods(this.state, this.clock.now, version) };
  }
}
