import type { Verdict } from '../../domain/detection/types';
import { percentText } from '../../domain/detection/verdict';
import type { CountsRow, EventRow, TelemetryRow } from '../../gateway/protocol';
import type { ChartStates, TierReading, WatchInput, WatchResult } from '../../workflows/contract/activities';
import { rateSpecs, tallyOf, type RateSpec } from './chart-specs';
import {
  expectedAt,
  foldLatency,
  LATENCY,
  latencyIsCalm,
  latencyReading,
  latencySpec,
  latencyVerdict,
  newLatency,
  unpackLatency,
  type LatencyChart,
  type LatencySpec,
} from './latency-chart';
import { LIVE_BACKEND, liveBackendVerdict, type FallbackSeen } from './live-backend';
import {
  foldMemory,
  MEMORY,
  memoryMetric,
  memoryReading,
  memoryVerdict,
  unpackMemory,
  type MemoryChart,
  type MemorySeen,
} from './memory-chart';
import type { OutsideJudged } from './judge-outside';
import {
  begins,
  foldTally,
  alarmed,
  isCalm,
  newChart,
  pack,
  readingOf,
  sum,
  unpack,
  verdictOf,
  type RateChart,
} from './rate-chart';

/** Verdicts that begin at the same row travel together, but no more than fit a result; the others begin at the next row. */
const BEGAN_MAX = 5;
/** Fewer labels of a class say nothing about which one is worst. */
const WORST_CLASS_LABELS = 5;

/** What the fold keeps beside the charts, under a name that no metric has. */
interface Kept {
  /** Newest route that was seen to be applied. */
  readonly route: { readonly epoch: number; readonly version: string | null } | null;
  readonly fallback: FallbackSeen | null;
  /** End of the newest row of counts, of any version. */
  readonly rowAtMs: number | null;
  /** Since when nothing could be measured, once that was reported. */
  readonly unmeasuredSince: number | null;
}
const KEPT = '#watch';

type Began = { readonly id: string; readonly verdict: Verdict };

/**
 * The state of a watch: a pure fold of the numbered rows, so that the same rows from the same cursor give the same
 * verdicts with the same ids, however often the activity dies in between. Uses the time of the rows, never the clock.
 */
export class WatchFold {
  cursor: number;
  readonly began: Began[] = [];
  readonly ended: { id: string; at: number; sentence: string }[] = [];
  readonly routeEvents: WatchResult['routeEvents'][number][] = [];
  private readonly specs: readonly RateSpec[];
  private readonly charts = new Map<string, RateChart>();
  private readonly latencyOf: LatencySpec | null;
  private latency: LatencyChart;
  private memory: MemoryChart | null;
  private outside: readonly TierReading[] = [];
  private kept: Kept;
  private readonly standing: Set<string>;

  constructor(
    private readonly input: WatchInput,
    from: { readonly cursor: number; readonly charts: ChartStates },
  ) {
    this.cursor = from.cursor;
    this.specs = rateSpecs(input.policy, input.baseline);
    for (const spec of this.specs) this.charts.set(spec.name, unpack(from.charts[spec.name], spec) ?? newChart(spec));
    this.latencyOf = latencySpec(input.policy, input.baseline);
    this.latency = unpackLatency(from.charts[LATENCY]) ?? newLatency();
    this.memory = unpackMemory(from.charts[MEMORY]);
    this.kept = (from.charts[KEPT] as Kept | undefined) ?? {
      route: null,
      fallback: null,
      rowAtMs: null,
      unmeasuredSince: null,
    };
    this.standing = new Set(input.standing.map(({ verdict }) => verdict.metric));
  }

  get hasNews(): boolean {
    return this.began.length > 0 || this.ended.length > 0 || this.routeEvents.length > 0;
  }

  get rowAtMs(): number | null {
    return this.kept.rowAtMs;
  }

  get unmeasuredSince(): number | null {
    return this.kept.unmeasuredSince;
  }

  setUnmeasured(since: number | null): void {
    this.kept = { ...this.kept, unmeasuredSince: since };
  }

  take(row: TelemetryRow): void {
    this.cursor = row.seq;
    if (row.kind === 'event') this.takeEvent(row);
    else this.takeCounts(row);
  }

