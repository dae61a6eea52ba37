import { profileInputs } from '../../../domain/environment/input-profile';
import { FIT_MIN, profileFit } from '../../../domain/environment/profile-fit';
import type { ProfileFit } from '../../../domain/rollback/input-fit';
import { loans, startMs } from './inputs';

const profile = profileInputs(loans(2_000, { seed: 3 }));
const fitOf = (recent: Parameters<typeof profileFit>[1], of = profile): ProfileFit => {
  const fit = profileFit(of, recent, startMs);
  if (typeof fit === 'string') throw new Error(fit);
  return fit;
};

describe('the fit of a profile to the inputs of now', () => {
  it.each([100, 200, 400])('is near 0 for %i inputs of the same kind, whatever their number', (count) => {
    for (let seed = 10; seed < 30; seed += 1) {
      const { distance, mean, n } = fitOf(loans(count, { seed }));
      expect(distance).toBeLessThan(0.25);
      expect(mean).toBeLessThan(0.06);
      expect(n).toBe(count);
    }
  });

  it('does not prefer the profile of many inputs to the one of few where both are of the same kind', () => {
    const small = profileInputs(loans(200, { seed: 5 }));
    const means = [profile, small].map((of) => {
      const all = Array.from({ length: 30 }, (_, seed) => fitOf(loans(200, { seed: 40 + seed }), of).mean);
      return all.reduce((sum, one) => sum + one, 0) / all.length;
    });
    expect(Math.abs((means[0] ?? 0) - (means[1] ?? 0))).toBeLessThan(0.02);
  });

  it.each([
    ['income', 'a distribution that moved', (loan: object) => ({ ...loan, income: 90_000 })],
    ['country', 'new categories', (loan: object) => ({ ...loan, country: 'jp' })],
    ['age', 'a field that is missing', (loan: object) => ({ ...loan, age: null })],
    ['age', 'another type', (loan: object) => ({ ...loan, age: 'old' })],
    ['(new fields)', 'fields that nobody knew', (loan: object) => ({ ...loan, currency: 'usd' })],
  ])('is far from 0 and names %s for %s', (field, _what, change) => {
    const half = loans(200, { seed: 8, change: (loan, at) => (at % 2 === 0 ? change(loan) : loan) });
    const fit = fitOf(half);
    expect(fit.field).toBe(field);
    expect(fit.distance).toBeGreaterThan(0.25);
    expect(fit.distance).toBeGreaterThan(fit.mean);
  });

  it('counts bodies that cannot be read', () => {
    const broken = loans(200, { seed: 8 }).map((input, at) => (at % 2 === 0 ? { ...input, fields: null } : input));
    expect(fitOf(broken)).toMatchObject({ field: '(body)' });
  });

  it('is closer for the profile of such inputs as they are now', () => {
    const older = profileInputs(loans(1_000, { seed: 4, change: (loan) => ({ ...loan, country: 'de' }) }));
    const recent = loans(200, { seed: 8, change: (loan) => ({ ...loan, country: 'de' }) });
    expect(fitOf(recent, older).distance).toBeLessThan(0.1);
    expect(fitOf(recent).distance).toBeGreaterThan(0.25);
  });

  it('is unmeasured, with its reason, for few inputs, a thin profile and hidden values (I10)', () => {
    expect(profileFit(profile, loans(FIT_MIN - 1), startMs)).toBe('few-inputs');
    expect(profileFit(profileInputs(loans(99)), loans(200), startMs)).toBe('thin-profile');
    const hide = { note: '[redacted]', age: '[redacted]' as unknown as number, country: '[redacted]' };
    const hidden = loans(200, { change: () => hide });
    expect(profileFit(profileInputs(hidden), hidden, startMs)).toBe('redacted');
  });
});
