import { assessOutside } from '../../../activities/assess-outside';
import { SeriesPasts } from '../../../activities/detection/series-pasts';
import type { OutsideMetrics } from '../../../activities/ports';
import { outsideReference, type OutsideValue } from '../../../domain/detection/outside-metric';
import { assessSeriesMetric } from '../../../domain/detection/series-metric';
import type { OutsideMetric } from '../../../domain/policy';
import type { AssessmentInput, Baseline } from '../../../workflows/contract/activities';
import { mulberry32, normalDraws } from '../../support/mulberry32';
import { pushedScore } from '../../support/outside-metric';
import { baseline, policy, startMs } from './detection-rows';

const minute = 60_000;
const unknown: OutsideMetric = {
  ...pushedScore,
  metric: 'backlog',
  kind: 'series',
  badDirection: 'up',
  unit: 'items',
  practicalMargin: 0,
};

/** One skewed value a minute from `startMs` on; `bad` says by how much one is shifted. */
function recorded(count: number, bad: (index: number) => number = () => 0, seed = 5): OutsideValue[] {
  const draw = normalDraws(mulberry32(seed));
  return Array.from({ length: count }, (_, index) => ({
    atMs: startMs + index * minute,
    value: 100 * Math.exp(0.3 * draw()) + bad(index),
    n: null,
  }));
}

/** A source that gives what was there at that moment, and counts what it gave. */
function source(all: () => readonly OutsideValue[], given: number[] = []): OutsideMetrics {
  return {
    values: async (_service, _metric, from, to, limit) => {
      const values = all().filter(({ atMs }) => atMs >= from && atMs < to);
      given.push(values.length);
      return values.slice(-limit);
    },
  };
}

function inputAt(index: number, metric: OutsideMetric, change: Partial<AssessmentInput> = {}): AssessmentInput {
  return {
    service: 's',
    version: '1.3',
    epoch: 7,
    routedAt: startMs,
    now: startMs + index * minute + 1,
    charts: {},
    standing: [],
    baseline,
    policy: { ...policy, outside: [metric] },
    ...change,
  };
}

const step = (from: number, until = Infinity) => recorded(800, (index) => (index >= from && index < until ? 900 : 0));

describe('a metric of unknown shape', () => {
  it('is judged by its own past: undecided while that is short, then ok, then degraded for a lasting jump', async () => {
    const assess = assessOutside({ outside: source(() => step(400)) });
    const at = async (index: number) => (await assess(inputAt(index, unknown))).tiers[0];
    expect(await at(50)).toMatchObject({ kind: 'inconclusive' });
    expect(await at(390)).toMatchObject({ kind: 'ok', metric: 'backlog', unit: 'items' });
    expect(await at(401)).toMatchObject({ kind: 'inconclusive' });
    const { began } = await assess(inputAt(405, unknown));
    expect(began).toHaveLength(1);
    expect(began[0]).toMatchObject({
      id: `1.3/backlog/o${startMs + 405 * minute + 1}`,
      verdict: { kind: 'degraded', tier: 'short-window', onsetMs: startMs + 400 * minute, unit: 'items' },
    });
    const { sentence, ucl } = began[0]?.verdict ?? {};
    expect(sentence).toMatch(/^backlog is 1\d{3} items on average over 6 points since .*; its own past says 9/);
    // The limit is that of the time before: by now the past holds six bad points.
    expect(ucl).toBeLessThan(900);
    expect(began[0]?.verdict.baseline).toBe('its own past, 406 points');
  });

  it('stays degraded although its past learns the bad time, and ends when the old values come back', async () => {
    const assess = assessOutside({ outside: source(() => step(400, 700)) });
    const { began: standing } = await assess(inputAt(405, unknown));
    for (const index of [420, 500, 690]) {
      const later = await assess(inputAt(index, unknown, { standing }));
      expect([later.began, later.ended]).toEqual([[], []]);
    }
    expect((await assess(inputAt(703, unknown, { standing }))).ended).toEqual([]);
    const { ended, tiers } = await assess(inputAt(706, unknown, { standing }));
    expect(ended.map(({ id }) => id)).toEqual(standing.map(({ id }) => id));
    expect(tiers[0]?.kind).toBe('ok');
  });

  it('is unmeasured, and ends nothing, when its values stop or cannot be asked for', async () => {
    const { began: standing } = await assessOutside({ outside: source(() => step(400)) })(inputAt(405, unknown));
    const silent = assessOutside({ outside: source(() => step(400).slice(0, 406)) });
    const down = assessOutside({ outside: { values: () => Promise.reject(new Error('down')) } });
    for (const assess of [silent, down])
      expect(await assess(inputAt(450, unknown, { standing }))).toMatchObject({
        began: [],
        ended: [],
        tiers: [{ kind: 'unmeasured' }],
      });
  });

  it('does not hold against a version what the one before did', async () => {
    const assess = assessOutside({ outside: source(() => step(400)) });
    const routed = { routedAt: startMs + 403 * minute };
    const early = await assess(inputAt(405, unknown, routed));
    expect([early.began, early.tiers[0]?.kind]).toEqual([[], 'inconclusive']);
    const { began } = await assess(inputAt(409, unknown, routed));
    expect(began[0]?.verdict.onsetMs).toBe(routed.routedAt);
  });

  it('never begins a verdict on clean series, skewed ones and such with a day in them', async () => {
    for (let seed = 1; seed <= 6; seed += 1) {
      const draw = normalDraws(mulberry32(seed));
      const skewed = seed % 2 === 0;
      const all = Array.from({ length: 2_000 }, (_, index): OutsideValue => {
        const day = skewed ? 1 : 2 + Math.sin((index / 288) * 2 * Math.PI);
        return { atMs: startMs + index * 5 * minute, value: day * Math.exp(0.2 * draw()), n: null };
      });
      const pasts = new SeriesPasts(source(() => all));
      for (let index = 110; index < 2_000; index += 20) {
        const now = startMs + index * 5 * minute + 1;
        const { state, points } = await pasts.upTo('s', unknown, now);
        const { verdict } = assessSeriesMetric(state, unknown, { nowMs: now, routedAtMs: startMs, points });
        expect(verdict.kind).not.toBe('degraded');
      }
    }
  });
});

