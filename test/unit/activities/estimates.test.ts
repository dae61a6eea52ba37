import { assessShortWindow } from '../../../activities/assess-short-window';
import type { Telemetry, TrafficRouter } from '../../../activities/ports';
import type { CountsRow } from '../../../gateway/protocol';
import type { Assessment, AssessmentInput } from '../../../workflows/contract/activities';
import { draw, usual, type World } from '../detection/confidence-world';
import { baseline, counts, policy, startMs } from './detection-rows';

const unused = (): never => {
  throw new Error('was called and is not stubbed');
};
const router: TrafficRouter = { read: unused, apply: unused, fence: unused, drained: unused, entrance: unused };
const HOUR_MS = 3_600_000;
const goodFrom = startMs - 4 * HOUR_MS;

function telemetryOf(all: readonly CountsRow[], broken = { times: 0 }): Telemetry {
  return {
    follow: unused,
    window: async (_service, from, to) => {
      if (from < startMs && broken.times > 0) {
        broken.times -= 1;
        throw new Error('the gateway is down');
      }
      return all.filter(({ fromMs }) => fromMs >= from && fromMs < to);
    },
    samples: async () => ({ off: true, samples: [] }),
    feedback: unused,
    answer: unused,
    answersAt: unused,
  };
}

const sparse = (bins: readonly number[]): Record<string, number> =>
  Object.fromEntries(bins.flatMap((n, bin) => (n > 0 ? [[bin, n]] : [])));

/** One row for each minute, from draws of a world. */
function minutes(
  world: World,
  fromMs: number,
  howMany: number,
  about: { seed: number; perMinute?: number; labelled?: number; change?: Partial<CountsRow> },
): CountsRow[] {
  return Array.from({ length: howMany }, (_, minute) => {
    const at = fromMs + minute * 60_000 + 1;
    const { scores, judged, confusions } = draw(
      world,
      about.perMinute ?? 300,
      about.seed + minute,
      about.labelled ?? 0,
    );
    const each = <T, R>(of: ReadonlyMap<string, T>, make: (value: T) => R): Record<string, R> =>
      Object.fromEntries([...of].map(([label, value]) => [label, make(value)]));
    return counts(minute, {
      fromMs: at,
      toMs: at + 1_000,
      predicted: each(scores, (bins) => bins.reduce((sum, n) => sum + n, 0)),
      scores: each(scores, sparse),
      judged: each(judged, ({ n, correct }) =>
        Object.fromEntries(n.flatMap((labels, bin) => (labels > 0 ? [[bin, [labels, correct[bin] ?? 0]]] : []))),
      ),
      mistaken: each(confusions, (classes) => Object.fromEntries(classes)),
      ...about.change,
    });
  });
}

const lost: World = { ...usual, bulk: { share: 0.05, hard: 0.5, easyRight: 0.98, hardRight: 0.6 } };
const good = minutes(usual, goodFrom, 60, { seed: 1, labelled: 0.5 });
const known = { ...baseline, version: '1.3', periods: [{ version: '1.3', from: goodFrom, to: goodFrom + HOUR_MS }] };

function inputOf(change: Partial<AssessmentInput> = {}): AssessmentInput {
  const routedAt = goodFrom;
  const base = { service: 'mail-triage', version: '1.3', epoch: 7, routedAt, charts: {}, standing: [], policy };
  return { ...base, now: startMs + 20 * 60_000, baseline: known, ...change };
}

async function assess(
  rows: readonly CountsRow[],
  change: Partial<AssessmentInput> = {},
  changed: string[] = [],
): Promise<Assessment> {
  const environment = { assess: async () => ({ changed, unmeasured: [], facts: {} }) };
  return await assessShortWindow({ telemetry: telemetryOf([...good, ...rows]), router, environment })(inputOf(change));
}

const line = (found: Assessment, metric: string): Assessment['tiers'][number] | undefined =>
  found.tiers.find((tier) => tier.metric === metric);
const accused = (found: Assessment): string[] =>
  found.began.map(({ verdict }) => verdict.metric).filter((metric) => metric.startsWith('estimated-'));

