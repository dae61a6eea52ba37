import { Client, request } from 'undici';
import { sessionTable } from '../../../adapters/traffic/haproxy/layout';
import type { RouteRecord } from '../../../domain/route';
import { route } from '../../support/gateway-process';
import { describeHaproxy, HaproxyProcess } from '../../support/haproxy-process';
import { Load, type Tally } from '../../support/load';
import { until } from '../../support/poll';
import { Upstream } from '../../support/upstreams';

jest.setTimeout(60_000);

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Rig {
  readonly haproxy: HaproxyProcess;
  readonly old: Upstream;
  readonly now: Upstream;
  readonly record: (epoch: number, primary: string, more?: Partial<RouteRecord>) => RouteRecord;
}

async function rig(part: Parameters<typeof HaproxyProcess.start>[0] = {}): Promise<Rig> {
  const haproxy = await HaproxyProcess.start(part);
  closers.push(() => haproxy.stop());
  const [old, now] = await Promise.all([Upstream.start('1.1'), Upstream.start('1.2')]);
  closers.push(
    () => old.kill(),
    () => now.kill(),
  );
  const backends = { '1.1': [old.backend()], '1.2': [now.backend()] };
  return { haproxy, old, now, record: (epoch, primary, more = {}) => route(epoch, primary, backends, more) };
}

function load(haproxy: HaproxyProcess, headers?: (client: number) => Record<string, string>): Load {
  const running = new Load(haproxy.address, { clients: 16, pauseMs: 2, ...(headers === undefined ? {} : { headers }) });
  closers.push(() => running.stop());
  return running;
}

/** Everything was answered 200, and enough was asked. */
function expectWhole({ answered, lost }: Tally, atLeast: number): void {
  expect(lost).toEqual([]);
  expect(answered.filter(({ status }) => status !== 200)).toEqual([]);
  expect(answered.length).toBeGreaterThanOrEqual(atLeast);
}

async function more(running: Load, requests: number): Promise<void> {
  const before = running.sent;
  await until(`${requests} more requests`, () => running.sent >= before + requests);
}

