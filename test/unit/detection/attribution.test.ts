import { attribute, exactMcNemar, type AttributionInput } from '../../../domain/detection/attribution';

const deployAtMs = Date.UTC(2026, 0, 5, 14, 0, 0);
const quiet: AttributionInput = {
  environment: { changed: [], unmeasured: [] },
  deployAtMs,
  onsetMs: deployAtMs + 10_000,
};

test('the model is blamed when the same inputs are right on the previous version, whatever else changed', () => {
  const result = attribute({
    ...quiet,
    pairedReplay: { n: 60, currentWrong: 13, previousWrong: 1, bothWrong: 3 },
    environment: { changed: ['input length'], unmeasured: [] },
    deployAtMs: null,
  });
  expect(result.attribution).toBe('model');
  expect(result.reasons[0]).toMatch(
    /^of 60 replayed inputs 13 are wrong only on the live version and 1 only on the previous one/,
  );
});

test('the environment is blamed when the previous version fails on the same inputs as well', () => {
  const result = attribute({
    ...quiet,
    pairedReplay: { n: 60, currentWrong: 2, previousWrong: 1, bothWrong: 20 },
    expectedWrongRate: 0.05,
    observedWrongRate: 0.35,
  });
  expect(result.attribution).toBe('environment');
  expect(result.reasons.join()).toContain('wrong on 21 of 60 replayed inputs too');
});

test('a replay that separates nothing leaves the question to the next evidence', () => {
  const result = attribute({ ...quiet, pairedReplay: { n: 40, currentWrong: 2, previousWrong: 1 } });
  expect(result.attribution).toBe('model');
  expect(result.reasons).toEqual([
    'the replay of 40 inputs does not separate the versions (2 wrong only live, 1 only before)',
    'it began 10 s after the deploy at 14:00:00 UTC',
    'no change of the environment was seen at the onset',
  ]);
});

test('a replay of seven inputs decides nothing, even when all seven are worse', () => {
  const result = attribute({
    ...quiet,
    deployAtMs: null,
    pairedReplay: { n: 7, currentWrong: 7, previousWrong: 0 },
  });
  expect(result.attribution).toBe('undetermined');
});

test('a standby that fails at the same time on the same host acquits the model', () => {
  expect(attribute({ ...quiet, standbyProofFailedToo: true }).attribution).toBe('environment');
});

test('a change of the environment without a recent deploy is the environment; together with one it is undetermined', () => {
  const environment = { changed: ['host CPU'], unmeasured: [] };
  expect(attribute({ ...quiet, environment, deployAtMs: null }).attribution).toBe('environment');
  expect(attribute({ ...quiet, environment }).attribution).toBe('undetermined');
});

test.each([
  ['before the deploy', deployAtMs - 60_000, null, 'undetermined'],
  ['before the deploy, with an interval that reaches it', deployAtMs - 2_000, deployAtMs + 1_000, 'model'],
  ['an hour after the deploy', deployAtMs + 3_600_000, null, 'model'],
  ['two days after the deploy', deployAtMs + 2 * 86_400_000, null, 'undetermined'],
])('an onset %s, all else quiet, is laid accordingly', (_, onsetMs, onsetHighMs, wanted) => {
  expect(attribute({ ...quiet, onsetMs, onsetHighMs }).attribution).toBe(wanted);
});

test('what could not be measured is said, and is no evidence that nothing changed', () => {
  const result = attribute({ ...quiet, environment: { changed: [], unmeasured: ['input profile'] } });
  expect(result.reasons).toContain('not measured: input profile');
  expect(result.reasons).not.toContain('no change of the environment was seen at the onset');
});

test('without an onset the age of the deploy stands in, and without either nothing is blamed', () => {
  const unknown = { ...quiet, onsetMs: null };
  expect(attribute({ ...unknown, deployAgeMs: 60_000 }).attribution).toBe('model');
  expect(attribute({ ...unknown, deployAgeMs: 3 * 86_400_000 }).attribution).toBe('undetermined');
  expect(attribute({ ...unknown, deployAtMs: null }).attribution).toBe('undetermined');
});

test('the exact test of discordant pairs is the binomial one', () => {
  expect(exactMcNemar(0, 0)).toBe(1);
  expect(exactMcNemar(7, 0)).toBeCloseTo(1 / 128, 12);
  expect(exactMcNemar(9, 1)).toBeCloseTo(11 / 1024, 12);
});

