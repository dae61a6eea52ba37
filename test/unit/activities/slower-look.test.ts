import { lookWhetherSlower, usualBetween, type TimeBoth } from '../../../activities/detection/slower-look';
import type { PairedLatency } from '../../../domain/detection/paired-evidence';
import type { CountsRow } from '../../../gateway/protocol';
import type { AssessmentInput, ChartStates } from '../../../workflows/contract/activities';
import { TIMED } from '../../../workflows/contract/charts';
import { baseline, counts, latency, policy } from './detection-rows';

const MINUTE_MS = 60_000;
const startMs = Date.UTC(2026, 4, 4, 12);
/** The history's own movement: no chart, and a margin of 25 ms at 100 ms. */
const known = {
  ...baseline,
  ratePerSecond: {},
  metrics: { 'latency-p95': { value: 100, n: 400, spread: 30, source: 'good periods' } },
};

function minutesOf(p95Ms: number, minutes: number, fromMs: number): CountsRow[] {
  return Array.from({ length: minutes }, (_, at) =>
    counts(at + 1, {
      fromMs: fromMs + at * MINUTE_MS,
      toMs: fromMs + (at + 1) * MINUTE_MS,
      latency: latency(60, p95Ms),
    }),
  );
}

/** What the hours before have taught: an idle copy is a hundredth faster. */
const learned: ChartStates = {
  [TIMED]: {
    version: '1.3',
    at: 0,
    decisive: false,
    confirmed: null,
    load: 1,
    learnedAt: startMs,
    usual: [0.01, 0.01, 0.01],
  },
};

/** Assessments every 90 s over a service of this latency; the copies differ by `times`. */
async function watched(
  p95Ms: number,
  times: number | string,
  looks: number,
  charts: ChartStates = learned,
  baking = false,
  history = known,
  judgedBy = policy,
): Promise<{ found: (string | null)[]; asked: number; charts: ChartStates }> {
  let asked = 0;
  let kept = charts;
  const timeBoth: TimeBoth = async () => {
    asked += 1;
    return typeof times === 'string'
      ? times
      : ({
          pairs: 60,
          meanLog: Math.log(times),
          sdLog: 0.25,
          tail: { slower: 0, faster: 0 },
          by: 'samples',
        } satisfies PairedLatency);
  };
  const found: (string | null)[] = [];
  for (let look = 0; look < looks; look += 1) {
    const now = startMs + 20 * MINUTE_MS + look * 90_000;
    const input: AssessmentInput = {
      service: 's',
      version: '1.3',
      epoch: 7,
      routedAt: startMs,
      now,
      charts: kept,
      baking,
      standing: [],
      baseline: history,
      policy: judgedBy,
    };
    const { judged, looks: memory } = await lookWhetherSlower(
      timeBoth,
      input,
      minutesOf(p95Ms, 20, now - 20 * MINUTE_MS),
    );
    kept = { [TIMED]: JSON.parse(JSON.stringify(memory ?? null)) as unknown };
    found.push(judged?.verdict?.sentence ?? null);
  }
  return { found, asked, charts: kept };
}

it('a version that is slower than the one before is found by two looks some minutes apart', async () => {
  const { found, asked } = await watched(130, 1.35, 8);
  expect(found.findIndex((one) => one !== null)).toBe(2);
  expect(found.slice(2).every((one) => one !== null)).toBe(true);
  expect(found[2]).toContain('take 1.34 times as long as on the version before, in two looks');
  expect(asked).toBe(3);
});

it('a service whose copies are both slow is none, however long it lasts', async () => {
  const { found, asked } = await watched(160, 1.05, 20);
  expect(found.every((one) => one === null)).toBe(true);
  expect(asked).toBeLessThanOrEqual(8);
});

it('nothing is asked of the copies while the latency is as usual, but for what is usual between them', async () => {
  const { found, asked, charts } = await watched(98, 1.1, 85, {});
  expect(found.every((one) => one === null)).toBe(true);
  expect(asked).toBe(3);
  expect(usualBetween(charts, '1.3')).toEqual([0.0953, 0.0953, 0.0953]);
  // The next version begins with it.
  expect(usualBetween(charts, '1.4')).toEqual(usualBetween(charts, '1.3'));
});

it('copies that cannot be asked accuse nobody, and are not asked at every look', async () => {
  const { found, asked } = await watched(160, 'no copy of a previous version is running', 8);
  expect(found.every((one) => one === null)).toBe(true);
  expect(asked).toBe(2);
});

it('one decisive look is no verdict when the next one disagrees', async () => {
  const first = await watched(130, 1.35, 1);
  const { found } = await watched(130, 1.02, 1, first.charts);
  expect(found).toEqual([null]);
});

it('what this code did not write is no memory', async () => {
  const { found } = await watched(130, 1.35, 1, { [TIMED]: 'nonsense' });
  expect(found).toEqual([null]);
});

it('in the bake period a slower version is found behind a quiet hour, and does not become what is usual', async () => {
  const { found, charts } = await watched(90, 1.35, 8, learned, true);
  expect(found.findIndex((one) => one !== null)).toBe(2);
  expect(usualBetween(charts, '1.3')).toEqual([0.01, 0.01, 0.01]);
});

it('after the bake period a quiet hour accuses nobody', async () => {
  const { found } = await watched(90, 1.35, 60);
  expect(found.every((one) => one === null)).toBe(true);
});

it('a copy that carries three times the load of its history is not accused of being slower than an idle one', async () => {
  const usual = { ...known, ratePerSecond: { 'error-rate': 1 / 9 } };
  const { found } = await watched(130, 1.35, 8, learned, false, usual);
  expect(found.every((one) => one === null)).toBe(true);
});

it('a policy that allows no replay allows no look at the copies', async () => {
  const { found, asked } = await watched(160, 1.6, 8, learned, true, known, {
    ...policy,
    replay: { maxInputs: 0, budgetMs: 1 },
  });
  expect(found.every((one) => one === null)).toBe(true);
  expect(asked).toBe(0);
});

it('while nobody knows what an idle copy gains, nobody is accused', async () => {
  const { found } = await watched(130, 1.35, 8, {});
  expect(found.every((one) => one === null)).toBe(true);
});

it('what two looks agreed on is over when no look has renewed it for a quarter of an hour', async () => {
  const first = await watched(130, 1.35, 4);
  const kept = first.charts[TIMED] as { confirmed: { at: number } | null };
  expect(kept.confirmed).not.toBeNull();
  const old = { [TIMED]: { ...kept, confirmed: { ...kept.confirmed, at: startMs - 60 * MINUTE_MS } } };
  const { found } = await watched(130, 'no copy of a previous version is running', 2, old);
  expect(found).toEqual([null, null]);
});
