import fc from 'fast-check';
import { rankCandidates, type RankOptions } from '../../../domain/rollback/candidates';
import type { InputFit } from '../../../domain/rollback/input-fit';
import type { TargetOrder, TargetPolicy } from '../../../domain/policy';
import type { ServiceState, VersionFacts, VersionFigures } from '../../../domain/service/state';
import { hour, servicePolicy } from '../../support/service-policy';
import { ServiceSimulator, SERVICE, START } from '../../support/service-simulator';

const day = 24 * hour;
const orders: readonly TargetOrder[] = ['previous', 'closest-profile', 'human-validated', 'newest-validated'];
const empty = new ServiceSimulator().state;

function facts(version: string, change: Partial<VersionFacts> = {}): VersionFacts {
  const importedAt = START - 100 * day + Number(version.replace('1.', '')) * day;
  return {
    version,
    digest: `sha256:${version}`,
    importedAt,
    standing: 'validated',
    evaluation: { ok: true, why: 'accuracy 96.0 % on 1000' },
    why: 'it was probed',
    since: importedAt,
    human: null,
    lastGoodAt: importedAt + hour,
    deployedAt: importedAt,
    probes: 8,
    model: 'mail-triage',
    ...change,
  };
}

const fit = (distance: number, mean = distance / 4, at = START - 60_000): InputFit => ({
  distance,
  field: 'text#length',
  mean,
  n: 200,
  at,
});

function stateOf(
  versions: readonly VersionFacts[],
  order: TargetOrder,
  figures: Readonly<Record<string, VersionFigures>> = {},
  more: Partial<ServiceState> = {},
): ServiceState {
  const target: TargetPolicy = { order, maxDistance: 0.25, measureEveryMs: 600_000 };
  return {
    ...empty,
    samples: true,
    policy: servicePolicy({ target, attempts: { maxCandidates: 20, totalMs: hour } }),
    versions: [...versions, facts('1.50')],
    figures,
    declared: { service: SERVICE, epoch: 9, primary: '1.50', pins: [], backends: { '1.50': [] } },
    ...more,
  };
}

const order = (state: ServiceState, options: RankOptions = {}): string[] =>
  rankCandidates(state, START, options).candidates.map(({ version }) => version);
const refusal = (state: ServiceState, version: string, options: RankOptions = {}): string | undefined =>
  rankCandidates(state, START, options).refused.find((one) => one.version === version)?.why;
const versionNames = ['1.1', '1.2', '1.3', '1.4', '1.5', '1.6'];

