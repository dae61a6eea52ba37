import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chiSquareSurvival } from '../../../domain/detection/chi-square';
import { distanceMatrix } from '../../../domain/detection/distance-matrix';
import { kullbackLeibler, populationStability } from '../../../domain/detection/divergence';
import { energyTest } from '../../../domain/detection/energy-test';
import { seededUniform } from '../../../domain/detection/seeded-random';
import { finished } from './slices';

/** Outputs of scipy; optional, because the file is not part of the repository. */
interface TwoSample {
  a: number[];
  b: number[];
  energy_distance: number;
  psi_decile_counts: [number[], number[]];
  'psi_decile_eps.5': number;
  kl_ref_cur: number;
  kl_cur_ref: number;
  chi2_2xk: [statistic: number, p: number];
}

const file = join(process.env['LASTGOOD_DATA'] ?? '', 'statistics', 'fixtures.json');
const present = process.env['LASTGOOD_DATA'] !== undefined && existsSync(file);
if (!present) {
  process.stdout.write('skipped: two-sample statistics against the reference (set LASTGOOD_DATA to its directory)\n');
}
const cases = present
  ? Object.entries((JSON.parse(readFileSync(file, 'utf8')) as { two_sample: Record<string, TwoSample> }).two_sample)
  : [['absent', null] as const];

(present ? describe : describe.skip).each(cases)('against the reference outputs of %s', (_, fixture) => {
  const reference = fixture as TwoSample;
  const near = (got: number, wanted: number): void => {
    expect(Math.abs(got - wanted) / Math.abs(wanted)).toBeLessThan(1e-9);
  };

  test('the energy distance agrees to 1e-9', () => {
    const points = [...reference.a, ...reference.b].map((value) => [value]);
    const labels = [...reference.a.map(() => 0), ...reference.b.map(() => 1)];
    const options = { alpha: 0.5, permutations: 1, uniform: seededUniform(1) };
    near(finished(energyTest(finished(distanceMatrix(points)), labels, options)).distance, reference.energy_distance);
  });

  test('PSI, KL in both directions and the chi-square tail agree to 1e-9', () => {
    const [a, b] = reference.psi_decile_counts;
    near(populationStability(a, b), reference['psi_decile_eps.5']);
    near(kullbackLeibler(a, b), reference.kl_ref_cur);
    near(kullbackLeibler(b, a), reference.kl_cur_ref);
    near(chiSquareSurvival(reference.chi2_2xk[0], a.length - 1), reference.chi2_2xk[1]);
  });
});