describe('a metric whose good history is too short for limits', () => {
  const score: OutsideMetric = { ...pushedScore, metric: 'backlog', badDirection: 'up', practicalMargin: 50 };
  const withHistory = (count: number): Baseline => {
    const good = recorded(count, () => 0, 9).map(({ atMs, value }) => ({ atMs, value, samples: 1 }));
    const entry = { value: 100, n: count, spread: null, source: 'good hours', reference: outsideReference(good, 50) };
    return { ...baseline, metrics: { ...baseline.metrics, backlog: entry } };
  };

  it('is judged by its own past meanwhile, and by the good history once that is long enough', async () => {
    const assess = assessOutside({ outside: source(() => step(400)) });
    const nothing = await assess(inputAt(405, score));
    expect(nothing.began[0]?.verdict.baseline).toBe('its own past, 406 points');
    const cold = await assess(inputAt(405, score, { baseline: withHistory(20) }));
    expect(cold.began[0]?.verdict.baseline).toBe('its own past, 406 points');
    const warm = await assess(inputAt(420, score, { baseline: withHistory(200) }));
    expect(warm.began[0]?.verdict.baseline).toBe('good hours');
  });

  it('ends by the good history what its own past began', async () => {
    const assess = assessOutside({ outside: source(() => step(400, 500)) });
    const { began: standing } = await assess(inputAt(405, score));
    const warm = { standing, baseline: withHistory(200) };
    expect((await assess(inputAt(450, score, warm))).ended).toEqual([]);
    expect((await assess(inputAt(510, score, warm))).ended).toHaveLength(1);
  });

  it('says what is missing where its own past is short too', async () => {
    const found = await assessOutside({ outside: source(() => step(400)) })(inputAt(50, score));
    expect([found.began, found.tiers[0]?.kind]).toEqual([[], 'inconclusive']);
  });
});

describe('the chart of a series', () => {
  const withSamples: OutsideMetric = { ...unknown, minSamples: 3 };

  it.each([unknown, withSamples])('goes on from where it was, and is what it would be folded anew', async (metric) => {
    const given: number[] = [];
    const all = step(500);
    const pasts = new SeriesPasts(source(() => all, given));
    for (let index = 100; index < 700; index += 7) {
      const now = startMs + index * minute + 1;
      const kept = await pasts.upTo('s', metric, now);
      if (index % 70 > 6) continue;
      const anew = await new SeriesPasts(source(() => all)).upTo('s', metric, now);
      expect(JSON.stringify(kept.state)).toBe(JSON.stringify(anew.state));
      expect(kept.points).toEqual(anew.points);
    }
    // The newest window again, to see what came late, and what is new.
    expect(Math.max(...given.slice(1))).toBeLessThan(32);
  });

  it('is folded anew when a value came late, when time went back, and for another margin', async () => {
    const given: number[] = [];
    let all = step(500).filter((_, index) => index !== 395);
    const pasts = new SeriesPasts(source(() => all, given));
    const at = (index: number) => startMs + index * minute + 1;
    await pasts.upTo('s', unknown, at(400));
    await pasts.upTo('s', unknown, at(402));
    all = step(500);
    const { state } = await pasts.upTo('s', unknown, at(404));
    expect(state.points).toBe(405);
    expect((await pasts.upTo('s', unknown, at(300))).state.points).toBe(301);
    expect((await pasts.upTo('s', { ...unknown, practicalMargin: 1 }, at(400))).state.points).toBe(401);
    expect(given.map((count) => count > 100)).toEqual([true, false, false, true, true, true]);
  });

  it('is one for each who asks at the same time', async () => {
    const pasts = new SeriesPasts(source(() => step(500)));
    const now = startMs + 400 * minute + 1;
    const both = await Promise.all([pasts.upTo('s', unknown, now), pasts.upTo('s', unknown, now)]);
    expect(both.map(({ state }) => state.points)).toEqual([401, 401]);
    expect((await pasts.upTo('s', unknown, now + minute)).state.points).toBe(402);
  });
});