describe('the target by the policy', () => {
  const some = [
    facts('1.1', { lastGoodAt: START - day }),
    facts('1.2', { human: { by: 'ada', at: START - 9 * day }, lastGoodAt: START - 9 * day }),
    facts('1.3', { lastGoodAt: START - 2 * day }),
    facts('1.4', { lastGoodAt: null, deployedAt: null }),
  ];
  const figures = { '1.1': { fit: fit(0.4) }, '1.2': { fit: fit(0.2) }, '1.3': { fit: fit(0.02) }, '1.4': {} };

  it.each([
    ['previous', ['1.1', '1.3', '1.2', '1.4']],
    ['closest-profile', ['1.3', '1.2', '1.4', '1.1']],
    ['human-validated', ['1.2', '1.1', '1.3', '1.4']],
    ['newest-validated', ['1.4', '1.3', '1.2', '1.1']],
  ] as const)('%s', (policy, expected) => {
    expect(order(stateOf(some, policy, figures))).toEqual(expected);
  });

  it('is the newest last good version where the policy is of an older release, or the rules are', () => {
    const state = stateOf(some, 'closest-profile', figures);
    const { target: _absent, ...older } = state.policy;
    expect(order({ ...state, policy: older })).toEqual(['1.1', '1.3', '1.2', '1.4']);
    expect(order({ ...state, rules: 1 })).toEqual(['1.1', '1.3', '1.2', '1.4']);
  });

  it('is told apart by evaluation, then by a warm copy, then by age where the fit is the same', () => {
    const known = { fit: fit(0.02) };
    const versions = ['1.1', '1.2', '1.3', '1.4'].map((version) => facts(version));
    const backend = { address: 'http://127.0.0.1:8', instance: `${SERVICE}@1.1#s1`, digest: 'sha256:1.1' };
    const standby = { version: '1.1', backend, proof: 'ok', proofAt: START, failedAt: null, why: '' } as const;
    const state = stateOf(
      versions,
      'closest-profile',
      {
        '1.1': { ...known, accuracy: 0.951 },
        '1.2': { ...known, accuracy: 0.97, weakest: ['spam', 0.9] },
        '1.3': { ...known, accuracy: 0.97, weakest: ['spam', 0.95] },
        // A thousandth more is no better model, and a hundredth of PSI no better fit.
        '1.4': { fit: fit(0.01), accuracy: 0.952 },
      },
      { standby },
    );
    expect(order(state)).toEqual(['1.3', '1.2', '1.1', '1.4']);
    expect(order({ ...state, standby: null })).toEqual(['1.3', '1.2', '1.4', '1.1']);
  });

  it('I10: is not moved up or down by a fit that was not measured, is stale, or has a reason to be unknown', () => {
    const versions = ['1.1', '1.2', '1.3'].map((version) => facts(version));
    const plain = order(stateOf(versions, 'closest-profile'));
    const stale = fit(0.9, 0.5, START - 3 * hour);
    for (const unknown of ['samples-off', 'no-profile', 'few-inputs', 'unreadable', stale] as const)
      expect(order(stateOf(versions, 'closest-profile', { '1.3': { fit: unknown }, '1.1': { fit: unknown } }))).toEqual(
        plain,
      );
    expect(plain).toEqual(['1.3', '1.2', '1.1']);
    const mixed = { '1.1': { fit: fit(0.1) }, '1.3': { fit: fit(0.6) } };
    expect(order(stateOf(versions, 'closest-profile', mixed))).toEqual(['1.1', '1.2', '1.3']);
  });

  it('I10: says of each why it is not known', () => {
    const versions = ['1.1', '1.2', '1.3'].map((version) => facts(version));
    const figuresOf = { '1.1': { fit: 'no-profile' as const }, '1.2': { fit: fit(0.1, 0.1, START - 3 * hour) } };
    const whys = rankCandidates(stateOf(versions, 'closest-profile', figuresOf), START).candidates.map(
      ({ version, why }) => `${version}: ${why}`,
    );
    expect(whys).toEqual([
      '1.3: was live and judged good; fit not known: it was not measured yet',
      '1.2: was live and judged good; fit not known: it was measured too long ago',
      '1.1: was live and judged good; fit not known: its data profile has no inputProfile',
    ]);
  });

  it('I8: is never a suspect one while another is left, whatever fits and whatever is warm', () => {
    const suspect = facts('1.3', { standing: 'suspect', human: { by: 'ada', at: START } });
    const backend = { address: 'http://127.0.0.1:8', instance: `${SERVICE}@1.3#s1`, digest: 'sha256:1.3' };
    const standby = { version: '1.3', backend, proof: 'ok', proofAt: START, failedAt: null, why: '' } as const;
    const measured = { '1.1': { fit: fit(0.9) }, '1.3': { fit: fit(0) } };
    for (const policy of orders)
      for (const emergency of [false, true])
        expect(order(stateOf([facts('1.1'), suspect], policy, measured, { standby }), { emergency })).toEqual([
          '1.1',
          '1.3',
        ]);
  });

  it('I8: is never one that clients of the live version could not use; of another live version nothing is known', () => {
    const why = 'takes no input text, which 1.50 takes';
    const reasons = [{ why, versions: ['1.2'] }];
    const state = stateOf([facts('1.1'), facts('1.2')], 'previous', {}, { incompatible: { live: '1.50', reasons } });
    expect(order(state)).toEqual(['1.1']);
    expect(refusal(state, '1.2')).toBe(`not compatible: ${why}`);
    const other = { ...state, incompatible: { live: '1.49', reasons } };
    expect(order(other)).toEqual(['1.2', '1.1']);
  });

  it('is what runs and is proven in an emergency, but for `previous`', () => {
    const backend = { address: 'http://127.0.0.1:8', instance: `${SERVICE}@1.1#s1`, digest: 'sha256:1.1' };
    const standby = { version: '1.1', backend, proof: 'ok', proofAt: START, failedAt: null, why: '' } as const;
    const first = (policy: TargetOrder, emergency: boolean): string | undefined =>
      order(stateOf(some, policy, figures, { standby }), { emergency })[0];
    expect(first('closest-profile', false)).toBe('1.3');
    expect(first('closest-profile', true)).toBe('1.1');
    expect(first('newest-validated', true)).toBe('1.1');
    const cold = stateOf([...some, facts('1.6', { lastGoodAt: START })], 'previous', figures, { standby });
    expect(order(cold, { emergency: true })[0]).toBe('1.6');
  });

  it('leaves what differs too much to a person, and says so where all do', () => {
    const options = { onlyFitting: true };
    const state = stateOf(some, 'closest-profile', figures);
    expect(order(state, options)).toEqual(['1.3', '1.2', '1.4']);
    expect(refusal(state, '1.1', options)).toBe(
      'differs from the inputs of now (PSI 0.40 at most, at text#length, of 200 inputs; limit 0.25)',
    );
    expect(rankCandidates(state, START).noneFits).toBeNull();

    const poor = Object.fromEntries(some.map(({ version }, at) => [version, { fit: fit(0.9 - at / 10) }]));
    const nothing = rankCandidates(stateOf(some, 'closest-profile', poor), START, options);
    expect(nothing.candidates).toEqual([]);
    expect(nothing.noneFits).toContain('no version fits the inputs of now; the closest is 1.4, which differs');
    // Other orders show the figure and are not bound by it.
    expect(rankCandidates(stateOf(some, 'previous', poor), START, options)).toMatchObject({ noneFits: null });
    expect(order(stateOf(some, 'previous', poor), options)).toHaveLength(4);
  });

  it('does not bind the hold move, which goes to whom a person vouched for last', () => {
    const human = (at: number): Partial<VersionFacts> => ({ human: { by: 'ada', at } });
    const versions = [facts('1.1', human(START - day)), facts('1.2', human(START - 2 * day))];
    const measured = { '1.1': { fit: fit(0.9) }, '1.2': { fit: fit(0.01) } };
    for (const policy of orders)
      expect(order(stateOf(versions, policy, measured), { only: 'hold' })).toEqual(['1.1', '1.2']);
  });
});

