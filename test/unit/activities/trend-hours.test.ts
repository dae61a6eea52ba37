import { HOURS_THAT_FIT, packHours, unpackHours, type Hour } from '../../../activities/detection/trend-hours';

const hoursOf = (count: number, metrics: readonly string[]): Hour[] =>
  Array.from({ length: count }, (_, index) => ({
    hour: 494_000 + index,
    means: Object.fromEntries(metrics.map((name, place) => [name, 0.9001 + index / 1e4 + place / 1e3])),
  }));

describe('the hours of the trend', () => {
  it('come back as they were, also those in which a metric was not measured', () => {
    const hours = [...hoursOf(3, ['accuracy', 'recall:bulk']), { hour: 494_010, means: { accuracy: 0.5 } }];
    expect(unpackHours(JSON.parse(JSON.stringify(packHours(hours))))).toEqual(hours);
    expect(unpackHours(packHours([]))).toEqual([]);
  });

  it('fit the state of a workflow with eleven metrics of long names for three days, the newest of many', () => {
    const names = Array.from({ length: 11 }, (_, index) => `recall:${'x'.repeat(50)}${index + 10}`);
    const rounded = hoursOf(400, names).map(({ hour, means }) => ({
      hour,
      means: Object.fromEntries(Object.entries(means).map(([name, mean]) => [name, Number(mean.toPrecision(4))])),
    }));
    const packed = packHours(rounded);
    const kept = unpackHours(packed);
    expect(JSON.stringify(packed).length).toBeLessThanOrEqual(7_600);
    expect(kept.length).toBeGreaterThanOrEqual(HOURS_THAT_FIT);
    expect(kept).toEqual(rounded.slice(-kept.length));
  });

  it.each([[undefined], [null], [[{ hour: 1, means: {} }]], ['x'], [{}]])('%j of other code is no hour', (value) => {
    expect(unpackHours(value)).toEqual([]);
  });
});
