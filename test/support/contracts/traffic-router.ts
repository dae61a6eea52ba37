import type { TrafficRouter } from '../../../activities/ports';
import type { RouteRecord } from '../../../domain/route';

export interface TrafficRouterSubject {
  /** Knows the service `mail`. */
  readonly router: TrafficRouter;
  /** Makes one request that is in flight on the version in force until the returned function is called. */
  holdRequest(): Promise<() => Promise<void>>;
  /** A backend of the version that takes connections. */
  backend(version: string): { address: string; instance: string; digest: string };
  close(): Promise<void>;
}

/** What every traffic router does. */
export function trafficRouterContract(name: string, make: () => Promise<TrafficRouterSubject>): void {
  describe(`${name} as a traffic router`, () => {
    let subject: TrafficRouterSubject;
    beforeEach(async () => {
      subject = await make();
    });
    afterEach(() => subject.close());

    function record(epoch: number, primary: string, more: Partial<RouteRecord> = {}): RouteRecord {
      const backends = { '1.0': [subject.backend('1.0')], '1.1': [subject.backend('1.1')] };
      return { service: 'mail', epoch, primary, pins: [], backends, ...more };
    }

    it('has no route at first, and the applied one afterwards, whole', async () => {
      expect(await subject.router.read('mail')).toMatchObject({
        service: 'mail',
        record: null,
        floor: 0,
        fallback: null,
      });
      const whole = record(3, '1.1', { fallback: '1.0', pins: [{ version: '1.0', until: Date.now() + 60_000 }] });
      expect(await subject.router.apply(whole)).toMatchObject({ applied: true, epoch: 3 });
      const state = await subject.router.read('mail');
      expect(state.record).toEqual(whole);
      expect(state.inForceSince).toBeGreaterThan(0);
    });

    it('takes the same record again as success, with the moment of the first time', async () => {
      const first = await subject.router.apply(record(3, '1.1'));
      expect(await subject.router.apply(record(3, '1.1'))).toEqual(first);
    });

    it('refuses an older epoch and another content of the same epoch, and keeps what is in force', async () => {
      await subject.router.apply(record(5, '1.1'));
      expect(await subject.router.apply(record(4, '1.0'))).toMatchObject({
        applied: false,
        why: 'stale-epoch',
        epoch: 5,
      });
      expect(await subject.router.apply(record(5, '1.0'))).toMatchObject({
        applied: false,
        why: 'same-epoch-other-content',
      });
      expect((await subject.router.read('mail')).record?.primary).toBe('1.1');
    });

    it('raises its floor and never lowers it; what is below is refused, what is at it is not', async () => {
      expect(await subject.router.fence('mail', 10)).toBe(10);
      expect(await subject.router.fence('mail', 7)).toBe(10);
      expect(await subject.router.apply(record(9, '1.0'))).toMatchObject({
        applied: false,
        why: 'below-floor',
        floor: 10,
      });
      expect(await subject.router.apply(record(10, '1.0'))).toMatchObject({ applied: true });
    });

    it('refuses a primary or a fallback without a backend', async () => {
      const alone = { '1.0': [subject.backend('1.0')] };
      expect(await subject.router.apply(record(1, '1.1', { backends: alone }))).toMatchObject({ why: 'no-backend' });
      const fallback = record(1, '1.0', { backends: alone, fallback: '1.1' });
      expect(await subject.router.apply(fallback)).toMatchObject({ why: 'no-backend' });
      expect((await subject.router.read('mail')).record).toBeNull();
    });

    it('is drained of a version only when its last request has ended', async () => {
      await subject.router.apply(record(1, '1.0'));
      expect(await subject.router.drained('mail', '1.0')).toEqual({ drained: true, inFlight: 0, pinned: 0 });
      const end = await subject.holdRequest();
      expect(await subject.router.drained('mail', '1.0')).toEqual({ drained: false, inFlight: 1, pinned: 0 });
      expect((await subject.router.drained('mail', '1.1')).drained).toBe(true);
      await end();
      expect((await subject.router.drained('mail', '1.0')).drained).toBe(true);
    });

    it('says where clients reach the service and which header marks a probe', async () => {
      const entrance = await subject.router.entrance('mail');
      expect(entrance.address).toMatch(/^https?:\/\/[^/]+$/);
      expect(Object.keys(entrance.probeHeaders).length).toBeGreaterThan(0);
    });

    it('rejects what is asked of a service that it does not know', async () => {
      await expect(subject.router.read('nobody')).rejects.toThrow(/no such service: nobody/);
      await expect(subject.router.fence('nobody', 1)).rejects.toThrow(/no such service: nobody/);
      await expect(subject.router.entrance('nobody')).rejects.toThrow(/nobody/);
    });
  });
}