describe('times of the same requests on both versions', () => {
  const sure = {
    pairs: 60,
    sdLog: 0.3,
    idleSdLog: 0.03,
    usualKnown: true,
    marginRatio: 0.25,
    tail: { slower: 2, faster: 1 },
    by: 'samples' as const,
  };
  const slower = { ...sure, meanLog: Math.log(1.4) };

  it('accuse the model when only the live version is slower, whatever else changed', () => {
    const environment = { changed: ['host:cpu'], unmeasured: [] };
    const result = attribute({ ...quiet, environment, pairedLatency: slower });
    expect(result.attribution).toBe('model');
    expect(result.reasons[0]).toContain('take 1.40 times as long on the live version');
  });

  it('acquit the model when the previous version would be too slow as well, even right after a deploy', () => {
    const result = attribute({ ...quiet, pairedLatency: { ...sure, meanLog: Math.log(1.05) } });
    expect(result.attribution).toBe('environment');
    expect(result.reasons[0]).toContain('the previous one would be too slow as well');
  });

  it('prove nothing when the live copy carries more load than before', () => {
    const environment = { changed: ['users:rate'], unmeasured: [] };
    const late = { ...quiet, onsetMs: deployAtMs + 3_600_000, environment, pairedLatency: slower };
    expect(attribute(late).attribution).toBe('environment');
  });

  it('accuse nobody by the margin alone while it is not known what an idle copy gains', () => {
    const unknown = { ...slower, idleSdLog: 0.07, usualKnown: false };
    expect(attribute({ ...quiet, deployAtMs: null, pairedLatency: unknown }).attribution).toBe('undetermined');
    const twice = { ...unknown, meanLog: Math.log(1.7) };
    expect(attribute({ ...quiet, deployAtMs: null, pairedLatency: twice }).attribution).toBe('model');
  });

  it('acquit nobody by golden probes, nor where some requests are much slower', () => {
    const alike = { ...sure, meanLog: Math.log(1.05) };
    const probes = attribute({ ...quiet, pairedLatency: { ...alike, by: 'probes' } });
    expect(probes).toMatchObject({ attribution: 'undetermined' });
    expect(probes.reasons[0]).toContain('golden probes only: samples are off');
    const some = { ...alike, tail: { slower: 12, faster: 0 } };
    expect(attribute({ ...quiet, pairedLatency: some }).attribution).toBe('undetermined');
  });

  it('decide nothing when they are few or in between', () => {
    const few = attribute({ ...quiet, deployAtMs: null, pairedLatency: { ...slower, pairs: 4 } });
    expect(few.attribution).toBe('undetermined');
    const between = { ...sure, pairs: 12, meanLog: Math.log(1.15) };
    expect(attribute({ ...quiet, deployAtMs: null, pairedLatency: between }).attribution).toBe('undetermined');
  });
});

describe('answers of both versions to the same inputs', () => {
  it('acquit nobody by inputs that are not those of the fault', () => {
    const old = { n: 300, currentWrong: 5, previousWrong: 3, bothWrong: 8, ofTheFault: false };
    const rates = { expectedWrongRate: 0.05, observedWrongRate: 0.15 };
    expect(attribute({ ...quiet, ...rates, pairedReplay: old }).attribution).toBe('model');
  });

  const seen = { ...quiet, expectedWrongRate: 0.05, observedWrongRate: 0.15 };

  it('acquit a version that is no worse than the one before it, even right after a deploy', () => {
    const result = attribute({ ...seen, pairedReplay: { n: 200, currentWrong: 5, previousWrong: 3, bothWrong: 8 } });
    expect(result.attribution).toBe('environment');
    expect(result.reasons[0]).toContain('to go back would gain nothing');
  });

  it('are too few to acquit it with 30 inputs', () => {
    const result = attribute({ ...seen, pairedReplay: { n: 30, currentWrong: 2, previousWrong: 1, bothWrong: 1 } });
    expect(result.attribution).toBe('model');
  });

  it('leave the age of a deploy without weight where both versions rather lost the same', () => {
    const result = attribute({ ...seen, pairedReplay: { n: 60, currentWrong: 4, previousWrong: 1, bothWrong: 6 } });
    expect(result.attribution).toBe('undetermined');
  });
});

describe('a change of the environment at the onset, hours after a deploy', () => {
  const environment = { changed: ['host:cpu'], unmeasured: [] };
  const late = { ...quiet, onsetMs: deployAtMs + 3 * 3_600_000, environment };

  it('is the nearer explanation', () => {
    expect(attribute(late).attribution).toBe('environment');
  });

  it('is not waited for when most requests fail', () => {
    expect(attribute({ ...late, hard: true }).attribution).toBe('undetermined');
  });

  it('is none when the onset may have been the deploy', () => {
    expect(attribute({ ...late, onsetLowMs: deployAtMs + 60_000 }).attribution).toBe('undetermined');
  });
});

it('what stands already and was laid to the environment explains the next metric, unless the replay names the model', () => {
  const later = { ...quiet, onsetMs: deployAtMs + 3_600_000, explainedBy: 'accuracy' };
  expect(attribute(later)).toMatchObject({ attribution: 'environment' });
  expect(attribute({ ...later, onsetMs: deployAtMs + 60_000 }).attribution).toBe('model');
  const worse = { n: 60, currentWrong: 13, previousWrong: 1, bothWrong: 3 };
  expect(attribute({ ...later, pairedReplay: worse }).attribution).toBe('model');
});
