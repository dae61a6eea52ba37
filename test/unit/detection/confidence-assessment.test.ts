import { assessConfidences, type ConfidenceOptions } from '../../../domain/detection/confidence-assessment';
import type { EstimatedClass } from '../../../domain/detection/confidence-assessment';
import {
  brokenPromise,
  keptPromise,
  NO_LABELS,
  notConfidences,
  promiseOf,
} from '../../../domain/detection/confidence-trust';
import { draw, historyOf, judgedBins, scoreBins, usual, type World } from './confidence-world';

const options: ConfidenceOptions = {
  minSamples: 50,
  practicalMargin: 0.05,
  level: 0.001,
  doubt: null,
  doubtOf: () => null,
};

const SEEDS = 24;
/** An assessment every 90 s, one false alarm of a chart in 30 days. */
const SHIPPED_LEVEL = 90 / (30 * 86_400);
const histories = Array.from({ length: SEEDS }, (_, seed) => historyOf(draw(usual, 20_000, seed + 1, 0.5)));

function runs(world: World, n: number, change: Partial<ConfidenceOptions> = {}): EstimatedClass[][] {
  return histories.map((history, seed) => {
    const window = draw(world, n, 5_000 + seed);
    return assessConfidences(history, window.scores, { ...options, ...change }).classes;
  });
}

function named(found: readonly EstimatedClass[]): string {
  return found
    .filter(({ kind }) => kind === 'degraded')
    .map(({ label }) => label)
    .join(',');
}

function tally(found: readonly (readonly EstimatedClass[])[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const one of found) counts[named(one)] = (counts[named(one)] ?? 0) + 1;
  return counts;
}

/** Ten points of precision: the share of hard answers grows. */
const lost = { ...usual.bulk, hard: 0.1 + 0.1 / 0.38 } as World[string];

test('a class of one in twenty that lost ten points is named, and the aggregate that hides it is not', () => {
  const found = runs({ ...usual, bulk: lost }, 10_000);
  expect(tally(found)).toEqual({ bulk: SEEDS });
  for (const [seed, one] of found.entries()) {
    const bulk = one.find(({ label }) => label === 'bulk');
    expect(bulk?.precision?.value).toBeLessThanOrEqual(bulk?.limit ?? 0);
    expect(bulk?.limit ?? 1).toBeLessThan(bulk?.expected?.value ?? 0);
    const history = histories[seed];
    if (!history) throw new Error('no history');
    const { whole } = assessConfidences(history, draw({ ...usual, bulk: lost }, 10_000, 5_000 + seed).scores, options);
    expect((whole.expected?.value ?? 0) - (whole.accuracy?.value ?? 1)).toBeLessThan(0.015);
  }
});

test('at the shipped level it names the class when the evidence is enough, and never another one', () => {
  const power = [2_400, 4_800, 9_600].map((n) => tally(runs({ ...usual, bulk: lost }, n, { level: SHIPPED_LEVEL })));
  const shares = power.map(({ bulk = 0 }) => (bulk / SEEDS).toFixed(2)).join(', ');
  process.stdout.write(`named at 120, 240, 480 answers of the class, of ${SEEDS} windows each: ${shares}\n`);
  for (const counts of power) expect(Object.keys(counts).filter((name) => name !== '' && name !== 'bulk')).toEqual([]);
  expect(power[2]?.['bulk'] ?? 0).toBeGreaterThanOrEqual(0.8 * SEEDS);
});

test('where nothing changed nobody is named, at a level at which tests without care would name some', () => {
  const eager = { level: 0.2, practicalMargin: 0 };
  const found = [1_200, 2_400].flatMap((n) => runs(usual, n, eager));
  const wrongly = found.filter((one) => named(one) !== '').length;
  process.stdout.write(
    `named although nothing changed, at level .2 and without a margin: ${wrongly} of ${found.length}\n`,
  );
  expect(wrongly).toBeLessThanOrEqual(0.2 * found.length);
  expect(tally([1_200, 2_400].flatMap((n) => runs(usual, n)))).toEqual({ '': 2 * SEEDS });
});

test('a fall below the margin is none, however many answers tell of it', () => {
  const little = { ...usual, bulk: { ...usual.bulk, hard: 0.1 + 0.03 / 0.38 } } as World;
  expect(tally(runs(little, 10_000))).toEqual({ '': SEEDS });
});

