import { ApplicationFailure } from '@temporalio/common';
import { Context } from '@temporalio/activity';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { AssessmentInput } from '../../workflows/contract/activities';
import {
  assessment,
  detectionBundle,
  DetectionRig,
  policy,
  routeOf,
  verdictOf,
  Watched,
} from '../support/detection-rig';
import { quietRuntime } from '../support/operation-rig';
import { startTimeSkipping } from '../support/temporal-servers';

jest.setTimeout(120_000);

const hour = 3_600_000;
const day = 24 * hour;
const trendEveryMs = 5 * hour;
const windowEveryMs = day;

/**
 * The durable timers of the slow tiers; the clock of the server is skipped ahead. In one run: a run that ends while its
 * watch waits holds this server's clock for ever (detection.test.ts has the trend across runs, on a real clock).
 */
describe('detection and its time', () => {
  let env: TestWorkflowEnvironment;
  let rig: DetectionRig;
  const looks: { readonly at: number; readonly input: AssessmentInput }[] = [];

  beforeAll(async () => {
    quietRuntime();
    [env] = await Promise.all([startTimeSkipping(), detectionBundle()]);
  }, 120_000);
  afterAll(async () => {
    await env.teardown();
  });

  it('assesses the trend by a durable timer, day after day, and goes on with what the last look left', async () => {
    // A watch that runs holds this server's clock, and one that runs when its workflow continues as new holds it for ever:
    // it is away here, and tried again long after the end of the test.
    const away = async (): Promise<never> => {
      throw ApplicationFailure.create({ message: 'away', nextRetryDelay: 100 * day });
    };
    const declining = { id: '1.3/accuracy/3', verdict: verdictOf({ tier: 'trend', metric: 'accuracy', hard: false }) };
    const watched = new Watched({
      assessTrend: async (input) => {
        looks.push({ at: Context.current().info.scheduledTimestampMs, input });
        const points = Number(input.charts['points'] ?? 0) + 1;
        return assessment({ charts: { points }, began: points === 10 ? [declining] : [] });
      },
      attributeCause: async () => ({ attribution: 'model', reasons: ['the previous version answers them right'] }),
    });
    rig = await DetectionRig.start(env, { ...watched.activities, watchTelemetry: away });
    await rig.until('detectionStarted', 1);
    const detection = {
      ...policy.detection,
      trend: { ...policy.detection.trend, everyMs: trendEveryMs },
      shortWindow: { ...policy.detection.shortWindow, everyMs: windowEveryMs },
    };
    const routedAt = await env.currentTimeMs();
    await rig.route(routeOf({ policy: { ...policy, detection } }));

    await env.sleep(8 * day + hour);
    const [began] = await rig.until('degradationBegan', 1);
    await rig.stop();

    expect(looks).toHaveLength(Math.floor((8 * day + hour) / trendEveryMs));
    for (const [index, { at, input }] of looks.entries()) {
      const due = (looks[index - 1]?.at ?? routedAt) + trendEveryMs;
      expect(at - due).toBeGreaterThanOrEqual(-1_000);
      expect(at - due).toBeLessThan(60_000);
      expect(input).toMatchObject({ version: '1.3', epoch: 7, charts: index === 0 ? {} : { points: index } });
    }
    expect(began?.report).toMatchObject({ id: declining.id, attribution: 'model', suppressed: false });
    process.stdout.write(`detection: 8 days, ${looks.length} trend looks\n`);
  });

  it('asks again for a cause outside the model while its verdict stands, and tells the service when the answer changes', async () => {
    const away = async (): Promise<never> => {
      throw ApplicationFailure.create({ message: 'away', nextRetryDelay: 100 * day });
    };
    const slow = {
      id: '1.3/latency-p95/w1',
      verdict: verdictOf({ tier: 'short-window', metric: 'latency-p95', hard: false }),
    };
    const asked: number[] = [];
    const answers = ['environment', 'environment', 'undetermined', 'model', 'environment'] as const;
    let looks = 0;
    const watched = new Watched({
      assessShortWindow: async () => assessment({ began: looks++ === 0 ? [slow] : [] }),
      attributeCause: async () => {
        asked.push(Context.current().info.scheduledTimestampMs);
        return { attribution: answers[asked.length - 1] ?? 'environment', reasons: [`answer ${asked.length}`] };
      },
    });
    rig = await DetectionRig.start(env, { ...watched.activities, watchTelemetry: away });
    await rig.until('detectionStarted', 1);
    await rig.route(routeOf());
    await env.sleep(hour);
    const began = await rig.until('degradationBegan', 2);
    await rig.stop();

    expect(began.map(({ report }) => report)).toMatchObject([
      { id: slow.id, attribution: 'environment', reasons: ['answer 1'] },
      { id: slow.id, attribution: 'model', reasons: ['answer 4'] },
    ]);
    // What the model did needs no other answer.
    expect(asked).toHaveLength(4);
    for (const [index, at] of asked.entries())
      if (index > 0) expect(at - (asked[index - 1] ?? 0)).toBeGreaterThanOrEqual(10 * 60_000 - 1_000);
  });
});
