import { FakeOutputCache } from '../../support/fakes/output-cache';
import { ApiRig } from './api-rig';
import { rolledBack, service } from './rollback-story';

describe('lastgood caches', () => {
  let rig: ApiRig;
  let cache: FakeOutputCache;
  beforeEach(async () => {
    cache = new FakeOutputCache(service, 'responses');
    rig = new ApiRig(await rolledBack());
    rig.caches = [cache];
    await rig.listen();
  });
  afterEach(() => rig.close());

  it('shows what each cache may serve, and what was done with it last and why', async () => {
    await cache.settle(
      { epoch: 8, version: '1.2', drop: ['1.3'], strategy: 'version-tagged', at: 1_000, by: 'i-1' },
      'as told',
    );
    cache.figures = {
      ...{ hitRate: 0.912, requestsPerSecond: 9, missP99Ms: 120.4, slaP99Ms: 300 },
      ...{ modelPerSecond: null, usedBytes: 3 * 2 ** 20, limitBytes: null, evicts: false },
    };
    const { code, out } = await rig.run('caches', service);
    expect(code).toBe(0);
    for (const words of [
      'responses',
      'answers of 1.2 (epoch 8, tag 1.2~8-',
      '91.2 %',
      'p99 120 ms, SLA 300 ms',
      'by i-1: version-tagged; as told',
    ])
      expect(out).toContain(words);
    expect(JSON.parse((await rig.run('caches', service, '--json')).out)).toMatchObject({
      caches: [{ cache: 'responses', state: { epoch: 8 } }],
    });
  });

  it('empties one by hand, with a reason, and ends with 69 where it does not answer', async () => {
    await cache.settle({ epoch: 8, version: '1.2', drop: [], strategy: 'version-tagged', at: 1_000, by: 'i-1' }, '');
    const before = cache.pointer?.tag;
    expect((await rig.run('caches', 'invalidate', service, 'responses')).code).toBe(64);
    expect(cache.pointer?.tag).toBe(before);
    const { code, out } = await rig.run('caches', 'invalidate', service, 'responses', '--reason', 'wrong prices');
    expect([code, out]).toEqual([0, 'responses: emptied\n']);
    expect(cache.pointer?.by).toBe('alice: wrong prices');
    expect(cache.pointer?.tag).not.toBe(before);
    cache.fail();
    const down = await rig.run('caches', 'invalidate', service, '--reason', 'again');
    expect([down.code, down.out]).toEqual([69, 'responses: NOT emptied: it was told to be away\n']);
    expect((await rig.run('caches', service)).code).toBe(69);
  });
});
