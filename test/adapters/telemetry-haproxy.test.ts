import { request } from 'undici';
import { haproxyTelemetry } from '../../adapters/telemetry/haproxy';
import type { CountsRow, TelemetryRow } from '../../gateway/protocol';
import { route } from '../support/gateway-process';
import { describeHaproxy, HaproxyProcess } from '../support/haproxy-process';
import { until } from '../support/poll';
import { Upstream } from '../support/upstreams';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function rig() {
  const haproxy = await HaproxyProcess.start();
  const [old, now] = await Promise.all([Upstream.start('1.1'), Upstream.start('1.2')]);
  const telemetry = haproxyTelemetry({ ...haproxy.options, everyMs: 100 });
  closers.push(
    () => haproxy.stop(),
    () => old.kill(),
    () => now.kill(),
    () => telemetry.close(),
  );
  const router = haproxy.router();
  const backends = { '1.1': [old.backend()], '1.2': [now.backend()] };
  const seen: TelemetryRow[] = [];
  const following = new AbortController();
  closers.push(() => following.abort());
  const follow = async (): Promise<void> => {
    await telemetry.window('mail', 0, 1);
    void (async () => {
      // As the watch does: a source that was away is asked again from where it was left.
      while (!following.signal.aborted) {
        try {
          const cursor = seen.at(-1)?.seq ?? 0;
          for await (const row of telemetry.follow('mail', cursor, following.signal)) if (row !== null) seen.push(row);
        } catch {
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      }
    })();
  };
  const ask = async (n: number, path = '/echo'): Promise<void> => {
    for (let at = 0; at < n; at += 1) {
      const answer = await request(`${haproxy.address}${path}`, { method: 'POST', body: '{}' });
      await answer.body.dump();
    }
  };
  const total = (key: 'requests' | 'failures' | 'clientErrors', version: string): number =>
    seen
      .filter((row): row is CountsRow => row.kind === 'counts' && row.version === version)
      .reduce((n, row) => n + row[key], 0);
  return { haproxy, old, now, router, telemetry, backends, seen, follow, ask, total };
}

describeHaproxy("the telemetry from HAProxy's counters")("the telemetry from HAProxy's counters", () => {
  it('counts requests, failures and the faults of callers by version, also across a reload', async () => {
    const { haproxy, now, router, backends, seen, follow, ask, total } = await rig();
    await router.apply(route(1, '1.1', backends));
    await ask(3);
    await follow();
    await ask(5);
    await router.apply(route(2, '1.2', backends));
    await now.behave('error');
    await ask(4, '/v2/models/mail/infer');
    await now.behave('ok');
    await ask(2, '/v2/models/mail/infer?status=404');
    await until('all of it', () => total('requests', '1.2') === 6 && total('requests', '1.1') === 5);
    const ofCounts = seen.filter((row): row is CountsRow => row.kind === 'counts');
    expect(ofCounts.filter(({ notCounted }) => notCounted?.includes('timeouts') !== true)).toEqual([]);
    expect([total('failures', '1.2'), total('clientErrors', '1.2'), total('failures', '1.1')]).toEqual([4, 2, 0]);
    await haproxy.reload();
    // The first ones go over connections that the old worker still holds: it may end before anybody looks at it again.
    await ask(20);
    await until('those after the reload', () => total('requests', '1.2') >= 6 + 15);
    expect(total('requests', '1.2')).toBeLessThanOrEqual(26);
    const numbers = seen.map(({ seq }) => seq);
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
  });

  it('counts what no server answered as failures of the primary', async () => {
    const { now, router, backends, follow, ask, total } = await rig();
    await router.apply(route(1, '1.2', backends));
    await follow();
    await now.kill();
    await ask(3);
    await until('the failures', () => total('failures', '1.2') === 3);
  });

  it('tells when the fallback began, and counts what it answered for its own version', async () => {
    const { now, router, backends, seen, follow, ask, total } = await rig();
    await router.apply(route(1, '1.2', backends, { fallback: '1.1' }));
    await follow();
    await now.kill();
    await ask(4);
    await until('the event', () => seen.some((row) => row.kind === 'event' && row.event === 'fallbackBegan'));
    await until('its answers', () => total('requests', '1.1') === 4);
    expect(total('failures', '1.2')).toBe(0);
    const events = seen.filter((row) => row.kind === 'event');
    expect(events.map(({ event }) => event)).toEqual(['routeApplied', 'fallbackBegan']);
    expect(events[0]).toMatchObject({ version: '1.2', epoch: 1 });
    expect(events[1]).toMatchObject({ version: '1.1', epoch: 1, fromMs: (await router.read('mail')).fallback?.since });
    await router.apply(route(2, '1.1', backends));
    await until('the end of it', () => seen.filter((row) => row.kind === 'event').length === 4);
    expect(seen.flatMap((row) => (row.kind === 'event' ? [row.event] : [])).slice(2)).toEqual([
      'fallbackEnded',
      'routeApplied',
    ]);
  });

  it('rejects while HAProxy is away, and says that answers, labels and samples are not to be had here', async () => {
    const { haproxy, router, telemetry, backends } = await rig();
    await router.apply(route(1, '1.1', backends));
    expect(await telemetry.window('mail', 0, Date.now())).toEqual([]);
    expect(await telemetry.answer('x')).toMatchObject({ known: false });
    expect(await telemetry.samples('mail', { limit: 1 })).toEqual({ off: true, samples: [] });
    await haproxy.kill();
    await until(
      'the fault',
      async () => (await telemetry.window('mail', 0, 1).catch((fault: unknown) => fault)) instanceof Error,
    );
    await expect(telemetry.window('nobody', 0, 1)).rejects.toThrow(/no such service/);
  });
});
