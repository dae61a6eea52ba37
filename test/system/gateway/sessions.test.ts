import { request } from 'undici';
import { route, startGateway, type GatewayProcess } from '../../support/gateway-process';
import { until } from '../../support/load';
import { Upstream } from '../../support/upstreams';

jest.setTimeout(90_000);

const SESSION_MAX_MS = 30_000;
let gateway: GatewayProcess;
let old: Upstream;
let target: Upstream;
let epoch = 0;

beforeAll(async () => {
  [old, target] = await Promise.all([Upstream.start('1.1'), Upstream.start('1.2')]);
  gateway = await startGateway({
    services: [{ name: 'mail', sessionCookie: 'sid', sessionField: 'user', sessionMaxMs: SESSION_MAX_MS }],
  });
});
afterAll(async () => {
  await Promise.all([gateway, old, target].map((each) => each.kill()));
});

/** The record with `primary`, and pins of 1.1 for so long. */
async function move(primary: string, keptMs = 0): Promise<void> {
  epoch += 1;
  const pins = keptMs === 0 ? {} : { pins: [{ version: '1.1', until: Date.now() + keptMs }] };
  const backends = { '1.1': [old.backend()], '1.2': [target.backend()] };
  expect(await gateway.apply(route(epoch, primary, backends, pins))).toMatchObject({ applied: true });
}

async function versionFor(headers: Record<string, string>, body?: string | Iterable<Buffer>): Promise<string> {
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  const answer = await request(`${gateway.address()}/infer`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { ...type, ...headers },
    ...(body === undefined ? {} : { body: body as string }),
  });
  await answer.body.dump();
  expect(answer.statusCode).toBe(200);
  return String(answer.headers['x-lastgood-version']);
}

const byUser = (user: unknown): Promise<string> =>
  versionFor({}, JSON.stringify({ messages: [{ role: 'user' }], user }));
const byCookie = (id: string): Promise<string> => versionFor({ cookie: `theme=dark; sid=${id}` });

test('I14: sessions by header, cookie and field stay on their version, over a kill of the gateway too', async () => {
  await move('1.1');
  await versionFor({ 'x-session-id': 'header' });
  await byCookie('cookie');
  await byUser('field');
  await byUser('x'.repeat(65));
  // The header goes first: the session of this one is not `late`.
  await versionFor({ 'x-session-id': 'header' }, JSON.stringify({ user: 'late' }));
  await move('1.2', 60_000);
  const { pinned } = await gateway.state();
  expect(pinned['1.1']).toMatchObject({ sessions: 3 });
  // Its own lifetime ends before the pin of the record does.
  expect((pinned['1.1']?.lastEndsAt ?? 0) - Date.now()).toBeLessThanOrEqual(SESSION_MAX_MS);
  const check = async (): Promise<void> => {
    expect(await versionFor({ 'x-session-id': 'header' })).toBe('1.1');
    expect(await byCookie('cookie')).toBe('1.1');
    expect(await byUser('field')).toBe('1.1');
    expect(await byUser('late')).toBe('1.2');
    expect(await byUser('x'.repeat(65))).toBe('1.2');
  };
  await check();
  // One that comes in pieces is sent on as it comes: nobody waits for its field.
  expect(await versionFor({}, [Buffer.from('{"user":'), Buffer.from('"field"}')])).toBe('1.2');
  await new Promise((resolve) => setTimeout(resolve, 300));
  await gateway.kill();
  await gateway.start();
  expect((await gateway.state()).pinned['1.1']).toEqual(pinned['1.1']);
  await check();
});

test('in an emergency, where the record keeps no pins, every session moves with the next request', async () => {
  await move('1.1');
  await byUser('urgent');
  await move('1.2');
  expect((await gateway.state()).pinned['1.1']).toBeUndefined();
  expect(await byUser('urgent')).toBe('1.2');
});

test('a session whose version is dead is answered by the version in force at once, whatever its pin says', async () => {
  await move('1.1');
  await byUser('orphan');
  await move('1.2', 60_000);
  expect(await byUser('orphan')).toBe('1.1');
  await old.kill();
  expect(await byUser('orphan')).toBe('1.2');
  expect(await versionFor({ cookie: 'sid=orphan' })).toBe('1.2');
});

test('what ends is not counted any more: the lifetime of a session, whoever else may stay', async () => {
  const short = await startGateway({ services: [{ name: 'mail', sessionField: 'user', sessionMaxMs: 700 }] });
  const again = await Upstream.start('1.1');
  try {
    const backends = { '1.1': [again.backend()], '1.2': [target.backend()] };
    const ask = async (): Promise<string> => {
      const answer = await request(`${short.address()}/infer`, { method: 'POST', body: '{"user":"alice"}' });
      await answer.body.dump();
      return String(answer.headers['x-lastgood-version']);
    };
    await short.apply(route(1, '1.1', backends));
    await ask();
    await short.apply(route(2, '1.2', backends, { pins: [{ version: '1.1', until: Date.now() + 60_000 }] }));
    // However busy it is: its age counts, not its last request.
    await until('the end of its lifetime', async () => (await ask()) === '1.2');
    expect((await short.state()).pinned['1.1']).toBeUndefined();
  } finally {
    await Promise.all([short.kill(), again.kill()]);
  }
});