  /** What the copy holds comes from a look at it, not from a row. */
  takeMemory(seen: MemorySeen, atMs: number): void {
    const { policy, version } = this.input;
    const metric = memoryMetric(policy);
    if (!metric) return;
    const before = this.memory;
    this.memory = foldMemory(before, seen, atMs);
    if (before?.alarm && !this.memory.alarm) this.end(before.alarm.id, MEMORY, atMs, 'another copy serves');
    const verdict = memoryVerdict(this.memory, metric, atMs, policy);
    const { alarm } = this.memory;
    if (alarm !== null && verdict.kind === 'ok') {
      this.end(alarm.id, MEMORY, atMs, verdict.sentence);
      this.memory = { ...this.memory, alarm: null };
    } else if (alarm === null && verdict.kind === 'degraded' && !this.standing.has(MEMORY)) {
      const id = `${version}/${MEMORY}/${atMs}`;
      this.memory = { ...this.memory, alarm: { id } };
      this.begin(id, verdict);
    }
  }

  /** What comes from outside is judged over what is stored, not over rows: nothing of it is kept here but what it says. */
  takeOutside(judged: readonly OutsideJudged[]): void {
    for (const { reading, began, ended } of judged) {
      this.outside = [...this.outside.filter(({ metric }) => metric !== reading.metric), reading];
      if (ended) this.ended.push(ended);
      if (ended) this.standing.delete(reading.metric);
      if (began && !this.standing.has(reading.metric) && this.began.length < BEGAN_MAX)
        this.begin(began.id, began.verdict);
    }
  }

  snapshot(): ChartStates {
    const charts: Record<string, unknown> = { [KEPT]: this.kept };
    for (const [name, chart] of this.charts) charts[name] = pack(chart);
    if (this.latencyOf) charts[LATENCY] = this.latency;
    if (this.memory) charts[MEMORY] = this.memory;
    return charts;
  }

  readings(nowMs: number): TierReading[] {
    const { policy } = this.input;
    const readings = this.specs.map((spec) => readingOf(this.chart(spec), spec, nowMs, policy));
    if (this.latencyOf) readings.push(latencyReading(this.latency, this.latencyOf, nowMs, policy));
    const memory = memoryMetric(policy);
    if (memory) readings.push(memoryReading(this.memory, memory, nowMs, policy));
    return [this.backendReading(nowMs), ...readings, ...this.outside];
  }

  private chart(spec: RateSpec): RateChart {
    return this.charts.get(spec.name) ?? newChart(spec);
  }

  private takeCounts(row: CountsRow): void {
    if (row.cohort !== 'live') return;
    this.kept = { ...this.kept, rowAtMs: Math.max(this.kept.rowAtMs ?? 0, row.toMs) };
    if (row.version !== this.input.version) return;
    const { policy, routedAt } = this.input;
    // A row may have been open for up to a second when the route came; it holds this version's answers only.
    const routed = row.toMs > routedAt;
    for (const spec of this.specs) {
      if (!routed && !spec.labelled) continue;
      const tally = tallyOf(spec, row);
      // A label speaks of the moment of its answer: the onset is when users were served badly, not when it was known.
      const at = spec.labelled ? Math.max(routedAt, row.fromMs - (row.labelDelayMs ?? 0)) : row.fromMs;
      if (tally !== null) this.charts.set(spec.name, foldTally(this.chart(spec), spec, tally, at, policy));
      this.judge(spec, row);
    }
    if (routed && this.latencyOf) this.foldLatency(this.latencyOf, row);
    this.began.sort((left, right) => Number(right.verdict.hard) - Number(left.verdict.hard));
  }

  private judge(spec: RateSpec, row: CountsRow): void {
    const { version, policy } = this.input;
    const chart = this.chart(spec);
    if (begins(chart, spec)) {
      if (this.standing.has(spec.name) || this.began.length >= BEGAN_MAX) return;
      const verdict = this.explained(verdictOf(chart, spec, row.toMs, policy));
      const id = `${version}/${spec.name}/${row.fromMs}`;
      const rate = spec.words.form === 'hits' ? 1 - (verdict.observed ?? 0) : (verdict.observed ?? 1);
      this.charts.set(spec.name, alarmed(chart, { id, atMs: row.fromMs, rate }, verdict.samples));
      this.begin(id, verdict);
    } else if (chart.alarm !== null && isCalm(chart, spec, row.fromMs, policy.calmMs)) {
      const { trials, failures } = sum(chart.recent);
      this.end(chart.alarm.id, spec.name, row.toMs, `${failures} of the last ${trials} were bad, within the limit`);
      this.charts.set(spec.name, { ...newChart(spec), recent: chart.recent });
    }
  }