test.each<[string, World, RegExp]>([
  [
    'every class gets harder inputs',
    Object.fromEntries(Object.entries(usual).map(([name, of]) => [name, { ...of, hard: 0.4 }])),
    /other classes/,
  ],
  [
    'the classes are mixed otherwise and one of them is harder',
    { ...usual, ham: { ...usual.ham, share: 0.3 }, spam: { ...usual.spam, share: 0.65 }, bulk: lost } as World,
    /mixed otherwise/,
  ],
  [
    'a campaign of hard inputs reaches one class',
    { ...usual, ham: { ...usual.ham, share: 0.55 }, bulk: { ...lost, share: 0.1 } } as World,
    /its share of the answers went from/,
  ],
])('%s: the inputs changed, so nothing is degraded and the reason is said', (_, world, reason) => {
  const found = runs(world, 6_000);
  expect(tally(found)).toEqual({ '': SEEDS });
  const bulk = found.map((one) => one.find(({ label }) => label === 'bulk'));
  expect(bulk.filter((one) => one?.kind === 'inconclusive' && reason.test(one.why ?? '')).length).toBeGreaterThan(
    0.9 * SEEDS,
  );
});

test('what it cannot see: answers that are wrong and sure of it', () => {
  // The confidences are those of before; the truth is ten points lower. Only labels would tell.
  expect(tally(runs(usual, 6_000))).toEqual({ '': SEEDS });
  const [history] = histories;
  const calibration = history?.calibrations.get('bulk');
  if (!calibration) throw new Error('no calibration');
  const labels = promiseOf(calibration, judgedBins([21, 300, 246]));
  expect(brokenPromise(labels, 0.05)).toMatch(
    /^of 300 labelled answers since then 82 % were right, .* promised 9\d %$/,
  );
});

test('too few labels, too few answers, a class without a calibration and a doubt are no verdict', () => {
  const history = historyOf(draw(usual, 30_000, 3, 0.02));
  const window = draw({ ...usual, bulk: lost }, 6_000, 4).scores;
  const kinds = (found: readonly EstimatedClass[]): string[] => found.map(({ label, kind }) => `${label} ${kind}`);
  const { classes } = assessConfidences(history, new Map([...window, ['new', scoreBins([20, 20])]]), options);
  expect(kinds(classes)).toEqual(['bulk unmeasured', 'ham ok', 'spam ok']);
  expect(classes[0]?.why).toContain('too few labelled answers');

  const [full] = histories;
  if (!full) throw new Error('no history');
  const few = assessConfidences(full, draw({ ...usual, bulk: lost }, 600, 5).scores, options).classes;
  expect(kinds(few)[0]).toBe('bulk inconclusive');
  const empty = assessConfidences(full, new Map(), options).classes;
  expect(new Set(empty.map(({ kind }) => kind))).toEqual(new Set(['unmeasured']));
  const doubted = assessConfidences(full, window, { ...options, doubt: 'a reason' }).classes;
  expect(doubted.map(({ kind, why }) => `${kind}: ${why}`)).toEqual(Array(3).fill('inconclusive: a reason'));
  const one = assessConfidences(full, window, { ...options, doubtOf: (label) => (label === 'bulk' ? 'labels' : null) });
  expect(kinds(one.classes)).toEqual(['bulk inconclusive', 'ham ok', 'spam ok']);
});

test('one class alone has no control, and is never accused', () => {
  const alone: World = { only: { share: 1, hard: 0.1, easyRight: 0.98, hardRight: 0.6 } };
  const history = historyOf(draw(alone, 10_000, 1, 0.3));
  const worse = draw({ only: { ...alone['only'], hard: 0.5 } as World[string] }, 3_000, 2).scores;
  const [only] = assessConfidences(history, worse, options).classes;
  expect(only).toMatchObject({ kind: 'inconclusive', why: expect.stringContaining('no other class') });
});

test('labels keep a promise only when they are many and near it; percentages are no confidences', () => {
  const [history] = histories;
  const calibration = history?.calibrations.get('ham');
  if (!calibration) throw new Error('no calibration');
  const good = promiseOf(calibration, judgedBins([21, 400, 392]));
  expect(keptPromise(good, 0.05, 100)).toBe(true);
  expect(brokenPromise(good, 0.05)).toBeNull();
  expect(keptPromise(promiseOf(calibration, judgedBins([21, 60, 59])), 0.05, 100)).toBe(false);
  expect(keptPromise(promiseOf(calibration, judgedBins([21, 400, 350])), 0.05, 100)).toBe(false);
  expect(keptPromise(NO_LABELS, 0.05, 100)).toBe(false);
  expect(notConfidences(new Map([['ham', scoreBins([20, 100], [22, 50])]]))).toContain('no confidences');
  expect(notConfidences(new Map([['ham', scoreBins([20, 100])]]))).toBeNull();
});
