import { assessShortWindow } from '../../../activities/assess-short-window';
import { assessTrend } from '../../../activities/assess-trend';
import { attributeCause } from '../../../activities/attribute-cause';
import { computeBaseline } from '../../../activities/compute-baseline';
import type { ArtifactStore, Engine, Telemetry, TrafficRouter } from '../../../activities/ports';
import type { Backend } from '../../../domain/route';
import type { CountsRow, Sample } from '../../../gateway/protocol';
import { chartsOfNextVersion, TIMED } from '../../../workflows/contract/charts';
import type { AssessmentInput, Baseline } from '../../../workflows/contract/activities';
import { baseline, counts, latency, policy, rows, startMs } from './detection-rows';

const unused = (): never => {
  throw new Error('was called and is not stubbed');
};
const environment = { assess: async () => ({ changed: [], unmeasured: [], facts: {} }) };
const router: TrafficRouter = {
  read: async () => ({
    service: 'mail-triage',
    record: null,
    floor: 3,
    inForceSince: null,
    fallback: null,
    inFlight: {},
    pinned: {},
    lastSeq: 0,
  }),
  apply: unused,
  fence: unused,
  drained: unused,
  entrance: unused,
};

function telemetryOf(all: readonly CountsRow[], samples: readonly Sample[] = []): Telemetry {
  return {
    follow: unused,
    window: async (_service, from, to) => all.filter(({ fromMs }) => fromMs >= from && fromMs < to),
    samples: async () => ({ off: false, samples: [...samples] }),
    feedback: unused,
    answer: unused,
    answersAt: unused,
  };
}

function artifactsOf(evaluation: { accuracy: number; recall: number } | null): ArtifactStore {
  const byClass = { bulk: { n: 400, recall: evaluation?.recall ?? 0, precision: 0.9 } };
  return {
    list: unused,
    get: async () => ({
      version: '1.2',
      digest: 'sha256:1',
      createdAt: 1,
      importedAt: 1,
      engine: 'open-inference',
      model: 'mail',
      evaluation: evaluation === null ? null : { accuracy: evaluation.accuracy, n: 1_000, byClass },
      probes: 1,
      external: [],
      bytes: 1,
    }),
    verify: unused,
    materialise: unused,
    probes: async () => [{ id: 'p', request: {}, expect: { output: 'label', value: 'bulk' } }],
    annotate: unused,
  };
}

function assessmentOf(change: Partial<AssessmentInput> = {}): AssessmentInput {
  return {
    service: 'mail-triage',
    version: '1.3',
    epoch: 7,
    routedAt: startMs,
    now: startMs + 600_000,
    charts: {},
    standing: [],
    baseline,
    policy,
    ...change,
  };
}

const samples = Array.from({ length: 12 }, (_, index): Sample => ({
  requestId: `r${index}`,
  atMs: startMs + index,
  version: '1.3',
  path: '/',
  contentType: 'application/json',
  body: '{}',
  predicted: 'ham',
  score: null,
  label: 'bulk',
}));

const lostClass = rows(500, (seq) =>
  counts(seq, { labels: { bulk: { n: 1, correct: seq % 2 }, ham: { n: 2, correct: 2 } } }),
);

