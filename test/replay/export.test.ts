import {
  detectionBundle,
  DetectionRig,
  policy,
  routeOf,
  verdictOf,
  Watched,
  watchResult,
} from '../support/detection-rig';
import { until } from '../support/poll';
import { quietRuntime, serviceBundle, ServiceRig, ServiceWorkers } from '../support/service-rig';
import { ServiceWorld } from '../support/service-world';
import { startDevServer, type TestDevServer } from '../support/temporal-servers';
import { laterStories } from './later-stories';
import { mainStories } from './main-stories';
import { keepHistories, storedHistories } from './stored-histories';

jest.setTimeout(120_000);

/**
 * The stories of a service, each with real histories of every workflow in it. `npm test` only runs them;
 * `node scripts/export-histories.mjs` also keeps what those made of which test/replay/histories has nothing: the gate
 * replays it.
 */
const kept = new Set(storedHistories().map(({ story }) => story));
const exporting = (story: string): boolean => process.env['LASTGOOD_EXPORT_HISTORIES'] === '1' && !kept.has(story);
const stories = Object.entries({ ...mainStories, ...laterStories });

describe('the stories of a service', () => {
  let server: TestDevServer;
  let workers: ServiceWorkers;

  beforeAll(async () => {
    quietRuntime();
    [server] = await Promise.all([startDevServer(), serviceBundle()]);
    workers = await ServiceWorkers.start(server.env, ['here', 'there']);
  }, 120_000);
  afterAll(async () => {
    await workers.stop();
    await server.stop();
  });

  it.each(stories)('%s runs to its end and replays', async (name, { options, prepare, unready, tell }) => {
    const world = new ServiceWorld(`mail-${name}`, '1.2', ['0.9', '1.0', '1.1', '1.2', '1.3']);
    prepare?.(world);
    const rig = await ServiceRig.start(workers, world, options);
    if (!unready) await rig.ready();
    await tell(rig);
    if (exporting(name)) keepHistories(name, await rig.histories());
    await rig.stop();
  });
});

describe('the detection of a service', () => {
  let server: TestDevServer;
  beforeAll(async () => {
    [server] = await Promise.all([startDevServer(), detectionBundle()]);
  }, 120_000);
  afterAll(() => server.stop());

  it('detection finds a degradation and its end, looks at the trend, goes on in a next run, and replays', async () => {
    const watched = new Watched();
    const rig = await DetectionRig.start(server.env, watched.activities, { maxEventsBeforeContinue: 60 });
    await rig.until('detectionStarted', 1);
    const trend = { ...policy.detection.trend, everyMs: 500 };
    await rig.route(routeOf({ policy: { ...policy, detection: { ...policy.detection, trend } } }));
    const first = await watched.watch(1);
    const id = '1.3/error-rate/5';
    const cause = { attribution: 'model' as const, reasons: ['the standby answers'] };
    first.answer(watchResult(first.input, { began: [{ id, verdict: verdictOf() }], attributions: { [id]: cause } }));
    await rig.until('degradationBegan', 1);
    const second = await watched.watch(2);
    second.answer(watchResult(second.input, { ended: [{ id, at: 9, sentence: 'calm' }] }));
    await rig.until('degradationEnded', 1);
    await until('a next run', async () => (await rig.histories()).length > 1, 30_000);
    const histories = (await rig.histories()).slice(0, 2);
    if (exporting('detection'))
      keepHistories(
        'detection',
        histories.map((told) => ({ ...told, type: 'detectionWorkflow' })),
      );
    expect((await rig.stop()).length).toBeGreaterThan(1);
  });
});
