import { Context } from '@temporalio/activity';
import type { ObservedServing } from '../../domain/observed-serving';
import type { ServingWatchInput, WatchActivities } from '../../workflows/contract/activities';
import { backend, detectionBundle, DetectionRig, observed, routeOf, Watched } from '../support/detection-rig';
import { quietRuntime } from '../support/operation-rig';
import { until } from '../support/poll';
import { startDevServer, type TestDevServer } from '../support/temporal-servers';

jest.setTimeout(60_000);

const address = 'http://127.0.0.1:9';

function serving(key: string): ObservedServing {
  return { configured: null, address, model: 'mail', key, version: null, means: 'reported-digest' };
}

/** Looks that a test answers. */
class Looks {
  readonly inputs: ServingWatchInput[] = [];
  private readonly answers: ((seen: ObservedServing | null) => void)[] = [];

  readonly watchServing: WatchActivities['watchServing'] = async (input) => {
    const context = Context.current();
    const beats = setInterval(() => context.heartbeat(), 100);
    const answered = new Promise<{ seen: ObservedServing | null }>((resolve) => {
      this.inputs.push(input);
      this.answers.push((seen) => resolve({ seen }));
    });
    try {
      return await Promise.race([answered, context.cancelled]);
    } finally {
      clearInterval(beats);
    }
  };

  async look(count: number): Promise<ServingWatchInput> {
    return await until(`look ${count}`, () => this.inputs[count - 1]);
  }

  answer(count: number, seen: ObservedServing | null): void {
    this.answers[count - 1]?.(seen);
  }
}

describe('detection of a service that something else runs', () => {
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

  it('looks who serves before anything is live, tells the service once, and then waits for somebody else', async () => {
    const looks = new Looks();
    const nothing = { record: null, floor: 0, fallback: null, pinned: {} };
    const watched = new Watched({ observeRoute: async () => nothing });
    const activities = { ...watched.activities, watchServing: looks.watchServing };
    rig = await DetectionRig.start(server.env, activities, { external: true });
    expect(await looks.look(1)).toMatchObject({ live: null, known: null });
    looks.answer(1, serving('sha256:a'));
    const [told] = await rig.until('routeObserved', 1);
    expect(told?.report).toMatchObject({ observed: { record: null, serving: serving('sha256:a') } });
    expect(await looks.look(2)).toMatchObject({ known: { key: 'sha256:a', address } });

    await rig.route(routeOf({ version: '1.3', live: { ...backend('1.3'), digest: 'sha256:a' } }));
    expect(await looks.look(3)).toMatchObject({ live: address, known: { key: 'sha256:a', address } });
    looks.answer(3, serving('sha256:b'));
    const all = await rig.until('routeObserved', 2);
    expect(all[1]?.report).toMatchObject({ observed: { serving: serving('sha256:b') } });
    expect(await looks.look(4)).toMatchObject({ known: { key: 'sha256:b', address } });
  });

  it('takes the identity of the route as the known one, and looks at another address as soon as that serves', async () => {
    const looks = new Looks();
    const watched = new Watched({ observeRoute: async () => observed(7, '1.3') });
    const activities = { ...watched.activities, watchServing: looks.watchServing };
    rig = await DetectionRig.start(server.env, activities, { external: true });
    await rig.until('detectionStarted', 1);
    await looks.look(1);
    await rig.route(routeOf());
    expect(await looks.look(2)).toMatchObject({ live: address, known: { key: 'sha256:1.3', address } });
    const moved = { ...backend('1.4'), address: 'http://127.0.0.1:10' };
    await rig.route(routeOf({ epoch: 8, version: '1.4', live: moved }));
    expect(await looks.look(3)).toMatchObject({
      live: 'http://127.0.0.1:10',
      known: { key: 'sha256:1.4', address: 'http://127.0.0.1:10' },
    });
  });

  it('is never asked for a service that lastgood runs itself', async () => {
    const looks = new Looks();
    const watched = new Watched();
    rig = await DetectionRig.start(server.env, { ...watched.activities, watchServing: looks.watchServing });
    await rig.route(routeOf());
    await watched.watch(1);
    expect(looks.inputs).toEqual([]);
  });
});