  /** All classes together have more labels than each of them, so they may alarm first; people ask which class it is. */
  private explained(verdict: Verdict): Verdict {
    if (verdict.metric !== 'accuracy') return verdict;
    const rates = this.specs.flatMap((spec) => {
      const { trials, failures } = sum(this.chart(spec).recent);
      if (spec.classLabel === null || trials < WORST_CLASS_LABELS) return [];
      return [
        { label: spec.classLabel, trials, right: 1 - failures / trials, rate: failures / trials - spec.params.p0 },
      ];
    });
    const worst = rates.sort((left, right) => right.rate - left.rate)[0];
    if (!worst) return verdict;
    const sentence = `${verdict.sentence}; worst class: ${worst.label}, ${percentText(worst.right)} of ${worst.trials} recognised`;
    return { ...verdict, sentence };
  }

  private foldLatency(spec: LatencySpec, row: CountsRow): void {
    const { policy, version } = this.input;
    this.latency = foldLatency(this.latency, spec, row);
    const params = expectedAt(spec, this.latency.state.atMs ?? row.fromMs);
    if (params === null) return;
    if (this.latency.alarm !== null) {
      if (!latencyIsCalm(this.latency)) return;
      this.end(this.latency.alarm.id, LATENCY, row.toMs, 'no interval of the newest is beyond the limit');
      this.latency = { ...newLatency(), interval: this.latency.interval };
      return;
    }
    const verdict = latencyVerdict(this.latency, spec, params, row.toMs, policy);
    if (verdict.kind !== 'degraded' || this.standing.has(LATENCY) || this.began.length >= BEGAN_MAX) return;
    const id = `${version}/${LATENCY}/${verdict.onsetMs ?? row.fromMs}`;
    this.latency = { ...this.latency, alarm: { id } };
    this.begin(id, verdict);
  }

  private takeEvent(row: EventRow): void {
    const { version, epoch } = this.input;
    switch (row.event) {
      case 'routeApplied':
        this.kept = { ...this.kept, route: { epoch: row.epoch, version: row.version } };
        this.endFallback(row);
        // Old ones are read again after a start; only what is newer than the known route is news.
        if (row.epoch > epoch) this.report(row);
        return;
      case 'fallbackBegan': {
        const primary = this.kept.route?.epoch === row.epoch ? this.kept.route.version : null;
        const mine = row.epoch === epoch || (row.epoch > epoch && primary === version);
        if (!mine || this.kept.fallback !== null) return;
        const id = `${version}/${LIVE_BACKEND}/${row.fromMs}`;
        this.kept = { ...this.kept, fallback: { id, sinceMs: row.fromMs, epoch: row.epoch } };
        this.report(row);
        if (!this.standing.has(LIVE_BACKEND)) this.begin(id, liveBackendVerdict(version, row));
        return;
      }
      case 'fallbackEnded':
        return this.endFallback(row);
      case 'gap':
        return this.report(row);
      case 'gatewayStarted':
      case 'shareEnded':
      case 'gapAnswers':
      case 'fenced':
        return;
    }
  }

  private endFallback(row: EventRow): void {
    const { fallback } = this.kept;
    if (fallback === null) return;
    this.kept = { ...this.kept, fallback: null };
    this.end(fallback.id, LIVE_BACKEND, row.fromMs, `the router left its fallback: ${row.detail}`);
  }

  private backendReading(nowMs: number): TierReading {
    const { fallback, rowAtMs } = this.kept;
    const charted = [...this.charts.values()].map(({ state }) => state.atMs ?? 0);
    const at = Math.max(0, ...charted);
    const kind =
      fallback !== null
        ? 'degraded'
        : rowAtMs === null || at === 0 || nowMs - at > this.input.policy.unmeasuredAfterMs
          ? 'unmeasured'
          : 'ok';
    return {
      tier: 'immediate',
      metric: LIVE_BACKEND,
      kind,
      observed: kind === 'unmeasured' ? null : Number(kind === 'degraded'),
      expected: 0,
      limit: 0,
      samples: kind === 'unmeasured' ? 0 : 1,
      at: fallback?.sinceMs ?? (at === 0 ? nowMs : at),
    };
  }

  private begin(id: string, verdict: Verdict): void {
    this.began.push({ id, verdict });
    this.standing.add(verdict.metric);
  }

  private end(id: string, metric: string, at: number, sentence: string): void {
    this.ended.push({ id, at, sentence: `${metric}: ${sentence}` });
    this.standing.delete(metric);
  }

  private report(row: EventRow): void {
    const { event, version, epoch, fromMs: at, detail } = row;
    this.routeEvents.push({ event, version, epoch, at, detail: detail.slice(0, 300) });
  }
}