describe('estimates of the short window', () => {
  it('names the small class whose confidences fell, says that it is an estimate, and ends when they are back', async () => {
    const bad = minutes(lost, startMs, 20, { seed: 900 });
    const first = await assess(bad);

    expect(accused(first)).toEqual(['estimated-precision:bulk']);
    const { verdict } = first.began.find(({ verdict: { classLabel } }) => classLabel === 'bulk') ?? {};
    expect(verdict).toMatchObject({ tier: 'short-window', hard: false, unit: 'ratio', sinceMs: startMs + 1 });
    expect(verdict?.observed).toBeLessThan(verdict?.lcl ?? 0);
    expect(verdict?.lcl).toBeLessThan(verdict?.expected ?? 0);
    expect(verdict?.statistic.value).toBeGreaterThanOrEqual(verdict?.statistic.threshold ?? Infinity);
    expect(verdict?.sentence).toMatch(
      /^Estimated from confidences, without labels: answers bulk are right in \d\d % \(\d\d % to \d\d %\) of \d+ over the last 20 min, about since 12:0\d:\d\d UTC; in the good periods 9\d % \(limit \d\d %\)\. The other classes are as confident as they were$/,
    );
    expect(verdict?.baseline).toMatch(/^\d+ labelled answers bulk of 1\.3; /);
    expect(line(first, 'estimated-precision:ham')).toMatchObject({ kind: 'ok' });
    expect(line(first, 'estimated-accuracy')?.observed).toBeGreaterThan(0.92);
    expect(line(first, 'estimated-recall:bulk')?.expected).toBeGreaterThan(0.5);
    expect(await assess(bad)).toEqual(first);

    const standing = first.began;
    expect(accused(await assess(bad, { standing }))).toEqual([]);
    const again = await assess(minutes(usual, startMs, 20, { seed: 50 }), { standing });
    expect(again.ended.map(({ id }) => id)).toContain(first.began.find(({ verdict: v }) => v === verdict)?.id);
  });

  it('accuses nobody where the inputs changed, whoever says so, and says why', async () => {
    const harder = Object.fromEntries(Object.entries(usual).map(([name, of]) => [name, { ...of, hard: 0.4 }]));
    const all = await assess(minutes(harder, startMs, 20, { seed: 900 }));
    expect(accused(all)).toEqual([]);
    expect(line(all, 'estimated-precision:bulk')).toMatchObject({ kind: 'inconclusive', why: expect.stringContaining('other classes') }); // prettier-ignore
    expect(line(all, 'estimated-accuracy')).toMatchObject({ kind: 'inconclusive', why: expect.stringContaining('harder inputs') }); // prettier-ignore

    const told = await assess(minutes(lost, startMs, 20, { seed: 900 }), {}, ['cpu', 'input:language']);
    expect(accused(told)).toEqual([]);
    expect(line(told, 'estimated-accuracy')?.why).toBe('the inputs changed: input:language');
  });

  it('does not take the word of another version before labels show that it means the same', async () => {
    const of2 = { change: { version: '2.0' } };
    const bad = minutes(lost, startMs, 20, { seed: 900, ...of2 });
    const unknown = await assess(bad, { version: '2.0', routedAt: startMs });
    expect(accused(unknown)).toEqual([]);
    expect(line(unknown, 'estimated-accuracy')?.why).toContain('calibrated on 1.3; 0 labels of 2.0 do not show yet');

    // Its labels come late: those of an hour ago say that its confidences hold, those of the window are still to come.
    const labelled = minutes(lost, startMs, 20, { seed: 900, labelled: 0.04, change: { version: '2.0', labelDelayMs: HOUR_MS } }); // prettier-ignore
    const found = await assess(labelled, { version: '2.0', routedAt: startMs });
    expect(accused(found)).toEqual(['estimated-precision:bulk']);
  });

  it('is silenced by labels that contradict the calibration, and by labels that are at hand', async () => {
    const wrong = { 20: [60, 30] as [number, number] };
    const late = minutes(lost, startMs, 20, { seed: 900, change: { judged: { ham: wrong, bulk: wrong }, labelDelayMs: HOUR_MS } }); // prettier-ignore
    const broken = await assess(late);
    expect(accused(broken)).toEqual([]);
    expect(line(broken, 'estimated-accuracy')?.why).toMatch(/^of \d+ labelled answers since then 50 % were right/);

    const prompt = minutes(lost, startMs, 20, { seed: 900, labelled: 0.3, change: { labelDelayMs: 20_000 } });
    const counted = await assess(prompt);
    expect(accused(counted)).toEqual([]);
    expect(line(counted, 'estimated-precision:bulk')?.why).toMatch(/^\d+ labels of it came within the window/);
  });

  it('counts a label once, however much the windows overlap, and carries less than a kilobyte', async () => {
    const rows = minutes(usual, startMs, 20, { seed: 900, labelled: 0.05 });
    const once = await assess(rows);
    const twice = await assess(rows, { charts: once.charts });
    expect(twice.charts).toEqual(once.charts);
    expect(JSON.stringify(once.charts).length).toBeLessThan(1_024);
  });

  it('has no line for a service without scores, and is unmeasured without a good period or while it cannot be read', async () => {
    const { judged: _judged, mistaken: _mistaken, scores: _scores, ...plain } = counts(1, { fromMs: startMs + 1 });
    expect((await assess([plain])).tiers.filter(({ metric }) => metric.startsWith('estimated-'))).toEqual([]);

    const rows = minutes(lost, startMs, 20, { seed: 900 });
    const none = await assess(rows, { baseline: { ...known, periods: [] } });
    expect(line(none, 'estimated-accuracy')).toMatchObject({ kind: 'unmeasured', why: expect.stringContaining('no good period') }); // prettier-ignore

    const environment = { assess: async () => ({ changed: [], unmeasured: [], facts: {} }) };
    const telemetry = telemetryOf([...good, ...rows], { times: 1 });
    const look = assessShortWindow({ telemetry, router, environment });
    const down = await look(inputOf());
    expect(line(down, 'estimated-accuracy')).toMatchObject({ kind: 'unmeasured' });
    expect(accused(down)).toEqual([]);
    expect(accused(await look(inputOf()))).toEqual(['estimated-precision:bulk']);

    const percentages = minutes(usual, startMs, 20, { seed: 1, change: { scores: { ham: { 22: 100 } } } });
    expect(line(await assess(percentages), 'estimated-accuracy')?.why).toContain('are no confidences');
    const off = { ...policy, metrics: policy.metrics.filter(({ metric }) => metric !== 'estimated-precision') };
    expect((await assess(rows, { policy: off })).tiers.filter(({ metric }) => metric.startsWith('estimated-'))).toEqual([]); // prettier-ignore
  });
});
