import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ReportRefused } from '../../adapters/telemetry/reports/errors';
import { readEvidently } from '../../adapters/telemetry/reports/evidently';
import type { WantedValue } from '../../adapters/telemetry/reports/wanted';
import { readWhylogs } from '../../adapters/telemetry/reports/whylogs';

const want = (change: Partial<WantedValue>): WantedValue => ({
  name: 'drift',
  metric: 'ValueDrift',
  column: 'age',
  method: 'K-S p_value',
  field: null,
  ...change,
});

function drift(column: string, method: string, value: unknown): unknown {
  return {
    id: 'x',
    metric_name: `ValueDrift(column=${column})`,
    config: { type: 'evidently:metric_v2:ValueDrift', column, method, threshold: 0.05 },
    value,
  };
}

const share = {
  id: 'y',
  metric_name: 'DriftedColumnsCount(drift_share=0.5)',
  config: { type: 'evidently:metric_v2:DriftedColumnsCount', drift_share: 0.5 },
  value: { count: 2, share: 0.5 },
};

describe('an Evidently report', () => {
  it('gives a drift so that more is worse, by p-value and by distance', () => {
    const report = { metrics: [share, drift('age', 'K-S p_value', 0.001), drift('city', 'PSI', 0.3)], tests: [] };
    const wanted = [want({}), want({ name: 'city-drift', column: 'city', method: 'PSI' })];
    expect(readEvidently(report, wanted)).toEqual({
      values: [
        { metric: 'drift', value: 3 },
        { metric: 'city-drift', value: 0.3 },
      ],
      missing: [],
    });
  });

  it('gives a field of a value that is an object, and a plain number as it is', () => {
    const plain = { config: { type: 'evidently:metric_v2:MeanValue', column: 'age' }, value: 41.5 };
    const wanted = [
      want({ name: 'share', metric: 'DriftedColumnsCount', column: null, method: null, field: 'share' }),
      want({ name: 'mean', metric: 'MeanValue', method: null }),
    ];
    expect(readEvidently({ metrics: [share, plain] }, wanted).values).toEqual([
      { metric: 'share', value: 0.5 },
      { metric: 'mean', value: 41.5 },
    ]);
  });

  it('says what is not in it, or has no number there', () => {
    const report = { metrics: [drift('age', 'K-S p_value', null)] };
    expect(readEvidently(report, [want({}), want({ name: 'other', column: 'city' })])).toEqual({
      values: [],
      missing: ['drift', 'other'],
    });
  });

  it.each<[string, unknown, Partial<WantedValue>, RegExp]>([
    [
      'a method that nobody knows',
      [drift('age', 'my own', 0.1)],
      {},
      /metrics\.0\.config\.method: found "my own", which is not known/,
    ],
    [
      'another method than declared: Evidently takes one by sample size',
      [share, drift('age', 'Wasserstein distance (normed)', 0.1)],
      {},
      /metrics\.1\.config\.method: found "Wasserstein distance \(normed\)", expected "K-S p_value"/,
    ],
    [
      'a p-value beyond 1',
      [drift('age', 'K-S p_value', 1.2)],
      {},
      /metrics\.0\.value: found 1\.2, expected a p-value of 0 to 1/,
    ],
    ['a text', [drift('age', 'K-S p_value', 'high')], {}, /metrics\.0\.value: expected a number/],
    [
      'an object without the field',
      [share],
      { metric: 'DriftedColumnsCount', column: null },
      /expected a field that is a number, of count, share/,
    ],
    ['something else', 'hello', {}, /metrics: /],
  ])('is refused with the place for %s', (_, metrics, change, message) => {
    const read = () => readEvidently({ metrics }, [want(change)]);
    expect(read).toThrow(ReportRefused);
    expect(read).toThrow(message);
  });
});

describe('a whylogs drift report', () => {
  const thresholds = { NO_DRIFT: [0.15, 1], POSSIBLE_DRIFT: [0.05, 0.15], DRIFT: [0, 0.05] };
  const report = {
    age: { algorithm: 'ks', pvalue: 0.01, statistic: 0.4, thresholds, drift_category: 'DRIFT' },
    city: { algorithm: 'hellinger', pvalue: null, statistic: 0.2, thresholds: null, drift_category: null },
    empty: null,
  };

  it('gives a test by its p-value and a distance by its statistic, more being worse in both', () => {
    const wanted = [
      want({ method: 'ks' }),
      want({ name: 'city', column: 'city', method: 'hellinger' }),
      want({ name: 'empty', column: 'empty', method: 'ks' }),
    ];
    expect(readWhylogs(report, wanted)).toEqual({
      values: [
        { metric: 'drift', value: 2 },
        { metric: 'city', value: 0.2 },
      ],
      missing: ['empty'],
    });
  });

  it('is refused for a method that is not known or not declared', () => {
    expect(() => readWhylogs({ age: { algorithm: 'psi', statistic: 1 } }, [want({ method: 'ks' })])).toThrow(
      /age\.algorithm: found "psi", which is not known/,
    );
    expect(() => readWhylogs(report, [want({ method: 'chi-square' })])).toThrow(
      /age\.algorithm: found "ks", expected "chi-square", as drift is declared/,
    );
    expect(() => readWhylogs([1, 2], [want({})])).toThrow(ReportRefused);
  });
});

/** Outputs of real runs of both tools; optional, because the files are not part of the repository. */
const samples = join(process.env['LASTGOOD_DATA'] ?? '', '..', 'samples');
const present = process.env['LASTGOOD_DATA'] !== undefined && existsSync(join(samples, 'evidently'));
if (!present) process.stdout.write('skipped: reports of real runs (set LASTGOOD_DATA to their directory)\n');

(present ? describe : describe.skip)('reports of real runs', () => {
  const json = (...path: string[]): unknown => JSON.parse(readFileSync(join(samples, ...path), 'utf8'));

  it('of Evidently tell the drifted data from the baseline', () => {
    const wanted = [
      want({ name: 'amount', column: 'amount' }),
      want({ name: 'country', column: 'country', method: 'chi-square p_value' }),
      want({ name: 'share', metric: 'DriftedColumnsCount', column: null, method: null, field: 'share' }),
    ];
    const [good, bad] = ['report-baseline.json', 'report-drifted.json'].map((file) => {
      const { values, missing } = readEvidently(json('evidently', file), wanted);
      expect(missing).toEqual([]);
      return Object.fromEntries(values.map(({ metric, value }) => [metric, value]));
    });
    expect(good?.['amount']).toBeLessThan(1);
    expect(bad?.['amount']).toBeGreaterThan(15);
    expect(bad?.['country']).toBeGreaterThan(15);
    expect([good?.['share'], bad?.['share']]).toEqual([expect.closeTo(1 / 3, 9), expect.closeTo(2 / 3, 9)]);
  });

  it('of whylogs name the columns that drifted', () => {
    const wanted = ['amount', 'age'].map((column) => want({ name: column, column, method: 'ks' }));
    const { values } = readWhylogs(json('whylogs', 'drift-scores.json'), [
      ...wanted,
      want({ name: 'country', column: 'country', method: 'chi-square' }),
    ]);
    const found = Object.fromEntries(values.map(({ metric, value }) => [metric, value]));
    expect(found['amount']).toBeGreaterThan(15);
    expect(found['country']).toBeGreaterThan(15);
    expect(found['age']).toBeLessThan(1);
  });
});
