import { chooseStrategy, type CacheFigures } from '../../../domain/caches/choice';

const figures = (part: Partial<CacheFigures> = {}): CacheFigures => ({
  hitRate: 0.9,
  requestsPerSecond: 100,
  missP99Ms: 200,
  slaP99Ms: 500,
  modelPerSecond: 200,
  usedBytes: 10 * 2 ** 20,
  limitBytes: 64 * 2 ** 20,
  evicts: false,
  ...part,
});

test('a model that keeps the SLA without its cache loses it, and the sentence has the calculation', () => {
  const choice = chooseStrategy(figures());
  // ρ cold 100/200, warm 10/200: 200 ms × 0.95 / 0.5.
  expect(choice.coldP99Ms).toBeCloseTo(380);
  expect(choice.coldLoadFactor).toBeCloseTo(10);
  expect(choice.strategy).toBe('invalidate');
  expect(choice.why).toContain('hit rate 90.0 %: cold, the model gets 10.0 times the requests');
  expect(choice.why).toContain('380 ms');
});

test('where the cold model would break the SLA, entries are kept', () => {
  expect(chooseStrategy(figures({ slaP99Ms: 300 })).strategy).toBe('version-tagged');
});

test('a load that the model cannot take cold is no bounded time, whatever the SLA', () => {
  const choice = chooseStrategy(figures({ requestsPerSecond: 250, slaP99Ms: 60_000 }));
  expect(choice.coldP99Ms).toBe(Infinity);
  expect(choice.strategy).toBe('version-tagged');
});

test('without room for two versions, and where the cache drops none by itself, only equal requests put together are left', () => {
  const choice = chooseStrategy(figures({ slaP99Ms: 300, usedBytes: 40 * 2 ** 20 }));
  expect(choice.strategy).toBe('invalidate');
  expect(choice.why).toContain('limit the spike');
  expect(chooseStrategy(figures({ slaP99Ms: 300, usedBytes: 40 * 2 ** 20, evicts: true })).strategy).toBe(
    'version-tagged',
  );
});

test.each([
  [{ hitRate: null }, 'the hit rate was not measured'],
  [{ missP99Ms: null }, 'the latency of the model was not measured'],
  [{ slaP99Ms: null }, 'no latency is promised'],
])('what is not known (%j) keeps the entries, and says so', (part, words) => {
  const choice = chooseStrategy(figures(part));
  expect(choice.strategy).toBe('version-tagged');
  expect(choice.why).toContain(words);
});