const figure: fc.Arbitrary<VersionFigures> = fc.record({
  accuracy: fc.constantFrom(0.9, 0.951, 0.953, 0.97),
  fit: fc.oneof(
    fc.constantFrom<InputFit>('no-profile', 'few-inputs', 'samples-off'),
    fc
      .record({ distance: fc.constantFrom(0, 0.04, 0.06, 0.2, 0.3, 0.9), mean: fc.constantFrom(0, 0.03) })
      .map((one) => ({
        ...one,
        field: 'age',
        n: 200,
        at: START,
      })),
  ),
});
const known: fc.Arbitrary<{ readonly facts: VersionFacts; readonly figures: VersionFigures | null }> = fc.record({
  facts: fc
    .record({
      standing: fc.constantFrom<VersionFacts['standing']>('validated', 'candidate', 'suspect'),
      lastGoodAt: fc.constantFrom(null, START - day, START - 2 * day),
      importedAt: fc.constantFrom(START - 90 * day, START - 80 * day),
      human: fc.constantFrom(null, { by: 'ada', at: START - day }, { by: 'bob', at: START - 3 * day }),
    })
    .map((change) => facts('1.1', change)),
  figures: fc.option(figure),
});

test('the order is total: it does not depend on the order of the list, and no pair contradicts it', () => {
  const cases = fc.record({
    all: fc.array(known, { minLength: 2, maxLength: versionNames.length }),
    policy: fc.constantFrom(...orders),
    emergency: fc.boolean(),
    warm: fc.nat(versionNames.length),
    seed: fc.nat(),
  });
  fc.assert(
    fc.property(cases, ({ all, policy, emergency, warm, seed }) => {
      const versions = all.map((one, at) => ({ ...one.facts, version: versionNames[at] ?? '' }));
      const figures = Object.fromEntries(
        all.flatMap((one, at) => (one.figures ? [[versionNames[at] ?? '', one.figures]] : [])),
      );
      const backend = { address: 'http://127.0.0.1:8', instance: 'x', digest: 'sha256:x' };
      const version = versionNames[warm] ?? 'none';
      const standby = { version, backend, proof: 'ok', proofAt: START, failedAt: null, why: '' } as const;
      const ranked = (of: readonly VersionFacts[]): string[] =>
        order(stateOf(of, policy, figures, { standby }), { emergency });
      const whole = ranked(versions);
      expect(whole).toHaveLength(versions.length);
      const shuffled = [...versions].sort(
        (a, b) => ((a.version.charCodeAt(2) * 31 + seed) % 7) - ((b.version.charCodeAt(2) * 31 + seed) % 7),
      );
      expect(ranked(shuffled)).toEqual(whole);
      expect(ranked([...versions].reverse())).toEqual(whole);
      for (const [at, first] of whole.entries())
        for (const second of whole.slice(at + 1))
          expect(ranked(versions.filter((one) => [first, second].includes(one.version)))).toEqual([first, second]);
    }),
    { numRuns: 400 },
  );
});
