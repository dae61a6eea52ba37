import { severalRouters } from '../../adapters/traffic/several-routers';
import { stopInstance } from '../../activities/stop-instance';
import { shiftTraffic } from '../../activities/shift-traffic';
import { lookAtRouter } from '../../activities/observe-route';
import type { RouteRecord } from '../../domain/route';
import { trafficRouterContract } from '../support/contracts/traffic-router';
import { FakeTrafficRouter } from '../support/fakes/traffic-router';
import { addressOf, recordOf, service, StepWorld } from '../unit/activities/step-world';

trafficRouterContract('two fake routers as one', () => {
  const [a, b] = [new FakeTrafficRouter(['mail']), new FakeTrafficRouter(['mail'])];
  return Promise.resolve({
    router: severalRouters([
      { name: 'a', router: a },
      { name: 'b', router: b },
    ]),
    backend: (version) => ({ address: 'http://127.0.0.1:2', instance: `mail@${version}#x`, digest: 'sha256:x' }),
    // In flight on the second one only: it counts as well.
    holdRequest: () => {
      b.setInFlight('mail', '1.0', 1);
      return Promise.resolve(() => Promise.resolve(b.setInFlight('mail', '1.0', 0)));
    },
    close: () => Promise.resolve(),
  });
});

/** A router that can be away: it takes no call then, and its record stays what it was. */
class AwayRouter extends FakeTrafficRouter {
  away = false;
  override async read(name: string): ReturnType<FakeTrafficRouter['read']> {
    return await this.here(() => super.read(name));
  }
  override async apply(record: RouteRecord): ReturnType<FakeTrafficRouter['apply']> {
    return await this.here(() => super.apply(record));
  }
  override async fence(name: string, epoch: number): Promise<number> {
    return await this.here(() => super.fence(name, epoch));
  }
  private async here<T>(call: () => Promise<T>): Promise<T> {
    if (this.away) throw new Error('connection refused');
    return await call();
  }
}

describe('several routers of a service', () => {
  let a: AwayRouter;
  let b: AwayRouter;
  let router: ReturnType<typeof severalRouters>;
  let world: StepWorld;
  beforeEach(async () => {
    [a, b] = [new AwayRouter([service]), new AwayRouter([service])];
    router = severalRouters([
      { name: 'a', router: a },
      { name: 'b', router: b },
    ]);
    world = await StepWorld.start();
    await router.apply(recordOf('1.3', 7));
  });
  const shift = (epoch = 8) =>
    world.env.run(shiftTraffic({ ...portsOf(world), router }), {
      service,
      operation: 'i-1',
      incident: 'i-1',
      model: 'mail',
      record: recordOf('1.2', epoch),
      allowBreakerOpen: false,
      allowPaused: false,
      allowDisagreement: false,
      returnsTo: null,
    });

  it('I2: a shift counts when all have taken the epoch and were read back', async () => {
    expect(await shift()).toMatchObject({ outcome: 'shifted', readBack: true });
    for (const each of [a, b]) expect((await each.read(service)).record).toEqual(recordOf('1.2', 8));
    expect((await router.read(service)).differing).toEqual([]);
  });

  it('one that is away makes the shift partial, which says which serves what; the users of the other are not kept waiting', async () => {
    b.away = true;
    const outcome = await shift();
    expect(outcome).toMatchObject({ outcome: 'partial', why: expect.stringContaining('router b has not taken it') });
    expect((await a.read(service)).record?.primary).toBe('1.2');
    b.away = false;
    expect(await lookAtRouter(router, service)).toMatchObject({
      record: { epoch: 8, primary: '1.2' },
      differing: [{ router: 'b', reached: true, epoch: 7, why: 'is at epoch 7 with 1.3' }],
    });
  });

  it('I11: a shift whose answer was lost after it reached one of them is brought to the other by the next attempt, and only then counts', async () => {
    await a.apply(recordOf('1.2', 8));
    expect(await shift()).toMatchObject({ outcome: 'shifted', readBack: true });
    expect((await b.read(service)).record?.epoch).toBe(8);
  });

  it('I2: nothing is written anywhere when one of them knows of a newer decision', async () => {
    await b.fence(service, 40);
    expect(await shift()).toMatchObject({ outcome: 'stopped', why: expect.stringContaining('below the floor 40') });
    expect((await a.read(service)).record?.epoch).toBe(7);
  });

  it('what was fenced while one was away is fenced there with the next record', async () => {
    b.away = true;
    expect(await router.fence(service, 20)).toBe(20);
    b.away = false;
    await router.apply(recordOf('1.2', 21));
    expect((await b.read(service)).floor).toBe(20);
  });

  it('I5: a copy is not stopped while any of them names it, or while one cannot be asked', async () => {
    const instance = `${service}@1.3#s1`;
    const stop = () => world.env.run(stopInstance({ ...portsOf(world), router }), { service, instance, graceMs: 10 });
    b.away = true;
    await shift();
    expect(await stop()).toMatchObject({ outcome: 'refused', why: expect.stringContaining('b cannot be asked') });
    b.away = false;
    expect(await stop()).toMatchObject({ outcome: 'refused', why: expect.stringContaining('router b (epoch 7)') });
    await router.apply(recordOf('1.2', 9));
    expect(await stop()).toMatchObject({ outcome: 'absent' });
  });

  it('a version is drained only when all of them say so, and nobody can say so for one that is away', async () => {
    b.away = true;
    jest.spyOn(b, 'drained').mockRejectedValue(new Error('connection refused'));
    await expect(router.drained(service, '1.3')).rejects.toThrow('router b: connection refused');
  });

  it('rejects when none can be asked, with what each of them said', async () => {
    [a.away, b.away] = [true, true];
    await expect(router.read(service)).rejects.toThrow('a: connection refused; b: connection refused');
    await expect(router.fence(service, 9)).rejects.toThrow('no router could be asked');
  });
});

function portsOf(world: StepWorld): StepWorld {
  world.fake.put(addressOf('1.2'), '1.2');
  return world;
}
