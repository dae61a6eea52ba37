import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { HaproxyFileBroken, HaproxyUnreachable } from '../../adapters/traffic/haproxy/errors';
import { announcedFile, routeFile } from '../../adapters/traffic/haproxy/layout';
import type { RouteRecord } from '../../domain/route';
import { trafficRouterContract } from '../support/contracts/traffic-router';
import { startFakeModel, type FakeModel } from '../support/fake-model';
import { route } from '../support/gateway-process';
import { describeHaproxy, HaproxyProcess } from '../support/haproxy-process';
import { until } from '../support/poll';

const INFERENCE = JSON.stringify({ inputs: [{ name: 'text', shape: [1], datatype: 'BYTES', data: ['hello'] }] });
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function infer(
  haproxy: HaproxyProcess,
  session?: string | string[],
): Promise<{ status: number; version: string }> {
  const answer = await request(`${haproxy.address}/v2/models/mail/infer`, {
    method: 'POST',
    body: INFERENCE,
    headers: session === undefined ? {} : { 'x-session-id': session },
  });
  await answer.body.dump();
  return { status: answer.statusCode, version: String(answer.headers['x-lastgood-version']) };
}

const backendOf = (model: FakeModel, version: string) => ({
  address: model.address,
  instance: `mail@${version}#x`,
  digest: 'sha256:x',
});

async function started(part: Parameters<typeof HaproxyProcess.start>[0] = {}): Promise<{
  haproxy: HaproxyProcess;
  old: FakeModel;
  now: FakeModel;
  record: (epoch: number, primary: string, more?: Partial<RouteRecord>) => RouteRecord;
}> {
  const [haproxy, old, now] = [await HaproxyProcess.start(part), await startFakeModel(), await startFakeModel()];
  closers.push(
    () => haproxy.stop(),
    () => old.close(),
    () => now.close(),
  );
  const backends = { '1.0': [backendOf(old, '1.0')], '1.1': [backendOf(now, '1.1')] };
  return { haproxy, old, now, record: (epoch, primary, more = {}) => route(epoch, primary, backends, more) };
}

