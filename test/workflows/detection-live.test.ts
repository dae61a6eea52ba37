import { backend, detectionBundle, DetectionRig, routeOf, Watched } from '../support/detection-rig';
import { quietRuntime } from '../support/operation-rig';
import { startDevServer, type TestDevServer } from '../support/temporal-servers';

jest.setTimeout(60_000);

describe('the guard of the live copies', () => {
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

  it('tells the service of a death at once, looks at another copy as soon as the route names it, and tells of that', async () => {
    const watched = new Watched();
    rig = await DetectionRig.start(server.env, watched.activities);
    const copies = [backend('1.3')];
    await rig.route(routeOf({ copies }));
    const first = await watched.live(1);
    expect(first.input).toMatchObject({ version: '1.3', copies, known: null });
    first.answer({ condition: 'answers', at: 1, why: '' });
    await rig.until('liveReported', 1);
    const second = await watched.live(2);
    expect(second.input.known).toBe('answers');
    second.answer({ condition: 'dead', at: 2, why: 'SIGKILL' });
    const told = await rig.until('liveReported', 2);
    const report = { version: '1.3', instances: [copies[0]?.instance], condition: 'dead', at: 2, why: 'SIGKILL' };
    expect(told.map((one) => one.report)).toEqual([expect.objectContaining({ condition: 'answers' }), report]);
    const third = await watched.live(3);
    expect(third.input.known).toBe('dead');
    // A service that lost its state hears of it again before long.
    expect(third.input.returnAfterMs).toBeLessThan(second.input.returnAfterMs);

    const again = [{ ...backend('1.3'), instance: 'mail-triage@1.3#revival-1' }];
    await rig.route(routeOf({ epoch: 8, copies: again }));
    expect((await watched.live(4)).input).toMatchObject({ copies: again, known: null });
  });

  it('is never asked where something else runs what serves', async () => {
    const watched = new Watched();
    rig = await DetectionRig.start(server.env, watched.activities);
    await rig.route(routeOf());
    await watched.watch(1);
    expect(watched.lives).toEqual([]);
  });
});
