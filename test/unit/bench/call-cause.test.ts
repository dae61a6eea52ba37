import { causeByCalls, type CallChange } from '../../../bench/scenarios/call-cause';

function change(name: string, meanMs: [number, number], more: { failed?: [number, number]; perMinute?: number } = {}) {
  const [failedBefore, failedSince] = more.failed ?? [0, 0];
  const perMinute = more.perMinute ?? 60;
  return {
    name,
    before: { perMinute: 60, failed: failedBefore, meanMs: meanMs[0] },
    since: { perMinute, failed: failedSince, meanMs: meanMs[1] },
  } satisfies CallChange;
}

describe('the cause by what a service calls', () => {
  it('lays time that a dependency added to the environment, and names it', () => {
    const found = causeByCalls(change('api', [100, 180]), [change('store', [20, 90]), change('mail', [5, 5])], 'time');
    expect(found).toEqual({
      attribution: 'environment',
      reasons: [expect.stringMatching(/of its additional time in calls is that of store/)],
    });
  });

  it('lays time that no dependency added to the service', () => {
    const found = causeByCalls(change('api', [100, 180]), [change('store', [20, 22])], 'time');
    expect(found?.attribution).toBe('model');
  });

  it('counts failures that were passed on', () => {
    const api = change('api', [100, 100], { failed: [0.01, 0.06] });
    expect(causeByCalls(api, [change('store', [20, 20], { failed: [0, 0.05] })], 'failures')?.attribution).toBe(
      'environment',
    );
    expect(causeByCalls(api, [change('store', [20, 80])], 'failures')?.attribution).toBe('model');
  });

  it('lays a degradation under grown traffic to the traffic', () => {
    const found = causeByCalls(change('api', [100, 180], { perMinute: 180 }), [], 'time');
    expect(found?.reasons).toEqual(['its traffic is 3.0 times what it was before the onset']);
  });

  it('says nothing where the service has no excess, and takes what was not measured for none', () => {
    expect(causeByCalls(change('api', [100, 90]), [change('store', [20, 90])], 'time')).toBeNull();
    const found = causeByCalls(change('api', [100, 180]), [change('store', [NaN, NaN])], 'time');
    expect(found?.attribution).toBe('model');
  });
});