describeHaproxy('the contract of a traffic router against HAProxy')('HAProxy', () => {
  trafficRouterContract('HAProxy', async () => {
    const [haproxy, model] = [await HaproxyProcess.start(), await startFakeModel()];
    const router = haproxy.router();
    return {
      router,
      backend: (version) => backendOf(model, version),
      holdRequest: async () => {
        let release: () => void = () => undefined;
        model.gate = new Promise<void>((resolve) => (release = resolve));
        const { requests } = model;
        const running = infer(haproxy);
        await until('the request at the backend', () => model.requests > requests);
        return async () => {
          release();
          await running;
          await until('the end', async () => (await router.read('mail')).inFlight['1.0'] === undefined);
        };
      },
      close: async () => {
        await router.close();
        await model.close();
        await haproxy.stop();
      },
    };
  });

  it('ends a share by itself at the moment that the record says, and the pins of its sessions with it', async () => {
    const { haproxy, record } = await started();
    const until = Date.now() + 1_500;
    await haproxy.router().apply(record(1, '1.0', { share: { version: '1.1', weight: 1, until } }));
    expect(await infer(haproxy, 'alice')).toEqual({ status: 200, version: '1.1' });
    await new Promise((resolve) => setTimeout(resolve, until - Date.now() + 5));
    expect(await infer(haproxy, 'alice')).toEqual({ status: 200, version: '1.0' });
    expect(await infer(haproxy)).toEqual({ status: 200, version: '1.0' });
  });

  it('gives a share its part of the requests', async () => {
    const { haproxy, record } = await started();
    await haproxy
      .router()
      .apply(record(1, '1.0', { share: { version: '1.1', weight: 0.25, until: Date.now() + 60_000 } }));
    let shared = 0;
    for (let n = 0; n < 40; n += 1) {
      const answers = await Promise.all(Array.from({ length: 25 }, () => infer(haproxy)));
      shared += answers.filter(({ version }) => version === '1.1').length;
    }
    // Four standard deviations of a binomial of 1000 and 0.25 are 55.
    expect(Math.abs(shared - 250)).toBeLessThan(55);
  });

  it('keeps a session on its version while the pin lasts, counts it, and moves it when the record ends the pin', async () => {
    const { haproxy, record } = await started();
    const router = haproxy.router();
    await router.apply(record(1, '1.0'));
    await infer(haproxy, 'alice');
    const until = Date.now() + 4_000;
    await router.apply(record(2, '1.1', { pins: [{ version: '1.0', until }] }));
    expect((await infer(haproxy, 'alice')).version).toBe('1.0');
    expect((await infer(haproxy, 'bob')).version).toBe('1.1');
    expect(await router.drained('mail', '1.0')).toEqual({ drained: false, inFlight: 0, pinned: 1 });
    expect((await router.read('mail')).pinned['1.0']?.lastEndsAt).toBe(until);
    await new Promise((resolve) => setTimeout(resolve, until - Date.now() + 5));
    expect((await infer(haproxy, 'alice')).version).toBe('1.1');
    expect((await router.drained('mail', '1.0')).drained).toBe(true);
  });

  it('moves a session when its own lifetime is over, however busy it is', async () => {
    const { haproxy, record } = await started({ sessionMaxMs: 1_000 });
    const router = haproxy.router();
    await router.apply(record(1, '1.0'));
    const born = Date.now();
    await infer(haproxy, 'alice');
    await router.apply(record(2, '1.1', { pins: [{ version: '1.0', until: Date.now() + 60_000 }] }));
    let moved = 0;
    while (moved === 0) {
      const sent = Date.now();
      if ((await infer(haproxy, 'alice')).version === '1.1') moved = sent;
      else await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(moved - born).toBeGreaterThan(950);
    expect(moved - born).toBeLessThan(1_300);
  });

  it('answers a session whose version is dead by the version in force, at once, and moves all where the record keeps none', async () => {
    const { haproxy, old, record } = await started();
    const router = haproxy.router();
    await router.apply(record(1, '1.0'));
    for (const session of ['alice', 'bob']) await infer(haproxy, session);
    await router.apply(record(2, '1.1', { pins: [{ version: '1.0', until: Date.now() + 60_000 }] }));
    expect((await infer(haproxy, 'alice')).version).toBe('1.0');
    await old.close();
    expect(await infer(haproxy, 'alice')).toEqual({ status: 200, version: '1.1' });
    await router.apply(record(3, '1.1'));
    expect((await router.read('mail')).pinned['1.0']).toBeUndefined();
    expect(await infer(haproxy, 'bob')).toEqual({ status: 200, version: '1.1' });
  });

  it('does not take part of a session that is too long, empty or given twice for a pin, and keeps its hash alone', async () => {
    const { haproxy, record } = await started();
    await haproxy.router().apply(record(1, '1.0'));
    for (const session of ['x'.repeat(65), '', ['a', 'b']]) await infer(haproxy, session);
    expect(await haproxy.ask('show table lg_mail_sessions')).not.toMatch(/key=/);
    await infer(haproxy, 'x'.repeat(64));
    const sha = createHash('sha256').update('x'.repeat(64)).digest('hex').toUpperCase();
    expect(await haproxy.ask('show table lg_mail_sessions')).toContain(`key=${sha} `);
  });

  it('pins by a cookie where the header has no session, and by none that is there twice', async () => {
    const { haproxy, record } = await started({ sessionCookie: 'sid' });
    const router = haproxy.router();
    const ask = async (headers: Record<string, string>): Promise<string> => {
      const answer = await request(`${haproxy.address}/echo`, { method: 'POST', body: '{}', headers });
      await answer.body.dump();
      return String(answer.headers['x-lastgood-version']);
    };
    await router.apply(record(1, '1.0'));
    await ask({ cookie: 'theme=dark; sid=alice==' });
    await ask({ cookie: 'sid=eve', 'x-session-id': 'bob' });
    await ask({ cookie: 'sid=carol; sid=dave' });
    await router.apply(record(2, '1.1', { pins: [{ version: '1.0', until: Date.now() + 60_000 }] }));
    expect((await router.read('mail')).pinned['1.0']).toMatchObject({ sessions: 2 });
    expect(await ask({ cookie: 'sid=alice==' })).toBe('1.0');
    // An id is the same session wherever it stands.
    expect(await ask({ 'x-session-id': 'alice==', cookie: 'sid=other' })).toBe('1.0');
    expect(await ask({ cookie: 'sid=bob', 'x-session-id': 'x'.repeat(65) })).toBe('1.0');
    for (const cookie of ['sid=eve', 'sid=carol; sid=dave', 'sid2=alice==']) expect(await ask({ cookie })).toBe('1.1');
  });

  it('refuses a record that it has no place for, with the reason, and goes on as before', async () => {
    const { haproxy, record, old } = await started();
    const router = haproxy.router();
    await router.apply(record(1, '1.0'));
    const named = record(2, '1.1', {
      backends: { '1.1': [{ ...backendOf(old, '1.1'), address: 'http://model.local:1' }] },
    });
    expect(await router.apply(named)).toMatchObject({
      why: 'invalid',
      detail: expect.stringMatching(/IP address/) as string,
    });
    const many = Array.from({ length: 9 }, (_, n) => ({
      ...backendOf(old, '1.1'),
      address: `http://127.0.0.1:${n + 1}`,
    }));
    expect(await router.apply(record(2, '1.1', { backends: { '1.1': many } }))).toMatchObject({ why: 'invalid' });
    expect((await router.read('mail')).record?.primary).toBe('1.0');
    expect((await infer(haproxy)).version).toBe('1.0');
  });

  it('says what is wrong when the socket is gone, and is whole again when it is back', async () => {
    const { haproxy, record } = await started();
    const router = haproxy.router();
    await router.apply(record(1, '1.0'));
    const absent = haproxy.router({ masterSocket: join(haproxy.directory, 'nothing.sock') });
    await expect(absent.read('mail')).rejects.toThrow(HaproxyUnreachable);
    await expect(absent.apply(record(2, '1.1'))).rejects.toThrow(/nothing\.sock.*ENOENT/);
    // Nothing was written: no epoch is lost to a router that was not there.
    expect(await router.apply(record(2, '1.0'))).toMatchObject({ applied: true });
  });

  it('believes what was announced before a crash, and neither half of it nor one that was overtaken', async () => {
    const { haproxy, record } = await started();
    const router = haproxy.router();
    await router.apply(record(1, '1.0'));
    const [stored, announced] = [routeFile(haproxy.directory, 'mail'), announcedFile(haproxy.directory, 'mail')];
    const first = readFileSync(stored, 'utf8');
    await router.apply(record(2, '1.1'));
    const second = readFileSync(stored, 'utf8');
    // As it lies there when the process dies once HAProxy has the route.
    writeFileSync(stored, first);
    writeFileSync(announced, second);
    expect((await haproxy.router().read('mail')).record).toEqual(record(2, '1.1'));
    expect(await haproxy.router().apply(record(1, '1.1'))).toMatchObject({ why: 'stale-epoch', epoch: 2 });
    expect(await haproxy.router().apply(record(2, '1.1'))).toMatchObject({ applied: true });
    expect(readFileSync(stored, 'utf8')).toBe(second);
    expect(existsSync(announced)).toBe(false);
    for (const left of [first, second.slice(0, 200)]) {
      writeFileSync(announced, left);
      expect((await haproxy.router().read('mail')).record).toEqual(record(2, '1.1'));
    }
  });

  it('rejects with the file and what to do when what it wrote down cannot be read', async () => {
    const { haproxy, record } = await started();
    await haproxy.router().apply(record(1, '1.0'));
    writeFileSync(routeFile(haproxy.directory, 'mail'), '{"floor":');
    await expect(haproxy.router().apply(record(2, '1.1'))).rejects.toThrow(HaproxyFileBroken);
    await expect(haproxy.router().read('mail')).rejects.toThrow(/mail\.route\.json.*move it away/);
    expect((await infer(haproxy)).version).toBe('1.0');
  });
});
