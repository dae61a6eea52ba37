import { OutsideWatch } from '../../../activities/detection/outside-watch';
import { outsideHistory } from '../../../activities/detection/outside-history';
import type { OutsideMetrics } from '../../../activities/ports';
import type { OutsideValue } from '../../../domain/detection/outside-metric';
import type { WatchInput } from '../../../workflows/contract/activities';
import { mulberry32, normalDraws } from '../../support/mulberry32';
import { pushedScore } from '../../support/outside-metric';
import { policy, startMs, watchInput } from './detection-rows';

const everyMs = 5_000;
const immediate = { ...pushedScore, tier: 'immediate' as const };
const about = { ...policy, falseAlarmDays: 30, outside: [immediate, { ...pushedScore, metric: 'slow' }] };

/** One value every five seconds: 80 ± 1, and 74 from `badFrom` until `badUntil`. */
function values(fromMs: number, count: number, badFrom = Infinity, badUntil = Infinity): OutsideValue[] {
  const draw = normalDraws(mulberry32(3));
  return Array.from({ length: count }, (_, index) => {
    const atMs = fromMs + index * everyMs;
    return { atMs, value: 80 + draw() - (atMs >= badFrom && atMs < badUntil ? 6 : 0), n: null };
  });
}

const goodMs = startMs - 3_600_000;
const badMs = startMs + 600_000;
const source = (all: readonly OutsideValue[], asked: string[] = []): OutsideMetrics => ({
  values: async (_service, metric, from, to, limit) => {
    asked.push(metric);
    return all.filter(({ atMs }) => atMs >= from && atMs < to).slice(-limit);
  },
});

async function input(change: Partial<WatchInput> = {}): Promise<WatchInput> {
  const periods = [{ version: '1.2', from: goodMs, to: startMs }];
  const history = await outsideHistory(
    source(values(goodMs, 700)),
    { service: 's', policy: about, anchors: {} },
    periods,
  );
  const given = watchInput({ policy: about });
  return { ...given, baseline: { ...given.baseline, metrics: { ...given.baseline.metrics, ...history } }, ...change };
}

describe('immediate metrics from outside', () => {
  it('begin within a minute of the interval that their source has, once, with a stated false-alarm interval', async () => {
    const watch = new OutsideWatch(source(values(startMs, 400, badMs)), await input());
    const began: { afterMs: number; id: string }[] = [];
    for (let now = startMs + 60_000; now < badMs + 120_000; now += 2_500) {
      for (const { began: found, reading } of await watch.look(now)) {
        expect(reading.tier).toBe('immediate');
        if (now < badMs) expect(reading.kind).not.toBe('degraded');
        if (found) began.push({ afterMs: now - badMs, id: found.id });
        if (found) expect(found.verdict.statistic.falseAlarmDays).toBe(about.falseAlarmDays);
      }
    }
    expect(began).toHaveLength(1);
    expect(began[0]?.afterMs).toBeGreaterThan(4 * everyMs);
    expect(began[0]?.afterMs).toBeLessThan(60_000);
    expect(began[0]?.id).toMatch(/^1\.3\/quality\/o\d+$/);
  });

  it('end by their newest values, also where another watch or an assessment began them', async () => {
    const all = values(startMs, 400, badMs, badMs + 120_000);
    const first = await new OutsideWatch(source(all), await input()).look(badMs + 100_000);
    const standing = first.flatMap(({ began }) => began ?? []);
    expect(standing).toHaveLength(1);
    const watch = new OutsideWatch(source(all), await input({ standing }));
    expect((await watch.look(badMs + 110_000))[0]).toMatchObject({ began: null, ended: null });
    expect((await watch.look(badMs + 145_000))[0]?.ended?.id).toBe(standing[0]?.id);
    expect((await watch.look(badMs + 150_000))[0]).toMatchObject({ began: null, ended: null });
  });

  it('are the only ones that are asked for, and nobody is where there are none', async () => {
    const asked: string[] = [];
    const watch = new OutsideWatch(source(values(startMs, 400), asked), await input());
    expect(watch.isNeeded).toBe(true);
    await watch.look(badMs);
    expect(asked).toEqual(['quality']);
    const none = { ...about, outside: [{ ...pushedScore, metric: 'slow' }] };
    expect(new OutsideWatch(source([]), await input({ policy: none })).isNeeded).toBe(false);
  });

  it('are unmeasured where the source does not answer, and are not asked twice at once', async () => {
    const down = new OutsideWatch({ values: () => Promise.reject(new Error('down')) }, await input());
    expect((await down.look(badMs))[0]?.reading.kind).toBe('unmeasured');
    const watch = new OutsideWatch(source(values(startMs, 400)), await input());
    const [one, two] = await Promise.all([watch.look(badMs), watch.look(badMs)]);
    expect([one.length, two.length]).toEqual([1, 0]);
  });
});
