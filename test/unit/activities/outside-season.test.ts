import { assessOutside } from '../../../activities/assess-outside';
import { outsideHistory } from '../../../activities/detection/outside-history';
import type { OutsideMetrics } from '../../../activities/ports';
import type { OutsideValue } from '../../../domain/detection/outside-metric';
import type { OutsideMetric } from '../../../domain/policy';
import type { AssessmentInput, Baseline } from '../../../workflows/contract/activities';
import { mulberry32, normalDraws } from '../../support/mulberry32';
import { pushedScore } from '../../support/outside-metric';
import { baseline, policy } from './detection-rows';

const minute = 60_000;
const hourMs = 60 * minute;
const dayMs = 24 * hourMs;
const startMs = Date.UTC(2026, 4, 4);
const queue: OutsideMetric = { ...pushedScore, metric: 'queue', badDirection: 'up', practicalMargin: 1 };
/** Of the noise: a step of two of them is what must be found. */
const sigma = 1;

/** Eight sigmas from night to noon and back, or none. */
const seasonal = (atMs: number): number => 20 - 4 * sigma * Math.cos(((atMs % dayMs) / dayMs) * 2 * Math.PI);
const flat = (): number => 20;

function valuesOf(usual: (atMs: number) => number, days: number, everyMs: number, seed: number, step = Infinity) {
  const draw = normalDraws(mulberry32(seed));
  return Array.from({ length: (days * dayMs) / everyMs }, (_, index): OutsideValue => {
    const atMs = startMs + index * everyMs;
    return { atMs, value: usual(atMs) + sigma * draw() + (atMs >= step ? 2 * sigma : 0), n: null };
  });
}

/** Asked for a stretch of time, as the gateway answers; counts how often, and the most that it gave. */
function source(all: readonly OutsideValue[], asked = { times: 0, most: 0 }): OutsideMetrics {
  const first = all[0]?.atMs ?? 0;
  const everyMs = (all[1]?.atMs ?? 1) - first;
  return {
    values: async (_service, _metric, from, to, limit) => {
      const [begin, end] = [from, to].map((atMs) => Math.max(0, Math.ceil((atMs - first) / everyMs)));
      const values = all.slice(begin, end).slice(-limit);
      asked.times += 1;
      asked.most = Math.max(asked.most, values.length);
      return values;
    },
  };
}

const learned = 7 * dayMs;
async function baselineOf(outside: OutsideMetrics, from = startMs, to = startMs + learned): Promise<Baseline> {
  const about = { service: 's', policy: { ...policy, falseAlarmDays: 30, outside: [queue] }, anchors: {} };
  const history = await outsideHistory(outside, about, [{ version: '1.3', from, to }]);
  return { ...baseline, metrics: { ...baseline.metrics, ...history } };
}

/** Looks every `lookMs` from the end of the history on; the moments of those that found a degradation. */
async function looks(
  outside: OutsideMetrics,
  known: Baseline,
  { days, lookMs = 10 * minute, fromMs = startMs + learned }: { days: number; lookMs?: number; fromMs?: number },
): Promise<number[]> {
  const assess = assessOutside({ outside });
  const found: number[] = [];
  for (let now = fromMs + 30 * minute; now < fromMs + days * dayMs; now += lookMs) {
    const input: AssessmentInput = {
      service: 's',
      version: '1.3',
      epoch: 7,
      routedAt: startMs,
      now,
      charts: {},
      standing: [],
      baseline: known,
      policy: { ...policy, falseAlarmDays: 30, outside: [queue] },
    };
    const { began } = await assess(input);
    if (began.length > 0) found.push(now);
  }
  return found;
}

