import { assessOutside } from '../../../activities/assess-outside';
import { outsideHistory } from '../../../activities/detection/outside-history';
import type { OutsideMetrics } from '../../../activities/ports';
import type { OutsideValue } from '../../../domain/detection/outside-metric';
import type { AssessmentInput, Baseline } from '../../../workflows/contract/activities';
import { mulberry32, normalDraws } from '../../support/mulberry32';
import { pushedScore } from '../../support/outside-metric';
import { baseline, policy, startMs } from './detection-rows';

const minute = 60_000;

/** One value a minute: 80 ± 1, and 74 from `badFrom` until `badUntil`. */
function values(fromMs: number, count: number, badFrom = Infinity, badUntil = Infinity): OutsideValue[] {
  const draw = normalDraws(mulberry32(11));
  return Array.from({ length: count }, (_, index) => {
    const atMs = fromMs + index * minute;
    return { atMs, value: 80 + draw() - (atMs >= badFrom && atMs < badUntil ? 6 : 0), n: null };
  });
}

function sourceOf(all: readonly OutsideValue[]): OutsideMetrics {
  return {
    values: async (_service, metric, from, to, limit) =>
      metric === 'quality' ? all.filter(({ atMs }) => atMs >= from && atMs < to).slice(-limit) : [],
  };
}

const historyMs = startMs - 10 * 3_600_000;
const good = values(historyMs, 600);
const periods = [{ version: '1.2', from: historyMs, to: startMs }];
const about = { service: 's', policy: { ...policy, outside: [pushedScore] }, anchors: {} };

async function inputAt(now: number, change: Partial<AssessmentInput> = {}): Promise<AssessmentInput> {
  const metrics = { ...baseline.metrics, ...(await outsideHistory(sourceOf(good), about, periods)) };
  return {
    service: 's',
    version: '1.3',
    epoch: 7,
    routedAt: startMs,
    now,
    charts: {},
    standing: [],
    baseline: { ...baseline, metrics },
    policy: about.policy,
    ...change,
  };
}

describe('the history of a metric from outside', () => {
  it('comes from the good periods, newest first, and says so', async () => {
    const { quality: found } = await outsideHistory(sourceOf(good), about, periods);
    expect(found).toMatchObject({
      n: 600,
      source: 'good periods (pushed from outside)',
      reference: { warmth: 'warm' },
    });
    expect(found?.value).toBeCloseTo(80, 0);
  });

  it('is held at the margin of its anchor when it has declined', async () => {
    const declined = good.map((one) => ({ ...one, value: one.value - 10 }));
    const anchored = { ...about, anchors: { quality: 80 } };
    const { quality: found } = await outsideHistory(sourceOf(declined), anchored, periods);
    expect(found).toMatchObject({ value: 78, anchor: 80 });
    expect(found?.source).toContain('held at the margin of the anchor');
  });

  it('is nothing where nothing was pushed or the source does not answer', async () => {
    const down: OutsideMetrics = { values: () => Promise.reject(new Error('down')) };
    expect(await outsideHistory(down, about, periods)).toEqual({});
    expect(await outsideHistory(sourceOf([]), about, periods)).toEqual({});
  });
});

describe('the assessment of a metric from outside', () => {
  const now = startMs + 30 * minute;
  const bad = sourceOf(values(startMs, 60, startMs + 20 * minute));

  it('begins once with the name of the metric, and the same way when it is repeated', async () => {
    const input = await inputAt(now);
    const first = await assessOutside({ outside: bad })(input);
    expect(first.began).toHaveLength(1);
    expect(first.began[0]).toMatchObject({
      id: `1.3/quality/o${now}`,
      verdict: { kind: 'degraded', metric: 'quality', tier: 'short-window' },
    });
    const onsetMs = first.began[0]?.verdict.onsetMs ?? 0;
    expect(Math.abs(onsetMs - (startMs + 20 * minute))).toBeLessThanOrEqual(3 * minute);
    expect(first.tiers).toMatchObject([{ metric: 'quality', kind: 'degraded', unit: 'points' }]);
    expect(await assessOutside({ outside: bad })(input)).toEqual(first);
    expect((await assessOutside({ outside: bad })({ ...input, standing: first.began })).began).toEqual([]);
  });

  it('ends when the newest values are good again, and not by silence', async () => {
    const { began: standing } = await assessOutside({ outside: bad })(await inputAt(now));
    const recovered = sourceOf(values(startMs, 60, startMs + 20 * minute, now));
    const later = await inputAt(now + 8 * minute, { standing });
    const after = await assessOutside({ outside: recovered })(later);
    expect(after.ended.map(({ id }) => id)).toEqual(standing.map(({ id }) => id));
    expect(after.tiers[0]?.kind).toBe('ok');
    const silent = await assessOutside({ outside: sourceOf([]) })(later);
    expect(silent).toMatchObject({ began: [], ended: [], tiers: [{ kind: 'unmeasured' }] });
  });

  it('takes an unreachable source as unmeasured, and looks at nothing from before the route', async () => {
    const input = await inputAt(now);
    const down: OutsideMetrics = { values: () => Promise.reject(new Error('down')) };
    expect(await assessOutside({ outside: down })(input)).toMatchObject({ began: [], tiers: [{ kind: 'unmeasured' }] });
    const routed = await inputAt(now, { routedAt: now - minute });
    const seen: number[] = [];
    const source: OutsideMetrics = { values: async (_service, _metric, from) => (seen.push(from), []) };
    await assessOutside({ outside: source })(routed);
    expect(seen).toEqual([now - minute]);
  });

  it('leaves to the watch what the watch began', async () => {
    const { began } = await assessOutside({ outside: bad })(await inputAt(now));
    const foreign = began.map(({ verdict }) => ({ id: '1.3/quality/w1', verdict }));
    const recovered = sourceOf(values(startMs, 60));
    expect((await assessOutside({ outside: recovered })(await inputAt(now, { standing: foreign }))).ended).toEqual([]);
  });

  it('stays within the size of a message with twenty metrics that all degrade', async () => {
    const many = Array.from({ length: 20 }, (_, index) => ({ ...pushedScore, metric: `quality-${index}` }));
    const source: OutsideMetrics = {
      values: async (_service, _metric, from, to) =>
        values(startMs, 60, startMs).filter(({ atMs }) => atMs >= from && atMs < to),
    };
    const input = await inputAt(now);
    const entry = input.baseline.metrics['quality'] as Baseline['metrics'][string];
    const metrics = Object.fromEntries(many.map(({ metric }) => [metric, entry]));
    const wide = { ...input, policy: { ...policy, outside: many }, baseline: { ...input.baseline, metrics } };
    const found = await assessOutside({ outside: source })(wide);
    expect(found.tiers).toHaveLength(20);
    expect(found.began).toHaveLength(5);
    expect(JSON.stringify(found).length).toBeLessThan(16 * 1024);
    expect(JSON.stringify({ ...wide.baseline }).length).toBeLessThan(16 * 1024);
  });
});
