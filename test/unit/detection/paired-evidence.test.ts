import { DECISIVE_NATS, lossNats, slowerNats, withoutUsual } from '../../../domain/detection/paired-evidence';

describe('loss of the previous version', () => {
  it('is the log of the likelihood ratio of two binomials', () => {
    const exact = 12 * Math.log(0.16 / 0.06) + 88 * Math.log(0.84 / 0.94);
    expect(lossNats(12, 100, 0.06, 0.16)).toBeCloseTo(exact, 12);
  });

  it('says nothing where the verdict saw no loss', () => {
    expect(lossNats(12, 100, 0.16, 0.16)).toBe(0);
    expect(lossNats(12, 100, 0.2, 0.1)).toBe(0);
  });

  it('stays finite for rates of 0 and 1', () => {
    expect(Number.isFinite(lossNats(5, 10, 0, 1))).toBe(true);
  });
});

describe('times of two copies', () => {
  const found = {
    pairs: 60,
    meanLog: Math.log(1.3),
    sdLog: 0.3,
    tail: { slower: 0, faster: 0 },
    by: 'samples' as const,
  };

  it('accuses a version that is slower by the margin, and not one that is a tenth slower', () => {
    const apart = withoutUsual(found, []);
    expect(slowerNats(apart, 1.25)).toBeGreaterThan(DECISIVE_NATS);
    expect(slowerNats({ ...apart, meanLog: Math.log(1.1) }, 1.25)).toBeLessThan(0);
  });

  it('takes off what three looks found usual, but no more than an idle copy may gain', () => {
    expect(withoutUsual(found, [0.1, 0.1]).meanLog).toBe(found.meanLog);
    expect(withoutUsual(found, [0.1, 0.1, 0.5]).meanLog).toBeCloseTo(found.meanLog - 0.1, 12);
    expect(withoutUsual(found, [0.9, 0.9, 0.9]).meanLog).toBeCloseTo(found.meanLog - 0.5, 12);
    expect(withoutUsual(found, [-0.9, -0.9, -0.9]).meanLog).toBe(found.meanLog);
  });

  it('is surer once the usual difference is known', () => {
    const known = withoutUsual({ ...found, meanLog: found.meanLog + 0.1 }, [0.1, 0.1, 0.1]);
    expect(slowerNats(known, 1.25)).toBeGreaterThan(slowerNats(withoutUsual(found, []), 1.25));
  });

  it('says nothing of one pair, or of no slowness', () => {
    expect(slowerNats({ ...found, pairs: 1, idleSdLog: 0.07 }, 1.25)).toBe(0);
    expect(slowerNats({ ...found, idleSdLog: 0.07 }, 1)).toBe(0);
  });
});
