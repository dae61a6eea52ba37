import { Context } from '@temporalio/activity';
import { defaultPayloadConverter } from '@temporalio/common';
import { tsToMs } from '@temporalio/common/lib/time';
import type { DetectionInput } from '../../workflows/contract/inputs';
import { startDevServer, type TestDevServer } from '../support/temporal-servers';
import {
  assessment,
  backend,
  detectionBundle,
  DetectionRig,
  observed,
  policy,
  routeOf,
  verdictOf,
  Watched,
  watchResult,
} from '../support/detection-rig';
import { quietRuntime } from '../support/operation-rig';
import { until } from '../support/poll';
import { failedTasks } from '../support/service-rig';

jest.setTimeout(60_000);

const model = { attribution: 'model' as const, reasons: ['the standby answers'] };
const errors = { id: '1.3/error-rate/5', verdict: verdictOf() };

describe('detection', () => {
  let server: TestDevServer;
  let rig: DetectionRig | undefined;

  beforeAll(async () => {
    quietRuntime();
    [server] = await Promise.all([startDevServer(), detectionBundle()]);
  }, 120_000);
  afterAll(async () => {
    await server.stop();
  });
  afterEach(async () => {
    await rig?.stop();
    rig = undefined;
  });

  async function started(watched: Watched, input = {}): Promise<DetectionRig> {
    rig = await DetectionRig.start(server.env, watched.activities, input);
    await rig.until('detectionStarted', 1);
    return rig;
  }

  it('asks for the route, and reports an immediate verdict with its cause without another activity', async () => {
    const watched = new Watched();
    const it = await started(watched);
    await it.route(routeOf());
    const first = await watched.watch(1);
    expect(first.input).toMatchObject({ version: '1.3', epoch: 7, cursor: 0, charts: {} });

    first.answer(watchResult(first.input, { cursor: 40, began: [errors], attributions: { [errors.id]: model } }));

    const [began] = await it.until('degradationBegan', 1);
    expect(began?.report).toMatchObject({ id: errors.id, epoch: 7, version: '1.3', ...model, suppressed: false });
    const second = await watched.watch(2);
    expect(second.input).toMatchObject({ cursor: 40, standing: [{ id: errors.id }] });

    second.answer(watchResult(second.input, { ended: [{ id: errors.id, at: 9, sentence: 'calm' }] }));

    const [ended] = await it.until('degradationEnded', 1);
    expect(ended?.report).toMatchObject({ id: errors.id, epoch: 7, sentence: 'calm' });
  });

  it('marks a verdict inside the cooldown, and reports it again when the cooldown is over', async () => {
    const watched = new Watched();
    const it = await started(watched);
    await it.route(routeOf({ cooldownUntil: Date.now() + 2_500 }));
    const first = await watched.watch(1);
    first.answer(watchResult(first.input, { began: [errors], attributions: { [errors.id]: model } }));

    const began = await it.until('degradationBegan', 2);

    expect(began.map(({ report }) => report['suppressed'])).toEqual([true, false]);
    expect(began.map(({ report }) => report['id'])).toEqual([errors.id, errors.id]);
  });

  it('reports what stands again when the same version gets a new epoch, and keeps its charts', async () => {
    const watched = new Watched();
    const it = await started(watched);
    await it.route(routeOf());
    const first = await watched.watch(1);
    first.answer(
      watchResult(first.input, { cursor: 12, charts: { a: 1 }, began: [errors], attributions: { [errors.id]: model } }),
    );
    await it.until('degradationBegan', 1);
    await it.route(routeOf({ epoch: 8 }));

    const began = await it.until('degradationBegan', 2);

    expect(began.map(({ report }) => report['epoch'])).toEqual([7, 8]);
    const second = await watched.watch(2);
    const event = { event: 'routeApplied', version: '1.3', epoch: 8, at: 4, detail: '' };
    second.answer(watchResult(second.input, { cursor: 13, routeEvents: [event] }));
    expect((await watched.watch(3)).input).toMatchObject({ epoch: 8, cursor: 13, charts: { a: 1 } });
  });

  it('drops the evidence of a version that was left, and begins at the row that announced the next', async () => {
    const watched = new Watched();
    const it = await started(watched);
    await it.route(routeOf());
    const first = await watched.watch(1);
    first.answer(
      watchResult(first.input, {
        cursor: 30,
        charts: { 'error-rate': ['evidence'] },
        routeEvents: [{ event: 'routeApplied', version: '1.2', epoch: 8, at: 4, detail: '' }],
      }),
    );
    const second = await watched.watch(2);
    second.answer(watchResult(second.input, { cursor: 44 }));
    await watched.watch(3);
    await it.route(routeOf({ version: '1.2', epoch: 8, judgedBy: '1.3' }));

    const next = await watched.watch(4);

    expect(next.input).toMatchObject({ version: '1.2', epoch: 8, cursor: 30, charts: {} });
    // The watch of the version that was left ends; what it says now changes nothing.
    const third = await watched.watch(3);
    third.answer(watchResult(third.input, { began: [errors], attributions: { [errors.id]: model } }));
    next.answer(watchResult(next.input, { unmeasuredSince: 77 }));
    const tiers = await it.until('tiersReported', 2);
    expect(tiers.at(-1)?.report).toMatchObject({ version: '1.2', unmeasuredSince: 77 });
    expect(await it.heard('degradationBegan')).toEqual([]);
  });

  it('says what the router did before the verdict on it', async () => {
    const watched = new Watched();
    const it = await started(watched);
    await it.route(routeOf());
    const first = await watched.watch(1);
    const dead = { id: '1.3/live-backend/5', verdict: verdictOf({ metric: 'live-backend' }) };
    const fallback = { version: '1.2', since: 5, epoch: 7, reason: 'refused' };
    first.answer(
      watchResult(first.input, {
        began: [dead],
        attributions: { [dead.id]: model },
        routeEvents: [{ event: 'fallbackBegan', version: '1.2', epoch: 7, at: 5, detail: 'refused' }],
        observed: { ...observed(7, '1.3'), fallback },
      }),
    );

    await it.until('degradationBegan', 1);

    const names = (await it.heard()).map(({ name }) => name);
    expect(names.indexOf('routeObserved')).toBeLessThan(names.indexOf('degradationBegan'));
    expect(names).toContain('routeObserved');
  });

  it('asks for the cause of a verdict of the short window, and keeps one verdict a metric', async () => {
    const recall = { id: '1.3/recall:bulk/w1', verdict: verdictOf({ metric: 'recall:bulk', tier: 'short-window' }) };
    let asked = 0;
    const watched = new Watched({
      assessShortWindow: async ({ standing }) => assessment({ began: standing.length === 0 ? [recall] : [] }),
      attributeCause: async ({ previous }) => {
        asked += 1;
        return { attribution: 'model', reasons: [`replayed on ${previous?.version}`] };
      },
    });
    const it = await started(watched);
    const fast = { ...policy, detection: { ...policy.detection, shortWindow: { everyMs: 300, windowMs: 60_000 } } };
    await it.route(routeOf({ policy: fast, standby: { version: '1.2', backend: backend('1.2') } }));

    const [began] = await it.until('degradationBegan', 1);

    expect(began?.report).toMatchObject({ id: recall.id, attribution: 'model', reasons: ['replayed on 1.2'] });
    const first = await watched.watch(1);
    first.answer(watchResult(first.input, { began: [{ ...recall, id: '1.3/recall:bulk/9' }] }));
    const second = await watched.watch(2);
    expect(second.input.standing.map(({ id }) => id)).toEqual(['1.3/recall:bulk/9']);
    second.answer(watchResult(second.input, { ended: [{ id: '1.3/recall:bulk/9', at: 3, sentence: 'calm' }] }));
    const [ended] = await it.until('degradationEnded', 1);
    expect(ended?.report['id']).toBe(recall.id);
    expect(asked).toBe(1);
  });

  it('reports the standby proof when it changes, and guards the next copy', async () => {
    const watched = new Watched();
    const it = await started(watched);
    await it.route(routeOf({ standby: { version: '1.2', backend: backend('1.2') } }));
    const first = await watched.guard(1);
    expect(first.input.known).toBe('unproven');
    first.answer({ ok: true, at: 5, why: '', changed: true });
    await it.until('standbyReported', 1);
    expect((await watched.guard(2)).input.known).toBe('ok');
    await it.route(routeOf({ standby: { version: '1.1', backend: backend('1.1') } }));

    const third = await watched.guard(3);

    expect(third.input).toMatchObject({ version: '1.1', known: 'unproven' });
  });

  it('tells a service that lost its state of what stands, of the proof and of the router, although no epoch changed', async () => {
    const watched = new Watched();
    const it = await started(watched);
    const standby = { version: '1.2', backend: backend('1.2') };
    await it.route(routeOf({ standby, incarnation: 1 }));
    const fallback = { version: '1.2', since: 5, epoch: 7, reason: 'refused' };
    const seen = { ...observed(7, '1.3'), fallback };
    const first = await watched.watch(1);
    first.answer(watchResult(first.input, { began: [errors], attributions: { [errors.id]: model }, observed: seen }));
    (await watched.guard(1)).answer({ ok: true, at: 5, why: '', changed: true });
    await it.until('standbyReported', 1);
    await it.until('degradationBegan', 1);
    // The same service, with another thing to say: nothing is told twice.
    await it.route(routeOf({ standby, incarnation: 1, inIncident: true }));
    expect((await watched.guard(2)).input.known).toBe('ok');

    await it.route(routeOf({ standby, incarnation: 2 }));

    const began = await it.until('degradationBegan', 2);
    expect(began.map(({ report }) => [report['id'], report['epoch']])).toEqual([
      [errors.id, 7],
      [errors.id, 7],
    ]);
    expect((await watched.guard(3)).input).toMatchObject({ version: '1.2', known: 'unproven' });
    const second = await watched.watch(2);
    second.answer(watchResult(second.input, { observed: seen }));
    expect((await it.until('routeObserved', 2)).at(-1)?.report).toMatchObject({ observed: { fallback } });
  });

  it('goes on with cursor, charts and what stands after continue-as-new', async () => {
    const watched = new Watched();
    const it = await started(watched, { maxEventsBeforeContinue: 60 });
    await it.route(routeOf());
    const first = await watched.watch(1);
    first.answer(
      watchResult(first.input, { cursor: 5, charts: { a: 1 }, began: [errors], attributions: { [errors.id]: model } }),
    );
    const runOf = async (): Promise<string> => (await it.handle.describe()).runId;
    const before = await runOf();
    let count = 2;
    await until('the next run', async () => {
      const next = await watched.watch(count);
      count += 1;
      if ((await runOf()) !== before) return true;
      next.answer(watchResult(next.input, { cursor: next.input.cursor + 1 }));
      return false;
    });

    const next = watched.watches.at(-1);

    expect(next?.input.charts).toEqual({ a: 1 });
    expect(next?.input.standing).toMatchObject([{ id: errors.id }]);
    expect(next?.input.cursor).toBeGreaterThan(5);
  });

  it('costs at most 20,000 events a day at the shipped settings, by what each turn of a loop costs', async () => {
    let assessed = 0;
    const watched = new Watched({
      assessShortWindow: async () => {
        assessed += 1;
        return assessment({ observed: observed(7, '1.3') });
      },
    });
    const it = await started(watched);
    const fast = { ...policy, detection: { ...policy.detection, shortWindow: { everyMs: 100, windowMs: 60_000 } } };
    await it.route(routeOf({ policy: fast }));
    const length = async (): Promise<number> => (await it.handle.describe()).historyLength;
    await until('the first windows', () => assessed >= 3, 20_000);
    const before = { assessed, length: await length() };
    await until('more windows', () => assessed >= before.assessed + 8, 40_000);
    const perWindow = ((await length()) - before.length) / (assessed - before.assessed);
    // Without news: a watch or a guard is an activity and a task (6), a report a signal and a task (5), a trend as a window.
    // 960 windows: the shipped assessment comes every 90 s.
    const day = 960 * perWindow + 96 * 6 + 144 * (6 + 5) + 288 * 5 + 24 * perWindow + 4 * 6;
    process.stdout.write(`detection: ${perWindow.toFixed(1)} events a window, ${Math.round(day)} a day\n`);

    expect(perWindow).toBeGreaterThan(5);
    expect(day).toBeLessThanOrEqual(20_000);
  });

  it('is not ended by a cancel in Temporal: it refuses, says so, and goes on measuring', async () => {
    const watched = new Watched();
    const it = await started(watched);
    await it.route(routeOf());
    const first = await watched.watch(1);
    await it.handle.cancel();
    await until('it says so', async () => {
      const shown = await it.handle.query<{ currentDetails?: string }>('__temporal_workflow_metadata');
      return shown.currentDetails?.includes('A cancel in Temporal is not obeyed') ? true : null;
    });

    first.answer(watchResult(first.input, { cursor: 40, began: [errors], attributions: { [errors.id]: model } }));

    await it.until('degradationBegan', 1);
    expect((await watched.watch(2)).input.cursor).toBe(40);
    expect(watched.watches).toHaveLength(2);
    expect(failedTasks(await it.handle.fetchHistory())).toEqual([]);
  });

  it('takes the trend on to the next run: its charts, its timer, and what stands', async () => {
    const looks: { readonly charts: object; readonly runId: string | undefined }[] = [];
    const watched = new Watched({
      assessTrend: async ({ charts }) => {
        looks.push({ charts, runId: Context.current().info.workflowExecution?.runId });
        return assessment({ charts: { points: looks.length } });
      },
    });
    const it = await started(watched, { maxEventsBeforeContinue: 40 });
    const trend = { ...policy.detection.trend, everyMs: 200 };
    await it.route(routeOf({ policy: { ...policy, detection: { ...policy.detection, trend } } }));

    const runs = (): number => new Set(looks.map(({ runId }) => runId)).size;
    await until('three runs with a look of the trend', () => runs() >= 3, 30_000);

    // A look that a run's end cut short is made again: it begins with what the last finished one left.
    const points = looks.map(({ charts }) => (charts as { points?: number }).points ?? 0);
    expect(points[0]).toBe(0);
    for (const [index, before] of points.slice(0, -1).entries())
      expect(points[index + 1]).toBeGreaterThanOrEqual(before);
    expect(points.at(-1)).toBeGreaterThan(0);
  });

  it('begins its next run with the look that the end of a run cut short', async () => {
    let looks = 0;
    let end = (): void => undefined;
    const runOver = new Promise<void>((resolve) => (end = resolve));
    const watched = new Watched({
      assessShortWindow: async () => {
        looks += 1;
        if (looks === 1) await runOver;
        return assessment();
      },
    });
    const it = await started(watched, { maxEventsBeforeContinue: 40 });
    const shortWindow = { everyMs: 500, windowMs: 60_000 };
    await it.route(routeOf({ policy: { ...policy, detection: { ...policy.detection, shortWindow } } }));
    const firstRun = (await it.handle.describe()).runId;
    await until('the first look', () => looks === 1);
    let count = 1;
    await until('the next run', async () => {
      const next = await watched.watch(count);
      count += 1;
      next.answer(watchResult(next.input, { cursor: count }));
      return (await it.handle.describe()).runId !== firstRun;
    });
    end();

    const [before, after] = await it.histories();

    const cutShort = before?.history.events?.find(
      ({ activityTaskScheduledEventAttributes: scheduled }) => scheduled?.activityType?.name === 'assessShortWindow',
    );
    const [input] = after?.history.events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
    const { carried } = defaultPayloadConverter.fromPayload<DetectionInput>(input ?? {});
    expect(carried?.nextWindowAt).toBeLessThanOrEqual(tsToMs(cutShort?.eventTime));
  });

  it('does not stumble over a message that it cannot read', async () => {
    const watched = new Watched();
    const it = await started(watched);
    await it.handle.signal('routeChanged', 'nonsense');
    await it.handle.signal('routeChanged', { epoch: 1 });
    await it.handle.signal('routeChanged');
    await it.route(routeOf());

    expect((await watched.watch(1)).input.version).toBe('1.3');
  });
});
