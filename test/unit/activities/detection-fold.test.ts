import { WatchFold } from '../../../activities/detection/watch-fold';
import type { CountsRow, TelemetryRow } from '../../../gateway/protocol';
import type { StandingVerdict, WatchInput } from '../../../workflows/contract/activities';
import { median } from '../../../domain/detection/robust';
import { scoreReference } from '../../../domain/detection/score-reference';
import { mulberry32, normalDraws } from '../../support/mulberry32';
import { baseline, counts, event, latency, policy, rows, startMs, watchInput } from './detection-rows';

/** Feeds rows until there is news; returns the fold. */
function folded(all: readonly TelemetryRow[], change: Partial<WatchInput> = {}): WatchFold {
  const input = watchInput(change);
  const fold = new WatchFold(input, input);
  for (const row of all) {
    fold.take(row);
    if (fold.hasNews) break;
  }
  return fold;
}

/** A latency whose intervals of ten seconds spread by a third: each p95 holds for the interval. */
function noisyLatency(seed: number): (seq: number) => number {
  const draw = normalDraws(mulberry32(seed));
  const byInterval = Array.from({ length: 2_000 }, () => 100 * Math.exp(0.3 * draw()));
  return (seq) => byInterval[Math.floor(seq / 10)] ?? 100;
}

function withoutReference({ metrics, ...rest }: WatchInput['baseline']): WatchInput['baseline'] {
  const plain = Object.entries(metrics).map(([name, { reference: _, ...known }]) => [name, known] as const);
  return { ...rest, metrics: Object.fromEntries(plain) };
}

function withReference(history: readonly number[]): WatchInput['baseline'] {
  const value = median(history) ?? 0;
  const reference = scoreReference(history, 2);
  const known = { value, n: history.length, spread: null, source: 'good hours of 1.2', reference };
  return { ...baseline, metrics: { 'latency-p95': known } };
}

const failing = (seq: number): CountsRow => counts(seq, { failures: seq > 30 ? 14 : 0 });