describe('a metric that swings by eight sigmas each day', () => {
  it('is expected to, after a week, and its shape is that of what is left', async () => {
    const known = (await baselineOf(source(valuesOf(seasonal, 7, minute, 1)))).metrics['queue'];
    expect(known?.source).toBe('good periods (pushed from outside), by the hour of the day');
    expect(known?.value).toBeCloseTo(20, 0);
    const [low = 0, high = 0] = [known?.reference?.knots[0], known?.reference?.knots[20]];
    // 2.5 sigmas on each side, and what an hour is not flat.
    expect(high - low).toBeLessThan(7.5);
    expect(high - low).toBeGreaterThan(4);
  });

  it('alarms every day without that, and not in ten days with it', async () => {
    const outside = source(valuesOf(seasonal, 17, minute, 2));
    // Limits of the six hours before: midnight to six, as limits of recent hours are.
    const recent = await baselineOf(outside, startMs + learned - 6 * hourMs);
    expect(recent.metrics['queue']?.hourOffsets).toBeUndefined();
    const without = await looks(outside, recent, { days: 2 });
    expect(new Set(without.map((now) => Math.floor(now / dayMs))).size).toBe(2);
    expect(await looks(outside, await baselineOf(outside), { days: 10 })).toEqual([]);
  });

  it('does not hide a step of two sigmas, at whatever hour it comes', async () => {
    const delays: number[] = [];
    for (let run = 0; run < 24; run += 1) {
      const step = startMs + learned + run * hourMs;
      const outside = source(valuesOf(seasonal, 9, minute, 100 + run, step));
      const [first] = await looks(outside, await baselineOf(outside), {
        days: 0.05,
        lookMs: minute,
        fromMs: step - 30 * minute,
      });
      delays.push(((first ?? Infinity) - step) / minute);
    }
    const sorted = delays.sort((left, right) => left - right);
    expect(sorted[12]).toBeLessThanOrEqual(15);
    expect(sorted[21]).toBeLessThanOrEqual(30);
  });
});

describe('a metric without a season', () => {
  it('has no hours in its baseline, and alarms as rarely as before', async () => {
    const outside = source(valuesOf(flat, 17, minute, 5));
    const known = await baselineOf(outside);
    expect(known.metrics['queue']?.hourOffsets).toBeUndefined();
    expect(await looks(outside, known, { days: 10 })).toEqual([]);
  });
});

describe('the hours of a metric', () => {
  it('whose values come every few seconds are read by five minutes each', async () => {
    const asked = { times: 0, most: 0 };
    const outside = source(valuesOf(seasonal, 7, 15_000, 7), asked);
    const known = (await baselineOf(outside)).metrics['queue'];
    expect(known?.hourOffsets).toHaveLength(24);
    expect(known?.hourOffsets?.[12]).toBeGreaterThan(3);
    expect(asked.times).toBeLessThan(175);
    expect(asked.most).toBeLessThanOrEqual(5_000);
  });

  it('are not asked for where good periods span less than three days, and not for a week of a source that is down', async () => {
    const asked = { times: 0, most: 0 };
    const outside = source(valuesOf(seasonal, 7, 15_000, 7), asked);
    await baselineOf(outside, startMs + 5 * dayMs);
    expect(asked.times).toBe(1);
    let times = 0;
    const failing: OutsideMetrics = {
      values: async (service, metric, from, to, limit) => {
        times += 1;
        if (times > 1) throw new Error('down');
        return await outside.values(service, metric, from, to, limit);
      },
    };
    expect((await baselineOf(failing)).metrics['queue']?.hourOffsets).toBeUndefined();
    expect(times).toBe(3);
  });

  it('are kept for eight metrics at most, so that a baseline stays a message', async () => {
    const many = Array.from({ length: 20 }, (_, index) => ({ ...queue, metric: `queue-${index}` }));
    const about = { service: 's', policy: { ...policy, outside: many }, anchors: {} };
    const all = source(valuesOf(seasonal, 7, 2 * minute, 8));
    const history = await outsideHistory(all, about, [{ version: '1.3', from: startMs, to: startMs + learned }]);
    expect(Object.values(history).filter(({ hourOffsets }) => hourOffsets !== undefined)).toHaveLength(8);
    expect(JSON.stringify({ ...baseline.metrics, ...history }).length).toBeLessThan(12 * 1024);
  });
});
