import fc from 'fast-check';
import { seededUniform } from '../../../domain/detection/seeded-random';
import { jensenShannon } from '../../../domain/environment/field-checks';
import { inputFindings } from '../../../domain/environment/input-change';
import { compareInputs } from '../../../domain/environment/input-comparison';
import { REDACTED_TEXT, type ReducedInput } from '../../../domain/environment/input-fields';
import { profileInputs } from '../../../domain/environment/input-profile';
import type { SignalFinding } from '../../../domain/environment/finding';
import { loans, startMs, type Loan } from './inputs';

const changeMs = startMs + 600_000;

/** Ten minutes of usual requests, then two minutes of others. */
function changed(change: (loan: Loan, at: number) => Loan, recent = 120): ReducedInput[] {
  return [...loans(600), ...loans(recent, { seed: 2, fromMs: changeMs, change })];
}

function findings(
  inputs: readonly ReducedInput[],
  more: Partial<Parameters<typeof inputFindings>[0]> = {},
): SignalFinding[] {
  return inputFindings({
    inputs,
    beforeMs: changeMs,
    sinceMs: changeMs,
    validated: null,
    degradation: null,
    ...more,
  });
}

const namesOf = (found: readonly SignalFinding[]): string[] =>
  found.filter(({ state }) => state === 'changed').map(({ name }) => name);

describe('inputs', () => {
  it('that are as before are the same', () => {
    expect(findings(changed((loan) => loan))).toMatchObject([{ name: 'inputs', state: 'same' }]);
  });

  it.each<[string, (loan: Loan, at: number) => Loan, RegExp]>([
    [
      'another type',
      (loan) => ({ ...loan, age: String(loan.age) }),
      /100 % have another type \(limit 5 %, 0 % before\)/,
    ],
    [
      'a third missing',
      (loan, at) => (at % 3 === 0 ? { income: 1, country: 'de', note: `n${at}` } : loan),
      /33 % are missing/,
    ],
    ['null in its place', (loan, at) => (at % 3 === 0 ? { ...loan, age: null } : loan), /33 % are missing/],
    ['values out of range', (loan, at) => (at % 5 === 0 ? { ...loan, age: 900 } : loan), /20 % are outside the range/],
    ['another distribution', (loan) => ({ ...loan, age: 60 + (Number(loan.age) % 15) }), /PSI .* \(limit 0\.2\)/],
  ])('of which a field has %s have changed, and the words say how, the limit and since when', (_, change, words) => {
    const [first, ...others] = findings(changed(change));
    expect(first).toMatchObject({ name: 'inputs:age', state: 'changed', where: 'what sends the field age' });
    expect(first?.words).toMatch(words);
    expect(first?.words).toMatch(/since about 12:(09|10):/);
    expect(Math.abs((first?.onsetMs ?? 0) - changeMs)).toBeLessThan(15_000);
    expect(others.every(({ state }) => state === 'changed')).toBe(true);
  });

  it('with a new category have changed, and the category itself is not repeated', () => {
    const found = findings(changed((loan, at) => (at % 4 === 0 ? { ...loan, country: 'secret-land' } : loan)));
    expect(namesOf(found)).toEqual(['inputs:country']);
    expect(found[0]?.words).toMatch(/25 % are new categories/);
    expect(JSON.stringify(found)).not.toContain('secret-land');
  });

  it('with a field that nobody knew have changed; a key that is data is not repeated', () => {
    expect(namesOf(findings(changed((loan) => ({ ...loan, currency: 'EUR' }))))).toContain('inputs:currency');
    const keyed = findings(changed((loan, at) => ({ ...loan, [`user_${at}`]: 1 })));
    expect(namesOf(keyed)).toEqual(['inputs:(body)']);
    expect(JSON.stringify(keyed)).not.toContain('user_');
  });

  it('whose bodies cannot be read any more have changed', () => {
    const broken = changed((loan) => loan).map((input) =>
      input.atMs >= changeMs && input.atMs % 3_000 === 0 ? { ...input, fields: null } : input,
    );
    expect(namesOf(findings(broken))).toEqual(['inputs:(body)']);
  });

  it('that come by another way have changed: the mix of endpoints is one of their fields', () => {
    const moved = changed((loan) => loan).map((input) => {
      if (input.atMs < changeMs || input.fields === null || input.atMs % 2_000 > 0) return input;
      const way = { kind: 'text', number: null, category: '/v2/models/loan/explain' } as const;
      return { ...input, fields: new Map(input.fields).set('(endpoint)', way) };
    });
    expect(namesOf(findings(moved))).toEqual(['inputs:(endpoint)']);
  });

  it('are not measured where they are redacted', () => {
    const redact = (input: ReducedInput): ReducedInput => ({
      ...input,
      fields: new Map(input.fields ?? []).set('age', { kind: 'redacted', number: null, category: null }),
    });
    const [only] = findings(changed((loan) => ({ ...loan, age: 900 })).map(redact));
    expect(only).toMatchObject({ name: 'inputs', state: 'same' });
    expect(only?.words).toContain('not measured, being redacted: age');
    expect(REDACTED_TEXT).toBe('[redacted]');
  });

  it('are unmeasured with a few of them, or without a history, never good and never bad', () => {
    const wild = (loan: Loan): Loan => ({ ...loan, age: 900 });
    expect(findings(changed(wild, 20))).toMatchObject([{ name: 'inputs', state: 'unmeasured' }]);
    const short = loans(60, { fromMs: changeMs, change: wild });
    expect(findings(short)).toMatchObject([{ name: 'inputs', state: 'unmeasured' }]);
    expect(findings([])[0]?.words).toMatch(/only 0 inputs/);
  });

  it('are not changed by clients that send the same input again and again', () => {
    const odd = loans(1, { seed: 9, fromMs: changeMs, change: (loan) => ({ ...loan, age: 900 }) })[0] as ReducedInput;
    const usual = loans(80, { seed: 2, fromMs: changeMs });
    const repeats = Array.from({ length: 200 }, (_, at) => ({ ...odd, atMs: changeMs + at * 300 }));
    const all = [...loans(600), ...[...usual, ...repeats].sort((left, right) => left.atMs - right.atMs)];
    expect(namesOf(findings(all))).toEqual([]);
  });

  it('that changed after the degradation began are not its cause', () => {
    const change = (loan: Loan): Loan => ({ ...loan, age: 900 });
    const late = [...loans(720), ...loans(180, { seed: 3, fromMs: startMs + 720_000, change })];
    const degradation = { lowMs: changeMs - 30_000, highMs: changeMs + 30_000 };
    const found = findings(late, { degradation });
    expect(namesOf(found)).toEqual([]);
    expect(found[0]?.words).toContain('after the degradation began');
    expect(namesOf(findings(late))).toEqual(['inputs:age']);
  });
});

