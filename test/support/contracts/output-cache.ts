import type { OutputCache } from '../../../activities/ports';
import type { CacheChange } from '../../../domain/caches/pointer';

export interface OutputCacheSubject {
  readonly cache: OutputCache;
  /** The route goes to a version. */
  route(epoch: number, version: string): Promise<void>;
  /** A user asks; resolves to the version whose answer came, and whether it came from the cache. */
  ask(): Promise<{ readonly version: string; readonly cached: boolean }>;
  /** Nobody answers for the cache any more, from now on. */
  fail(): Promise<void>;
  close(): Promise<void>;
}

/** What every output cache does. Its strategy is `version-tagged`. */
export function outputCacheContract(
  name: string,
  make: () => Promise<OutputCacheSubject>,
  declare: jest.Describe = describe,
): void {
  declare(`${name} as an output cache`, () => {
    let subject: OutputCacheSubject;
    let clock = 1_000;
    const change = (epoch: number, version: string, drop: string[] = []): CacheChange => ({
      ...{ epoch, version, drop, strategy: 'version-tagged', at: (clock += 1), by: `operation-${epoch}` },
    });
    const goTo = async (epoch: number, version: string, drop: string[] = []): Promise<CacheChange> => {
      const made = change(epoch, version, drop);
      await subject.route(epoch, version);
      await subject.cache.settle(made, 'as configured');
      return made;
    };
    beforeEach(async () => {
      subject = await make();
      await goTo(1, '1.1');
    });
    afterEach(() => subject.close());

    it('answers the second time from the cache', async () => {
      expect(await subject.ask()).toEqual({ version: '1.1', cached: false });
      expect(await subject.ask()).toEqual({ version: '1.1', cached: true });
      expect(await subject.cache.state()).toMatchObject({ version: '1.1', epoch: 1, strategy: 'version-tagged' });
    });

    it('serves nothing of the version that was left, and is warm for one that was left in good standing', async () => {
      await subject.ask();
      await goTo(2, '1.2');
      expect(await subject.ask()).toEqual({ version: '1.2', cached: false });
      await goTo(3, '1.1', ['1.2']);
      expect(await subject.ask()).toEqual({ version: '1.1', cached: true });
      await goTo(4, '1.2');
      expect(await subject.ask()).toEqual({ version: '1.2', cached: false });
    });

    it('settled again for the same epoch, keeps what was stored since', async () => {
      await subject.ask();
      const made = await goTo(2, '1.2', ['1.1']);
      await subject.ask();
      await subject.cache.settle({ ...made, at: (clock += 1) }, 'as configured');
      expect(await subject.ask()).toEqual({ version: '1.2', cached: true });
    });

    it('emptied by hand, serves nothing that was stored before', async () => {
      await subject.ask();
      await subject.cache.invalidate({ at: (clock += 1), by: 'ann: wrong prices' });
      expect(await subject.ask()).toEqual({ version: '1.1', cached: false });
      expect(await subject.ask()).toEqual({ version: '1.1', cached: true });
    });

    it('says by a named error that nobody answers for it, and soon', async () => {
      await subject.fail();
      const began = performance.now();
      await expect(subject.cache.settle(change(2, '1.2', ['1.1']), '')).rejects.toMatchObject({
        name: 'CacheUnreachable',
      });
      await expect(subject.cache.state()).rejects.toMatchObject({ name: 'CacheUnreachable' });
      expect(performance.now() - began).toBeLessThan(12_000);
    });
  });
}
