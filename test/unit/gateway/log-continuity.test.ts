import { LogContinuity, type LogGap, type Workers } from '../../../gateway/log-continuity';

const alive = new Set<number>();
function continuity(known: Workers = {}, startedAt = 1_000_000): { log: LogContinuity; gaps: LogGap[] } {
  const gaps: LogGap[] = [];
  return {
    log: new LogContinuity(
      known,
      startedAt,
      (gap) => gaps.push(gap),
      (pid) => alive.has(pid),
    ),
    gaps,
  };
}
const line = (n: number, at: number, pid = 7, service = 'mail') => ({ n, at, pid, service });
beforeEach(() => {
  alive.clear();
  alive.add(7);
});

describe('which lines of the log of HAProxy are missing', () => {
  it('none where the numbers of each worker and service follow each other from 0 on', () => {
    const { log, gaps } = continuity();
    for (const one of [line(0, 10), line(0, 11, 7, 'chat'), line(1, 12), line(0, 13, 8), line(1, 14, 8)]) log.line(one);
    expect(gaps).toEqual([]);
  });

  it('those between two numbers, as the time between the two lines', () => {
    const { log, gaps } = continuity();
    log.line(line(0, 10));
    log.line(line(5, 90));
    expect(gaps).toEqual([
      { service: 'mail', fromMs: 10, toMs: 90, why: expect.stringMatching(/^4 line\(s\) .* missing/) as string },
    ]);
  });

  it('all before the first one of a worker that had answered before: nothing says since when', () => {
    const { log, gaps } = continuity();
    log.line(line(3, 90));
    expect(gaps).toMatchObject([{ fromMs: 0, toMs: 90 }]);
  });

  it('none over a restart of this process where the worker goes on with the next number', () => {
    const { log } = continuity();
    log.line(line(0, 10));
    const again = continuity(log.take() as Workers);
    again.log.line(line(1, 20));
    again.log.tick(1_010_000);
    expect(again.gaps).toEqual([]);
    expect(log.take()).toBeNull();
  });

  it('what a worker answered last that ended: its last second, of every service', () => {
    const { log, gaps } = continuity();
    log.line(line(0, 10));
    log.closed(7, 50_000);
    alive.delete(7);
    log.tick(51_000);
    log.tick(52_000);
    expect(gaps).toMatchObject([{ service: null, fromMs: 49_000, toMs: 51_000 }]);
    expect(log.take()).toEqual({});
  });

  it('nothing of one that connects again, and goes on', () => {
    const { log, gaps } = continuity();
    log.line(line(0, 10));
    log.closed(7, 50_000);
    log.tick(51_000);
    log.line(line(1, 51_500));
    log.tick(60_000);
    expect(gaps).toEqual([]);
  });

  it('all that a worker answers that a reload has left, until it ends', () => {
    const { log, gaps } = continuity();
    log.line(line(0, 10));
    log.closed(7, 50_000);
    log.tick(55_000);
    expect(gaps).toMatchObject([{ fromMs: 49_000, toMs: 55_000 }]);
    log.tick(56_000);
    expect(gaps).toHaveLength(1);
    const after = continuity(log.take() as Workers, 100_000);
    alive.delete(7);
    after.log.tick(101_000);
    expect(after.gaps).toMatchObject([{ service: null, fromMs: 55_000, toMs: 101_000 }]);
  });

  it('all of half an hour after a reload of a worker whose process is not seen from here', () => {
    alive.clear();
    const { log, gaps } = continuity();
    log.line(line(0, 10));
    log.closed(7, 0);
    for (let now = 0; now < 40 * 60_000; now += 1_000) log.tick(now);
    expect(gaps[0]?.fromMs).toBe(-1_000);
    gaps.slice(1).forEach((gap, at) => expect(gap.fromMs).toBe(gaps[at]?.toMs));
    expect(gaps.at(-1)?.toMs).toBe(30 * 60_000);
  });

  it('what came after the last line of a worker that is gone when this process is back', () => {
    const { log } = continuity();
    log.line(line(0, 10));
    alive.delete(7);
    const again = continuity(log.take() as Workers);
    again.log.tick(1_000_000);
    expect(again.gaps).toMatchObject([{ service: 'mail', fromMs: 10, toMs: 1_000_000 }, { service: null }]);
  });
});