describeHaproxy('requests through HAProxy during swaps, crashes, reloads and restarts')(
  'requests through HAProxy',
  () => {
    it('I5: ten swaps under load lose nothing, and from each one on the new version answers what its servers say', async () => {
      const { haproxy, record, old, now } = await rig();
      const router = haproxy.router();
      await router.apply(record(1, '1.1'));
      const running = load(haproxy);
      for (let epoch = 2; epoch <= 11; epoch += 1) {
        const primary = epoch % 2 === 0 ? '1.2' : '1.1';
        expect(await router.apply(record(epoch, primary))).toMatchObject({ applied: true });
        const appliedAt = performance.now();
        await more(running, 60);
        const after = running.tally.answered.filter(({ sentAt }) => sentAt > appliedAt);
        expect(after.filter(({ version }) => version !== primary)).toEqual([]);
        expect(after.length).toBeGreaterThan(20);
      }
      const tally = await running.stop();
      expectWhole(tally, 600);
      // What the header claims is what the servers themselves wrote down.
      const logs = new Map([...old.answered(), ...now.answered()]);
      expect(tally.answered.filter(({ id, version }) => logs.get(id) !== version)).toEqual([]);
    });

    it('a stream that began on the old version ends there, whole, and is counted as in flight until then', async () => {
      const { haproxy, record } = await rig();
      const router = haproxy.router();
      await router.apply(record(1, '1.1'));
      const stream = await request(`${haproxy.address}/stream?n=20&everyMs=50`, { method: 'POST', body: '{}' });
      await router.apply(record(2, '1.2'));
      expect(await router.drained('mail', '1.1')).toMatchObject({ drained: false, inFlight: 1 });
      const text = await stream.body.text();
      expect(text).toMatch(/\[DONE\]/);
      expect(text.match(/data: 1\.1 /g)).toHaveLength(20);
      await until('the drain', async () => (await router.drained('mail', '1.1')).drained);
    });

    it('I6: the primary killed under load costs nothing, and the fallback holds though the primary comes back', async () => {
      const { haproxy, record, now } = await rig();
      const router = haproxy.router();
      await router.apply(record(3, '1.2', { fallback: '1.1' }));
      const running = load(haproxy);
      await more(running, 300);
      await now.kill();
      await until('the fallback to serve', () => running.tally.answered.at(-1)?.version === '1.1');
      await more(running, 300);
      const { fallback } = await router.read('mail');
      expect(fallback).toMatchObject({ version: '1.1', epoch: 3 });
      const back = await Upstream.start('1.2', { port: now.port });
      closers.push(() => back.kill());
      await until('the check to find it', async () =>
        /10001 lg_mail_1 1 a1 \S+ 2 /.test(await haproxy.ask('show servers state lg_mail_1')),
      );
      const sent = performance.now();
      await more(running, 200);
      expect(running.tally.answered.filter((one) => one.sentAt > sent && one.version !== '1.1')).toEqual([]);
      // Also after HAProxy itself was started anew: lastgood wrote it down when it saw it.
      await haproxy.reload();
      await more(running, 100);
      expect((await router.read('mail')).fallback).toEqual(fallback);
      const afterReload = performance.now();
      await more(running, 100);
      expect(running.tally.answered.filter((one) => one.sentAt > afterReload && one.version !== '1.1')).toEqual([]);
      // Only a higher epoch ends it.
      await router.apply(record(4, '1.2'));
      const applied = performance.now();
      await more(running, 100);
      expect(running.tally.answered.filter((one) => one.sentAt > applied && one.version !== '1.2')).toEqual([]);
      expect((await router.read('mail')).fallback).toBeNull();
      expectWhole(await running.stop(), 1_000);
    });

    it('one of two servers killed under load costs nothing, and the other one takes it all', async () => {
      const { haproxy, now, old } = await rig();
      const twin = await Upstream.start('1.2');
      closers.push(() => twin.kill());
      const both = { '1.1': [old.backend()], '1.2': [now.backend(), { ...twin.backend(), instance: 'mail@1.2#2' }] };
      const router = haproxy.router();
      await router.apply(route(1, '1.2', both, { fallback: '1.1' }));
      const running = load(haproxy);
      await more(running, 300);
      expect(twin.answered().size).toBeGreaterThan(50);
      await twin.kill();
      await more(running, 400);
      const tally = await running.stop();
      expectWhole(tally, 700);
      expect(tally.answered.filter(({ version }) => version !== '1.2')).toEqual([]);
      expect((await router.read('mail')).fallback).toBeNull();
    });

    it('a request that its server resets goes to another one, on a new client connection as on a kept one', async () => {
      const { haproxy, now, old } = await rig();
      const twin = await Upstream.start('1.2');
      closers.push(() => twin.kill());
      const both = { '1.1': [old.backend()], '1.2': [now.backend(), { ...twin.backend(), instance: 'mail@1.2#2' }] };
      await haproxy.router().apply(route(1, '1.2', both, { fallback: '1.1' }));
      await twin.behave('reset');
      const kept = new Client(haproxy.address);
      closers.push(() => kept.destroy());
      for (let n = 0; n < 6; n += 1) {
        const again = await kept.request({ method: 'POST', path: '/echo', body: '{}' });
        await again.body.dump();
        expect([again.statusCode, again.headers['x-lastgood-version']]).toEqual([200, '1.2']);
        const fresh = await request(`${haproxy.address}/echo`, { method: 'POST', body: '{}', reset: true });
        await fresh.body.dump();
        expect([fresh.statusCode, fresh.headers['x-lastgood-version']]).toEqual([200, '1.2']);
      }
    });

    it('a 502 that a server itself answered is the answer, and is asked for once', async () => {
      const { haproxy, record, now } = await rig();
      await haproxy.router().apply(record(1, '1.2', { fallback: '1.1' }));
      const answer = await request(`${haproxy.address}/v2/models/mail/infer?status=502`, {
        method: 'POST',
        body: '{}',
      });
      expect(await answer.body.json()).toMatchObject({ model_version: '1.2' });
      expect([answer.statusCode, answer.headers['x-lastgood-version']]).toEqual([502, '1.2']);
      expect(Object.keys(answer.headers).filter((name) => /lastgood-(?:about|status)/.test(name))).toEqual([]);
      expect(now.answered().size).toBe(1);
      expect(await haproxy.ask('show stat lg_mail_hop 4 -1')).toMatch(/^lg_mail_hop,route,/m);
    });

    it('a possibly executed request is not sent twice where the service is not repeatable', async () => {
      const { haproxy, record, now, old } = await rig({ repeatable: false });
      await haproxy.router().apply(record(1, '1.2', { fallback: '1.1' }));
      await now.behave('reset');
      const answer = await request(`${haproxy.address}/v2/models/mail/infer`, { method: 'POST', body: '{}' });
      await answer.body.dump();
      expect(answer.statusCode).toBe(502);
      expect(old.answered().size).toBe(0);
    });

    it('a reload under load loses nothing, keeps route and pins, and does not bring the bad version back', async () => {
      const { haproxy, record } = await rig();
      const router = haproxy.router();
      await router.apply(record(1, '1.1'));
      // A process younger than this has not finished asking its own predecessor for pins, and gives none to its successor.
      const ripe = Date.now() + 11_000;
      const pinned = await request(`${haproxy.address}/echo`, {
        method: 'POST',
        body: '{}',
        headers: { 'x-session-id': 'alice' },
      });
      await pinned.body.dump();
      const wanted = record(2, '1.2', { pins: [{ version: '1.1', until: Date.now() + 60_000 }] });
      await router.apply(wanted);
      const applied = performance.now();
      const running = load(haproxy);
      await more(running, 200);
      await new Promise((resolve) => setTimeout(resolve, ripe - Date.now()));
      await haproxy.reload();
      await more(running, 300);
      const tally = await running.stop();
      // A connection that the old worker closes while a request is on its way is the client's to repeat: none was seen here.
      expectWhole(tally, 500);
      expect(tally.answered.filter((one) => one.sentAt > applied && one.version !== '1.2')).toEqual([]);
      expect((await router.read('mail')).record).toEqual(wanted);
      // The old worker hands its pins over when it gets the processor.
      const table = `show table ${sessionTable('mail')}`;
      await until('the pins are with the new worker', async () => /gpt0=[1-9]/.test(await haproxy.ask(table)));
      const again = await request(`${haproxy.address}/echo`, {
        method: 'POST',
        body: '{}',
        headers: { 'x-session-id': 'alice' },
      });
      await again.body.dump();
      expect(again.headers['x-lastgood-version']).toBe('1.1');
    });

    it('killed whole and started again it is on the same route before anybody asks, and sessions are where they were', async () => {
      const { haproxy, record } = await rig();
      const router = haproxy.router();
      await router.apply(record(1, '1.1'));
      const versionOfAlice = async (): Promise<unknown> => {
        const headers = { 'x-session-id': 'alice' };
        const answer = await request(`${haproxy.address}/echo`, { method: 'POST', body: '{}', headers });
        await answer.body.dump();
        return answer.headers['x-lastgood-version'];
      };
      await versionOfAlice();
      const wanted = record(2, '1.2', {
        fallback: '1.1',
        share: { version: '1.1', weight: 0, until: Date.now() + 60_000 },
        pins: [{ version: '1.1', until: Date.now() + 60_000 }],
      });
      await router.apply(wanted);
      expect(await versionOfAlice()).toBe('1.1');
      await haproxy.kill();
      await expect(router.read('mail')).rejects.toThrow(/HAProxy at .*master\.sock/);
      await haproxy.run();
      const answer = await request(`${haproxy.address}/echo`, { method: 'POST', body: '{}' });
      await answer.body.dump();
      expect([answer.statusCode, answer.headers['x-lastgood-version']]).toEqual([200, '1.2']);
      const before = await router.read('mail');
      expect(before).toMatchObject({ record: wanted, pinned: { '1.1': { sessions: 1 } } });
      expect(await versionOfAlice()).toBe('1.1');
      // Told by the table itself now, with the birth that it had; births are in hundredths of a second.
      const again = (await router.read('mail')).pinned['1.1'];
      expect(again?.sessions).toBe(1);
      expect(Math.abs((again?.lastEndsAt ?? 0) - (before.pinned['1.1']?.lastEndsAt ?? 0))).toBeLessThanOrEqual(10);
      // And it ends like any other pin.
      await router.apply(record(3, '1.2'));
      expect(await versionOfAlice()).toBe('1.2');
      expect(await router.read('mail')).toMatchObject({ pinned: {} });
      expect(haproxy.read('mail.sessions.map')).toBe('');
    });

    it('a rollback just after a reload also reaches the clients that the old worker still holds', async () => {
      const { haproxy, record } = await rig();
      const router = haproxy.router();
      await router.apply(record(1, '1.1'));
      await router.apply(record(2, '1.2'));
      // It keeps the old worker alive, with its map.
      const stream = await request(`${haproxy.address}/stream?n=40&everyMs=50`, { method: 'POST', body: '{}' });
      await haproxy.reload();
      const [, left] = await haproxy.workers();
      expect(left?.reloads).toBe(1);
      await router.apply(record(3, '1.1'));
      expect(await haproxy.ask(`show map ${haproxy.directory}/mail.map`, left?.pid)).toMatch(/ route 3\|/);
      // Its stream runs on, and is seen.
      expect((await router.read('mail')).inFlight).toEqual({ '1.2': 1 });
      expect(await stream.body.text()).toMatch(/\[DONE\]/);
    });
  },
);