describe('the fold of the watch', () => {
  it('begins a hard verdict within a second of rows in which most requests fail, with its onset', () => {
    const fold = folded(rows(60, failing));

    expect(fold.began.map(({ verdict }) => verdict.metric)).toEqual(['error-rate']);
    const verdict = fold.began[0]?.verdict;
    expect(fold.cursor).toBeLessThanOrEqual(32);
    expect(verdict).toMatchObject({ kind: 'degraded', tier: 'immediate', hard: true, unit: 'ratio' });
    expect(Math.abs((verdict?.onsetMs ?? 0) - (startMs + 31_000))).toBeLessThanOrEqual(1_000);
    expect(verdict?.sentence).toContain('requests failed');
  });

  it('shows from its alarm on what came since the onset, not the good minutes before it', () => {
    const fold = folded(rows(60, failing));
    expect(fold.readings(startMs + 60_000).find(({ metric }) => metric === 'error-rate')).toMatchObject({
      kind: 'degraded',
      observed: expect.closeTo(0.7, 1) as number,
    });
  });

  it('never fires on two requests with one error, however often nothing follows', () => {
    const two = counts(1, { requests: 2, failures: 1 });
    const fold = folded([two, ...rows(50, (seq) => counts(seq + 1, { requests: 0 }))]);

    expect(fold.hasNews).toBe(false);
    expect(fold.readings(startMs + 60_000).find(({ metric }) => metric === 'error-rate')?.kind).toBe('inconclusive');
  });

  it('gives the same verdict from the same rows when it is killed at any row and goes on from its snapshot', () => {
    const all = rows(60, failing);
    const whole = folded(all);
    for (const killedAt of [1, 10, 30, 31]) {
      const input = watchInput();
      const first = new WatchFold(input, input);
      for (const row of all.slice(0, killedAt)) first.take(row);
      const charts = JSON.parse(JSON.stringify(first.snapshot())) as WatchInput['charts'];
      const second = new WatchFold(input, { cursor: first.cursor, charts });
      for (const row of all.slice(killedAt)) {
        if (second.hasNews || first.hasNews) break;
        second.take(row);
      }
      const began = [...first.began, ...second.began];
      expect(began).toEqual(whole.began);
    }
  });

  it('takes rows without counts, with NaN and with gaps as neutral', () => {
    const strange = rows(40, (seq) =>
      seq % 3 === 0
        ? counts(seq, { requests: Number.NaN, failures: 3 })
        : seq % 3 === 1
          ? counts(seq, { requests: 0 })
          : counts(seq),
    );
    const calm = folded(strange);
    expect(calm.hasNews).toBe(false);
    const before = folded(rows(30, (seq) => counts(seq, { failures: seq === 30 ? 2 : 0 })));
    const evidence = JSON.stringify(before.snapshot()['error-rate']);
    before.take(counts(31, { requests: 0 }));
    expect(JSON.stringify(before.snapshot()['error-rate'])).toBe(evidence);
  });

  it('counts only live answers of the version since its route, but moves its cursor over the others', () => {
    const others = [
      counts(1, { version: '1.2', failures: 20 }),
      counts(2, { cohort: 'drill', failures: 20 }),
      counts(3, { fromMs: startMs - 5_000, toMs: startMs - 4_000, failures: 20 }),
      counts(4, { requests: 20, clientErrors: 20 }),
    ];
    const fold = folded(others);

    expect(fold.cursor).toBe(4);
    expect(fold.hasNews).toBe(false);
    expect(fold.readings(startMs + 5_000).find(({ metric }) => metric === 'error-rate')?.samples).toBe(0);
  });

  it('finds a lost class by its own chart, also by labels of answers before the route', () => {
    const labels = { bulk: { n: 4, correct: 2 }, ham: { n: 60, correct: 58 } };
    const fold = folded(rows(60, (seq) => counts(seq, { labels, fromMs: startMs - 100_000 + seq })));

    expect(fold.began[0]?.verdict).toMatchObject({ metric: 'recall:bulk', classLabel: 'bulk', tier: 'short-window' });
    expect(fold.began[0]?.verdict.sentence).toContain('bulk is recognised in');
  });

  it('names the worst class where the accuracy over all classes alarms first', () => {
    const labels = { bulk: { n: 2, correct: 0 }, ham: { n: 3, correct: 3 } };
    const fold = folded(rows(60, (seq) => counts(seq, { labels })));

    expect(fold.began[0]?.verdict.metric).toBe('accuracy');
    expect(fold.began[0]?.verdict.sentence).toContain('; worst class: bulk, 0 % of ');
  });

  it('takes corrected labels back from what follows, never below zero', () => {
    const wrong = counts(1, { labels: { bulk: { n: 3, correct: 0 } } });
    const corrected = counts(2, { labels: { bulk: { n: -3, correct: 0 }, ham: { n: 3, correct: 3 } } });
    const later = rows(20, (seq) => counts(seq + 2, { labels: { bulk: { n: 2, correct: 2 } } }));
    const fold = folded([wrong, corrected, ...later]);

    const bulk = fold.readings(startMs + 30_000).find(({ metric }) => metric === 'recall:bulk');
    expect(bulk?.samples).toBe(3 + 40 - 3);
    expect(fold.hasNews).toBe(false);
  });

  it('ends a verdict after the calm time with answers within the limit, and begins anew after it', () => {
    const began = folded(rows(60, failing));
    const [first] = began.began as StandingVerdict[];
    const input = watchInput({ standing: first ? [first] : [] });
    const fold = new WatchFold(input, { cursor: began.cursor, charts: began.snapshot() });
    let seq = began.cursor;
    while (!fold.hasNews && seq < 1_000) fold.take(counts((seq += 1)));

    expect(fold.ended.map(({ id }) => id)).toEqual([first?.id]);
    const calmMs = (seq - began.cursor) * 1_000;
    expect(calmMs).toBeGreaterThanOrEqual(policy.calmMs);
    expect(calmMs).toBeLessThanOrEqual(1.5 * policy.calmMs);
    const again = new WatchFold(watchInput(), { cursor: fold.cursor, charts: fold.snapshot() });
    while (!again.hasNews && seq < 2_000) again.take(counts((seq += 1), { failures: 14 }));
    expect(again.began[0]?.verdict.metric).toBe('error-rate');
    expect(again.began[0]?.id).not.toBe(first?.id);
  });

  it('does not end a verdict in silence', () => {
    const began = folded(rows(60, failing));
    const [first] = began.began as StandingVerdict[];
    const input = watchInput({ standing: first ? [first] : [] });
    const fold = new WatchFold(input, { cursor: began.cursor, charts: began.snapshot() });
    for (let seq = began.cursor + 1; seq < 1_000; seq += 1) fold.take(counts(seq, { requests: 0 }));

    expect(fold.ended).toEqual([]);
  });

  it('takes the fallback of the router as a hard verdict of the live version, which ends with the next route', () => {
    const fold = folded([event(1, 'fallbackBegan', { detail: 'connection refused' })]);

    expect(fold.began[0]).toMatchObject({ id: `1.3/live-backend/${startMs + 1_000}`, verdict: { hard: true } });
    expect(fold.began[0]?.verdict.sentence).toBe(
      'the router found no answer from 1.3 and serves by 1.2 since 12:00:01 UTC; connection refused',
    );
    expect(fold.routeEvents).toMatchObject([{ event: 'fallbackBegan', epoch: 7 }]);
    fold.take(event(2, 'routeApplied', { version: '1.3', epoch: 8 }));
    expect(fold.ended.map(({ id }) => id)).toEqual([`1.3/live-backend/${startMs + 1_000}`]);
  });

  it('reports a newer route only, and no fallback of another epoch', () => {
    const fold = folded([
      event(1, 'routeApplied', { version: '1.1', epoch: 5 }),
      event(2, 'fallbackBegan', { epoch: 5 }),
      event(3, 'routeApplied', { version: '1.3', epoch: 7 }),
      event(4, 'gatewayStarted'),
    ]);
    expect(fold.hasNews).toBe(false);

    fold.take(event(5, 'routeApplied', { version: '1.2', epoch: 8 }));
    expect(fold.routeEvents).toMatchObject([{ event: 'routeApplied', version: '1.2', epoch: 8 }]);
  });

  it('begins no second verdict of a metric that stands', () => {
    const first = folded(rows(60, failing)).began[0];
    const standing = first ? [{ id: 'w', verdict: first.verdict }] : [];

    expect(folded(rows(60, failing), { standing }).began).toEqual([]);
  });

  it('sees a slow version after four of five slow intervals, and calls it over when none is slow', () => {
    const slow = rows(200, (seq) => counts(seq, { latency: latency(20, seq > 60 ? 180 : 38) }));
    const began = folded(slow);
    expect(began.began[0]?.verdict).toMatchObject({ metric: 'latency-p95', unit: 'ms' });
    expect(began.cursor).toBeLessThanOrEqual(60 + 60);

    const input = watchInput({ standing: began.began });
    const fold = new WatchFold(input, { cursor: began.cursor, charts: began.snapshot() });
    let seq = began.cursor;
    while (!fold.hasNews && seq < 1_000) fold.take(counts((seq += 1), { latency: latency(20, 38) }));
    expect(fold.ended.map(({ id }) => id)).toEqual(began.began.map(({ id }) => id));
  });

  it('asks a latency chart whether the noise of the history is the reason, and says its false-alarm interval', () => {
    const before = noisyLatency(3);
    const charted = { baseline: withReference(Array.from({ length: 300 }, (_, index) => before(10 * index))) };
    const rowsOf = (factorAt: (seq: number) => number, seed: number): CountsRow[] => {
      const now = noisyLatency(seed);
      return rows(10_000, (seq) => counts(seq, { latency: latency(20, now(seq) * factorAt(seq)) }));
    };
    const clean = folded(rowsOf(() => 1, 4), charted); // prettier-ignore
    const slow = folded(
      rowsOf((seq) => (seq > 5_000 ? 2 : 1), 5),
      charted,
    );
    const verdict = slow.began[0]?.verdict;

    expect(clean.began).toEqual([]);
    // The rule alone takes the same noise for a degradation.
    expect(
      folded(
        rowsOf(() => 1, 4),
        { baseline: withoutReference(charted.baseline) },
      ).began,
    ).toHaveLength(1);
    expect(verdict).toMatchObject({ metric: 'latency-p95', statistic: { falseAlarmDays: policy.falseAlarmDays } });
    expect(verdict?.sentence).toContain('a false alarm of this size comes at most once in 365 days');
    expect(slow.cursor - 5_000).toBeGreaterThan(0);
    expect(slow.cursor - 5_000).toBeLessThanOrEqual(150);
    expect(JSON.stringify(slow.snapshot()['latency-p95']).length).toBeLessThanOrEqual(700);
  });

  it('takes a latency a thousand times that of its history for what it is: the gateway measures in its own unit', () => {
    const before = noisyLatency(3);
    const charted = { baseline: withReference(Array.from({ length: 300 }, (_, index) => before(10 * index))) };
    const hung = rows(300, (seq) => counts(seq, { latency: latency(20, before(seq) * (seq > 100 ? 1_000 : 1)) }));

    expect(folded(hung, charted).began[0]?.verdict).toMatchObject({ metric: 'latency-p95', kind: 'degraded' });
  });

  it('keeps its charts below 8 KiB with 24 classes of large counts', () => {
    const classes = Array.from({ length: 24 }, (_, index) => `a-class-of-mail-${index}`);
    const metrics = Object.fromEntries(
      classes.map((name) => [`recall:${name}`, { value: 0.93, n: 900, spread: 0.01, source: 'x' }]),
    );
    const input = watchInput({ baseline: { ...baseline, metrics: { ...baseline.metrics, ...metrics } } });
    const fold = new WatchFold(input, input);
    const labels = Object.fromEntries(classes.map((name) => [name, { n: 1_017, correct: 951 }]));
    for (let seq = 1; seq <= 3_000; seq += 1)
      fold.take(
        counts(seq, { requests: 23_456, failures: 23, timeouts: 17, labels, latency: latency(23_456, 38.123) }),
      );

    expect(Buffer.byteLength(JSON.stringify(fold.snapshot()))).toBeLessThanOrEqual(8 * 1024);
  });
});
