import { Client, request } from 'undici';
import { gatewayTelemetry } from '../../adapters/telemetry/gateway';
import { haproxyTelemetry } from '../../adapters/telemetry/haproxy';
import { answersSocket } from '../../adapters/traffic/haproxy/layout';
import type { Telemetry } from '../../activities/ports';
import { route, startGateway, type GatewayProcess } from '../support/gateway-process';
import { describeHaproxy, HaproxyProcess } from '../support/haproxy-process';
import { until } from '../support/poll';
import { Upstream } from '../support/upstreams';

describeHaproxy('the answer record of HAProxy')('the answer record of HAProxy', () => {
  let haproxy: HaproxyProcess;
  let gateway: GatewayProcess;
  let old: Upstream;
  let now: Upstream;
  let telemetry: Telemetry & { close(): Promise<void> };
  let epoch = 0;

  beforeAll(async () => {
    haproxy = await HaproxyProcess.start();
    [old, now] = await Promise.all([Upstream.start('1.1'), Upstream.start('1.2')]);
    gateway = await startGateway({ routerLog: { socket: answersSocket(haproxy.directory) } });
    const { control } = gateway.config;
    const answers = gatewayTelemetry({ address: control as { socket: string } });
    telemetry = haproxyTelemetry({ ...haproxy.options, answers });
  }, 30_000);
  afterAll(async () => {
    await telemetry?.close();
    await gateway?.kill();
    await Promise.all([old?.kill(), now?.kill()]);
    await haproxy?.stop();
  });

  const apply = async (primary: string, more: Partial<Parameters<typeof route>[3]> = {}): Promise<void> => {
    const backends = { '1.1': [old.backend()], '1.2': [now.backend()] };
    epoch += 1;
    expect(await haproxy.router().apply(route(epoch, primary, backends, more))).toMatchObject({ applied: true });
  };
  const ask = async (headers: Record<string, string> = {}): Promise<string> => {
    const answer = await request(`${haproxy.address}/echo`, { method: 'POST', body: '{}', headers });
    await answer.body.dump();
    return String(answer.headers['x-request-id']);
  };
  const known = async (id: string) => {
    await until(`the answer ${id}`, async () => (await telemetry.answer(id)).known);
    const found = await telemetry.answer(id);
    return found.known ? found.answer : null;
  };

  it('I14: says which copy of which version answered a request, under which epoch and why', async () => {
    await apply('1.1');
    const first = await ask();
    expect(first).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(await known(first)).toMatchObject({
      ...{ id: first, service: 'mail', version: '1.1', instance: 'mail@1.1#1', digest: 'sha256:1.1' },
      ...{ epoch: 1, reason: 'primary', status: 200, class: null },
    });
    await ask({ 'x-session-id': 'alice' });
    await apply('1.2', { pins: [{ version: '1.1', until: Date.now() + 60_000 }], fallback: '1.1' });
    expect(await known(await ask({ 'x-session-id': 'alice' }))).toMatchObject({
      version: '1.1',
      epoch: 2,
      reason: 'pin',
    });
    expect(await known(await ask({ 'x-request-id': 'my-own.id:1' }))).toMatchObject({
      id: 'my-own.id:1',
      version: '1.2',
    });
    expect(await ask({ 'x-request-id': 'a "quoted" one' })).not.toMatch(/quoted/);
    await now.kill();
    const stepped = await known(await ask());
    expect(stepped).toMatchObject({ version: '1.1', instance: 'mail@1.1#1', epoch: 2, reason: 'fallback' });
    const { versions, gaps } = await telemetry.answersAt('mail', Date.now());
    expect(versions).toEqual(
      expect.arrayContaining([
        { version: '1.1', digest: 'sha256:1.1', epoch: 1, reason: 'primary', answers: 2 },
        { version: '1.2', digest: 'sha256:1.2', epoch: 2, reason: 'primary', answers: 2 },
      ]),
    );
    expect(gaps).toEqual([]);
  });

  it('knows what was answered while the gateway process was away', async () => {
    await apply('1.1');
    await known(await ask());
    await gateway.stop();
    const away = await Promise.all(Array.from({ length: 50 }, () => ask()));
    await gateway.start();
    for (const id of away) expect(await known(id)).toMatchObject({ version: '1.1' });
    expect((await telemetry.answersAt('mail', Date.now())).gaps).toEqual([]);
  });

  it('knows from when on a worker that a reload has left tells nothing, and that it does not know', async () => {
    const stream = await request(`${haproxy.address}/stream?n=20&everyMs=50`, { method: 'POST', body: '{}' });
    const id = String(stream.headers['x-request-id']);
    const from = Date.now();
    await haproxy.reload();
    expect(await stream.body.text()).toMatch(/\[DONE\]/);
    const ended = Date.now();
    // Over a connection of its own: the others are still with the old worker.
    const client = new Client(haproxy.address);
    const fresh = await client.request({ method: 'POST', path: '/echo', body: '{}' });
    await fresh.body.dump();
    await client.close();
    expect(await known(String(fresh.headers['x-request-id']))).toMatchObject({ version: '1.1' });
    await until('the gap', async () => {
      const { gaps } = await telemetry.answersAt('mail', ended);
      return gaps.some(({ fromMs, toMs }) => fromMs <= from + 500 && toMs >= ended);
    });
    const found = await telemetry.answer(id);
    expect(found).toMatchObject({ known: false });
    expect(found.known ? [] : found.gaps).not.toEqual([]);
  });
});