describe('inputs beside the profile of their validation', () => {
  const validated = profileInputs(loans(2_000, { seed: 5 }));
  const wild = (loan: Loan, at: number): Loan => (at % 3 === 0 ? { ...loan, age: 900 } : loan);

  it('have changed where they differ from it and from their own history', () => {
    expect(namesOf(findings(changed(wild), { validated }))).toEqual(['inputs:age']);
  });

  it('that always differed from it have not changed', () => {
    const always = loans(720, { change: wild });
    expect(findings(always, { validated })).toMatchObject([{ state: 'same' }]);
  });

  it('that differ from it without a history are unmeasured: it may always have been so', () => {
    const [only, ...more] = findings(loans(120, { fromMs: changeMs, change: wild }), { validated });
    expect(more).toEqual([]);
    expect(only).toMatchObject({ name: 'inputs', state: 'unmeasured' });
    expect(only?.words).toMatch(/outside the range .* when the version was validated/);
  });

  it('that are like it are the same, without any history', () => {
    expect(findings(loans(120, { fromMs: changeMs }), { validated })).toMatchObject([{ state: 'same' }]);
  });
});

describe('the comparison', () => {
  it('says that something changed in at most 1 of 100 windows in which nothing has (300 seeds, three sizes)', () => {
    let windows = 0;
    let wrong = 0;
    for (let seed = 1; seed <= 100; seed += 1) {
      const profile = profileInputs(loans(150 + 10 * (seed % 20), { seed: 1_000 + seed }));
      for (const n of [30, 60, 200]) {
        const found = compareInputs(profile, loans(n, { seed: 10_000 + seed * 7 + n }));
        windows += 1;
        if (found.kind === 'compared' && found.different.length > 0) wrong += 1;
      }
    }
    expect(windows).toBe(300);
    expect(wrong / windows).toBeLessThanOrEqual(0.01);
  });

  it('finds 15 % of the values out of range in 19 of 20 windows of a hundred', () => {
    let found = 0;
    for (let seed = 1; seed <= 100; seed += 1) {
      const uniform = seededUniform(seed);
      const change = (loan: Loan): Loan => (uniform() < 0.15 ? { ...loan, age: 900 } : loan);
      const result = compareInputs(profileInputs(loans(300, { seed: 500 + seed })), loans(100, { seed, change }));
      if (result.kind === 'compared' && result.different.some(({ field }) => field === 'age')) found += 1;
    }
    expect(found).toBeGreaterThanOrEqual(95);
  });

  it('gives a Jensen–Shannon distance from 0 to 1 that does not depend on the order (property)', () => {
    const counts = fc.array(fc.nat(50), { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(counts, counts, (left, right) => {
        const there = jensenShannon(left, right);
        return there >= 0 && there <= 1 + 1e-9 && Math.abs(there - jensenShannon(right, left)) < 1e-9;
      }),
      { seed: 3 },
    );
    expect(jensenShannon([5, 0], [0, 9])).toBeCloseTo(1);
    expect(jensenShannon([5, 5], [9, 9])).toBe(0);
  });
});
