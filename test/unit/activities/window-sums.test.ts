import { tallyOf } from '../../../activities/detection/chart-specs';
import { classTallies, sumRows, tallyIn } from '../../../activities/detection/window-sums';
import { counts, rows } from './detection-rows';

const errorRate = { name: 'error-rate', classLabel: null };
const bulk = { name: 'recall:bulk', classLabel: 'bulk' };

describe('the sums of rows', () => {
  it('are what the rows say one by one, and sums can be summed', () => {
    const all = rows(10, (seq) => counts(seq, { failures: seq % 2, cut: 1, labels: { bulk: { n: 2, correct: 1 } } }));
    const halves = [sumRows(all.slice(0, 4)), sumRows(all.slice(4))];

    expect(tallyIn(errorRate, sumRows(all))).toEqual({ trials: 200, failures: 15 });
    expect(tallyIn(bulk, sumRows(all))).toEqual({ trials: 20, failures: 10 });
    expect(sumRows(halves)).toEqual(sumRows(all));
    expect(tallyIn(errorRate, sumRows([]))).toEqual({ trials: 0, failures: 0 });
  });

  it('leave out requests and labels with a count that is not a number, without taking them for good ones', () => {
    const odd = counts(2, { failures: NaN, labels: { bulk: { n: 5, correct: NaN }, ham: { n: 1, correct: 1 } } });
    const sums = sumRows([counts(1, { labels: { bulk: { n: 3, correct: 3 } } }), odd]);

    expect(tallyIn(errorRate, sums)).toEqual({ trials: 20, failures: 0 });
    expect([...classTallies(sums)]).toEqual([
      ['bulk', { trials: 3, failures: 0 }],
      ['ham', { trials: 1, failures: 0 }],
    ]);
  });

  it('I10: say nothing to a chart of what a row cannot count, and go on saying the rest', () => {
    const rates = ['timeout-rate', 'malformed-rate', 'error-rate'].map((name) => ({ name, classLabel: null }));
    const blind = counts(1, { failures: 2, notCounted: ['timeouts', 'malformed', 'cut'] });
    for (const sums of [blind, sumRows([blind]), sumRows([sumRows([blind]), counts(2)])]) {
      expect(rates.slice(0, 2).map((rate) => tallyOf(rate, sums))).toEqual([null, null]);
      expect(rates.slice(0, 2).map((rate) => tallyIn(rate, sums).trials)).toEqual([0, 0]);
      expect(tallyOf(rates[2] as { name: string; classLabel: null }, sums)?.failures).toBe(2);
    }
    expect(tallyOf(rates[0] as { name: string; classLabel: null }, counts(1))).toEqual({ trials: 20, failures: 0 });
  });

  it('never go below zero after corrections', () => {
    const corrected = counts(1, { labels: { bulk: { n: -3, correct: -1 } } });

    expect(tallyIn(bulk, sumRows([corrected]))).toEqual({ trials: 0, failures: 0 });
    expect(classTallies(sumRows([corrected])).size).toBe(0);
  });
});