describe('the assessments', () => {
  it('finds a class that lost its recall in the window, once, with the same id when it is repeated', async () => {
    const assess = assessShortWindow({ telemetry: telemetryOf(lostClass), router, environment });
    const first = await assess(assessmentOf());
    const bulk = first.began.find(({ verdict }) => verdict.metric === 'recall:bulk');

    expect(bulk?.verdict).toMatchObject({ kind: 'degraded', tier: 'short-window', classLabel: 'bulk', samples: 500 });
    expect(first.began.map(({ verdict }) => verdict.metric)).not.toContain('recall:ham');
    const withoutLook = ({ observed: _, ...result }: typeof first): unknown => result;
    expect(withoutLook(await assess(assessmentOf()))).toEqual(withoutLook(first));
    const standing = first.began.map(({ id, verdict }) => ({ id, verdict }));
    expect((await assess(assessmentOf({ standing }))).began).toEqual([]);
    expect(first.observed?.floor).toBe(3);
  });

  it('keeps what the looks at both copies found when one window cannot be read', async () => {
    const unread: Telemetry = { ...telemetryOf([]), window: () => Promise.reject(new Error('down')) };
    const timeBoth = unused;
    const assess = assessShortWindow({ telemetry: unread, router, environment, timeBoth });
    const looks = { version: '1.3', usual: [0.1, 0.1, 0.1] };
    expect((await assess(assessmentOf({ charts: { [TIMED]: looks } }))).charts[TIMED]).toEqual(looks);
  });

  it('ends a verdict of the window when the window is good again', async () => {
    const bad = await assessShortWindow({ telemetry: telemetryOf(lostClass), router, environment })(assessmentOf());
    const good = rows(500, (seq) => counts(seq, { labels: { bulk: { n: 1, correct: 1 }, ham: { n: 2, correct: 2 } } }));
    const ports = { telemetry: telemetryOf(good), router, environment };
    const again = await assessShortWindow(ports)(assessmentOf({ standing: bad.began }));

    expect(again.ended.map(({ id }) => id).sort()).toEqual(bad.began.map(({ id }) => id).sort());
  });

  it('does not begin for a window that is bad only by what is over: that was begun and ended before', async () => {
    const over = rows(500, (seq) => counts(seq, { failures: seq >= 200 && seq < 300 ? 8 : 0 }));
    const assess = assessShortWindow({ telemetry: telemetryOf(over), router, environment });
    const during = await assess(assessmentOf({ now: startMs + 280_000 }));
    expect(during.began.map(({ verdict }) => verdict.metric)).toContain('error-rate');
    const after = await assess(assessmentOf({ now: startMs + 490_000 }));
    expect(after.began).toEqual([]);
    expect(after.tiers.find(({ metric }) => metric === 'error-rate')?.observed).toBeGreaterThan(0.05);
  });

  it('takes an empty window and unreachable telemetry as unmeasured', async () => {
    const unreachable = { ...telemetryOf([]), window: async () => await Promise.reject(new Error('down')) };
    const empty = await assessShortWindow({ telemetry: telemetryOf([]), router, environment })(assessmentOf());
    const down = await assessShortWindow({ telemetry: unreachable, router, environment })(assessmentOf());

    expect([...empty.began, ...down.began]).toEqual([]);
    expect(new Set(empty.tiers.map(({ kind }) => kind))).toEqual(new Set(['unmeasured']));
  });

  it('makes limits from good periods, holds them at the margin of the report, and names what it used', async () => {
    const good = rows(1_200, (seq) =>
      counts(seq, { version: '1.2', labels: { bulk: { n: 1, correct: seq % 5 === 0 ? 0 : 1 } } }),
    );
    const artifacts = artifactsOf({ accuracy: 0.82, recall: 0.95 });
    const input = {
      service: 'mail-triage',
      version: '1.2',
      periods: [{ version: '1.2', from: startMs, to: startMs + 1_300_000 }],
      anchorVersion: '1.2',
      anchors: {},
      policy,
    };
    const found = await computeBaseline({ telemetry: telemetryOf(good), artifacts })(input);

    expect(found.metrics['error-rate']).toMatchObject({ value: 0, n: 24_000 });
    // Measured .8, the report says .95: the centre stays within the margin of three points.
    expect(found.metrics['recall:bulk']).toMatchObject({ value: 0.95 - 0.03, anchor: 0.95 });
    expect(found.words).toContain('recall:bulk moved from its anchor');
    expect(found.words).toContain('of 1.2 from 2026-05-01');
    expect(found.ratePerSecond['error-rate']).toBeGreaterThan(15);
  });

  it('keeps the shape of the latency when its history is long enough for a chart', async () => {
    const good = rows(1_200, (seq) =>
      counts(seq, { version: '1.2', latency: latency(20, 100 + 10 * Math.sin(seq) + (seq % 7)) }),
    );
    const of = async (to: number): Promise<Baseline['metrics'][string] | undefined> => {
      const periods = [{ version: '1.2', from: startMs, to: startMs + to }];
      const input = { service: 's', version: '1.2', periods, anchorVersion: '1.2', anchors: {}, policy };
      const ports = { telemetry: telemetryOf(good), artifacts: artifactsOf(null) };
      return (await computeBaseline(ports)(input)).metrics['latency-p95'];
    };
    const long = await of(1_200_000);

    expect(long?.reference).toMatchObject({ points: long?.n, warmth: 'warm' });
    expect(JSON.stringify(long).length).toBeLessThanOrEqual(400);
    expect((await of(200_000))?.n).toBeGreaterThanOrEqual(12);
    expect((await of(200_000))?.reference).toBeUndefined();
  });

  it('falls back to the evaluation report, then to what the policy assumes', async () => {
    const artifacts = artifactsOf({ accuracy: 0.93, recall: 0.9 });
    const input = { service: 's', version: '1.2', periods: [], anchorVersion: '1.2', anchors: {}, policy };
    const found = await computeBaseline({ telemetry: telemetryOf([]), artifacts })(input);

    expect(found.metrics['accuracy']).toMatchObject({ value: 0.93, n: 1_000 });
    expect(found.metrics['recall:bulk']).toMatchObject({ value: 0.9, n: 400 });
    expect(found.metrics['error-rate']).toMatchObject({ value: 0.005, n: 200 });
    expect(found.words).toContain('evaluation report of 1.2');
  });

  it('finds a slow decline against the anchor over days, and nothing with less than a day', async () => {
    const hourly = Array.from({ length: 24 * 4 }, (_, hour) => {
      const correct = 950 - Math.max(0, hour - 20) * 2;
      return counts(hour, { fromMs: startMs + hour * 3_600_000 + 1_000, labels: { ham: { n: 1_000, correct } } });
    });
    let charts: AssessmentInput['charts'] = {};
    const began: string[] = [];
    for (let hour = 1; hour <= 90 && began.length === 0; hour += 1) {
      const input = assessmentOf({ now: startMs + hour * 3_600_000 + 5_000, charts });
      const found = await assessTrend({ telemetry: telemetryOf(hourly), environment })(input);
      charts = found.charts;
      began.push(...found.began.map(({ verdict }) => verdict.metric));
      if (hour < 24) expect(found.tiers.every(({ kind }) => kind !== 'degraded' && kind !== 'ok')).toBe(true);
    }

    expect(began).toContain('recall:ham');
    expect(JSON.stringify(charts).length).toBeLessThanOrEqual(8 * 1024);
  });

  it('reaches its hours with many classes, and needs as many as the policy says', async () => {
    const classes = Array.from({ length: 12 }, (_, index) => `a-class-with-a-long-name-${index}`);
    const labels = Object.fromEntries(classes.map((label) => [label, { n: 100, correct: 95 }]));
    const hourly = rows(60, (hour) => counts(hour, { fromMs: startMs + (hour - 1) * 3_600_000 + 1_000, labels }));
    const metrics = Object.fromEntries(
      classes.map((label) => [`recall:${label}`, { value: 0.95, n: 1_000, spread: null, source: 'good hours' }]),
    );
    let charts: AssessmentInput['charts'] = {};
    const kinds: string[] = [];
    for (let hour = 1; hour <= 40; hour += 1) {
      const input = assessmentOf({
        now: startMs + hour * 3_600_000 + 5_000,
        charts,
        baseline: { ...baseline, metrics },
        policy: { ...policy, trend: { ...policy.trend, minPoints: 30 } },
      });
      const found = await assessTrend({ telemetry: telemetryOf(hourly), environment })(input);
      charts = found.charts;
      kinds.push(found.tiers[0]?.kind ?? 'none');
    }

    expect(kinds.slice(0, 29)).toEqual(kinds.slice(0, 29).map(() => 'inconclusive'));
    expect(kinds.slice(29)).toEqual(kinds.slice(29).map(() => 'ok'));
    expect(JSON.stringify(charts).length).toBeLessThanOrEqual(8 * 1024);
  });

  it('lays a degradation at the model when the previous version is right on the same inputs, and asks as a mirror', async () => {
    const headers: unknown[] = [];
    const engine: Engine = {
      name: 'test',
      ready: unused,
      identity: unused,
      infer: async (_address, _model, _body, options) => {
        headers.push(options.headers);
        return { status: 200, ms: 1, outputs: { label: 'bulk' }, headers: {} };
      },
    };
    const ports = {
      telemetry: telemetryOf([], samples),
      artifacts: artifactsOf(null),
      environment,
      router,
      engine: () => engine,
      repeatable: () => true,
    };
    const bad = await assessShortWindow({ telemetry: telemetryOf(lostClass), router, environment })(assessmentOf());
    const verdict = bad.began[0]?.verdict;
    if (!verdict) throw new Error('no verdict');
    const previous = { address: 'http://127.0.0.1:9', instance: 'i', digest: 'd', version: '1.2' };
    const about = { service: 's', verdict, version: '1.3', model: 'mail', deployedAt: null, replay: policy.replay };
    const now = startMs + 600_000;
    const found = await attributeCause(ports)({ ...about, previous, now });

    expect(found.attribution).toBe('model');
    expect(headers).toContainEqual({ 'x-lastgood-mirror': '1' });
    // The live copy answers the same inputs rightly now: what was wrong then was not the version.
    const backends = { '1.3': [{ address: 'http://live', instance: 'l', digest: 'd' }] };
    const record = { service: 's', epoch: 3, primary: '1.3', pins: [], backends };
    const healed = { ...router, read: async () => ({ ...(await router.read('s')), record }) };
    expect((await attributeCause({ ...ports, router: healed })({ ...about, previous, now })).attribution).not.toBe(
      'model',
    );
    const refused = await attributeCause({ ...ports, repeatable: () => false })({ ...about, previous, now });
    expect(refused).toMatchObject({ attribution: 'undetermined' });
    expect(refused.reasons.at(-1)).toContain('not repeatable');
  });

  it.each([
    ['the live copy alone is slow', 1, 'model', 'on the live version as on the previous one'],
    ['both copies are slow', 2.8, 'environment', 'too slow as well'],
  ])('asks the same requests of both copies when it is slower: %s', async (_, previousTimes, wanted, words) => {
    const asked: string[] = [];
    const engine: Engine = {
      name: 'test',
      ready: unused,
      identity: unused,
      infer: async (address, _model, _body, options) => {
        expect(options.headers).toEqual({ 'x-lastgood-mirror': '1' });
        asked.push(address);
        return { status: 200, ms: address === 'http://live' ? 300 : 100 * previousTimes, outputs: {}, headers: {} };
      },
    };
    const backend = (address: string): Backend => ({ address, instance: address, digest: 'd' });
    const record = {
      service: 's',
      epoch: 3,
      primary: '1.3',
      pins: [],
      backends: { '1.3': [backend('http://live')], '1.2': [backend('http://before')] },
    };
    const slow = rows(600, (seq) => counts(seq, { latency: latency(20, 120) }));
    const seen = await assessShortWindow({ telemetry: telemetryOf(slow), router, environment })(assessmentOf());
    const verdict = seen.began.find((one) => one.verdict.metric === 'latency-p95')?.verdict;
    if (!verdict) throw new Error('no verdict');
    const found = await attributeCause({
      telemetry: telemetryOf([], samples.slice(0, 3)),
      artifacts: artifactsOf(null),
      environment,
      router: { ...router, read: async () => ({ ...(await router.read('s')), record }) },
      engine: () => engine,
      repeatable: () => true,
    })({
      service: 's',
      verdict,
      version: '1.3',
      model: 'mail',
      deployedAt: startMs - 60_000,
      previous: { ...backend('http://before'), version: '1.2' },
      replay: { ...policy.replay, budgetMs: 1_000 },
      now: startMs + 600_000,
    });

    expect(found.attribution).toBe(wanted);
    expect(found.reasons.join()).toContain(words);
    const live = asked.filter((address) => address === 'http://live').length;
    expect(live).toBe(asked.length / 2);
  });
});

it('of the charts of a version only what is usual between two copies is handed to the next one', () => {
  expect(chartsOfNextVersion({ [TIMED]: { usual: [0.1] }, answers: 1 })).toEqual({ [TIMED]: { usual: [0.1] } });
  expect(chartsOfNextVersion({ answers: 1 })).toEqual({});
});
