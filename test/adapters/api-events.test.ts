import type { FastifyInstance } from 'fastify';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Door } from '../../api/identity/identify';
import { digestOf } from '../../api/identity/text';
import { TokenFile } from '../../api/identity/token-file';
import { LiveFeeds, liveLimits, type LiveLimits } from '../../api/live/live-feeds';
import { createApiServer } from '../../api/server';
import type { ServiceView } from '../../api/types';
import type { Actor, ChainedEntry } from '../../domain/ledger';
import { apiPorts } from '../support/api-ports';
import { EventReader } from '../support/event-reader';
import { MemoryLedger } from '../support/memory-ledger';
import { until } from '../support/poll';

const directory = mkdtempSync(join(tmpdir(), 'lastgood-events-'));
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const actor: Actor = { name: 'lastgood', proof: 'lastgood', from: 'here' };

/** A server at a real port, quick enough for tests. */
async function serve(over: { limits?: Partial<LiveLimits>; door?: Door; padding?: () => string } = {}) {
  const ledger = new MemoryLedger();
  const asked = { status: 0, reads: 0 };
  let mode = 'act';
  const status = (): Promise<never> => {
    asked.status += 1;
    return Promise.resolve({ state: { mode, policy: {}, padding: over.padding?.() ?? '' } } as never);
  };
  const read: MemoryLedger['read'] = (...given) => {
    asked.reads += 1;
    return ledger.read(...given);
  };
  const ports = apiPorts({
    ledger: { read, head: (name: string) => ledger.head(name) },
    decisions: { status },
    router: {
      read: () => Promise.resolve({ floor: 3 } as never),
      entrance: () => Promise.resolve({ address: 'http://127.0.0.1:1', probeHeaders: {} }),
    },
  });
  const live = new LiveFeeds(ports, { ...liveLimits, everyMs: 20, ...over.limits });
  const door = over.door ?? { kind: 'socket', user: 'ada' };
  const server: FastifyInstance = createApiServer(ports, { door, tls: null, live, onError: () => undefined });
  closing.push(() => server.close());
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  let written = 0;
  return {
    server,
    ledger,
    asked,
    setMode: (next: string) => void (mode = next),
    write: async (count = 1) => {
      for (let n = 0; n < count; n++)
        await ledger.append({
          ...{ service: 'mail', key: `k${(written += 1)}`, at: written, kind: 'configured', incident: null, actor },
          ...{ summary: `the ${written}th`, facts: {} },
        });
    },
    listen: (headers: Record<string, string> = {}, path = 'mail/events') => {
      const reader = new EventReader(`${url}/v1/services/${path}`, headers);
      closing.push(() => reader.close());
      return reader;
    },
  };
}

const modes = (reader: EventReader): string[] =>
  reader.of('status').map(({ data }) => (data as { status: { state: { mode: string } } }).status.state.mode);
const sequences = (reader: EventReader): number[] => reader.of('entry').map(({ data }) => (data as ChainedEntry).seq);

it('begins with the status as its own route gives it, tells each change once, and each new entry', async () => {
  const { listen, setMode, write, server } = await serve();
  await write(2);
  const reader = listen();
  const [first] = await reader.first('status');
  const asAlways = (await server.inject({ url: '/v1/services/mail' })).json<ServiceView>();
  expect({ ...(first?.data as ServiceView), at: 0 }).toEqual({ ...asAlways, at: 0 });
  expect(first?.id).toBe('2');
  expect([reader.status, reader.headers['content-type'], reader.headers['cache-control']]).toEqual([
    200,
    'text/event-stream',
    'no-store',
  ]);
  expect(reader.headers['x-content-type-options']).toBe('nosniff');
  await write();
  const [entry] = await reader.first('entry');
  const page = (await server.inject({ url: '/v1/services/mail/ledger?after=2' })).json<{ entries: unknown[] }>();
  expect(entry).toEqual({ event: 'entry', id: '3', data: page.entries[0] });
  setMode('observe');
  await reader.first('status', 2);
  await write();
  await reader.first('entry', 2);
  expect(modes(reader)).toEqual(['act', 'observe']);
});

it.each([
  ['Last-Event-ID', { 'last-event-id': '3' }, 'mail/events'],
  ['?after', {}, 'mail/events?after=3'],
])(
  'resumes after %s without a gap and without a repetition, however much was written meanwhile',
  async (_, headers, path) => {
    const { listen, write } = await serve();
    await write(450);
    const others = listen();
    await others.first('status');
    const reader = listen(headers, path);
    await write(60);
    await reader.first('entry', 507);
    await write(1);
    await until('the newest', () => sequences(reader).at(-1) === 511 && sequences(others).at(-1) === 511);
    expect(sequences(reader)).toEqual(Array.from({ length: 508 }, (_one, n) => n + 4));
    expect(sequences(others)).toEqual(Array.from({ length: 61 }, (_one, n) => n + 451));
  },
);

it('refuses an id that the ledger does not have, or that is none', async () => {
  const { listen, write } = await serve();
  await write(2);
  for (const [id, words] of [
    ['9', 'found 9, but the ledger of mail ends at 2'],
    ['x', 'Last-Event-ID.after: found \\"x\\": expected a whole number'],
  ] as const) {
    const reader = listen({ 'last-event-id': id });
    await until('the answer', () => reader.ended);
    expect([reader.status, reader.text]).toEqual([400, expect.stringContaining(words)]);
  }
});

it('goes on with the status while the ledger is down, and tells what was written when it is back', async () => {
  const { listen, write, ledger, setMode } = await serve();
  await write(1);
  const reader = listen();
  const late = listen({ 'last-event-id': '1' });
  await reader.first('status');
  ledger.setOutage('refuse');
  setMode('observe');
  await reader.first('status', 2);
  ledger.setOutage('none');
  await write(1);
  await Promise.all([reader.first('entry'), late.first('entry')]);
  expect([sequences(reader), sequences(late)]).toEqual([[2], [2]]);
});

it('looks once for all who listen, and not at all when nobody does', async () => {
  const { listen, asked, write } = await serve({ limits: { everyMs: 50 } });
  await write(1);
  const readers = Array.from({ length: 10 }, () => listen());
  await Promise.all(readers.map((reader) => reader.first('status')));
  const before = { ...asked };
  await write(1);
  await Promise.all(readers.map((reader) => reader.first('entry')));
  await until('a look more', () => asked.status >= before.status + 4);
  expect(asked.reads - before.reads).toBeLessThanOrEqual(asked.status - before.status + 1);
  for (const reader of readers) reader.close();
  await new Promise((resolve) => setTimeout(resolve, 150));
  const after = { ...asked };
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(asked).toEqual(after);
});

it('lets only so many listen, and so many of one name', async () => {
  const { listen } = await serve({ limits: { listeners: 3, listenersOfOne: 2 } });
  const two = [listen(), listen()];
  await Promise.all(two.map((reader) => reader.first('status')));
  const refused = listen();
  await until('the answer', () => refused.ended);
  expect([refused.status, refused.text]).toEqual([429, expect.stringContaining('ada listens 2 times already')]);
  two[0]?.close();
  await until('a place', async () => {
    const again = listen();
    await until('an answer', () => again.status !== 0);
    return again.status === 200;
  });
});

it('drops a reader that takes nothing, and nobody else', async () => {
  let n = 0;
  const padding = (): string => `${(n += 1)}${'x'.repeat(100_000)}`;
  const { listen } = await serve({ limits: { everyMs: 5, unsentBytes: 300_000 }, padding });
  const [slow, quick] = [listen(), listen()];
  await Promise.all([slow.first('status'), quick.first('status')]);
  slow.pause();
  // What the kernel takes for it is not bounded here; what lies in this process is.
  await quick.first('status', 200);
  const told = quick.of('status').length;
  slow.resume();
  await until('its end', () => slow.ended);
  expect(slow.of('end')).toEqual([]);
  expect(slow.of('status').length).toBeLessThan(told);
  await quick.first('status', told + 5);
  expect(quick.ended).toBe(false);
}, 20_000);

it('keeps the connection alive, and ends it with the reason when the proof of its reader is not good any more', async () => {
  const file = join(directory, 'tokens.yaml');
  const entry = (name: string, expires: string) => ({
    ...{ name, expires, roles: ['viewer'], sha256: digestOf(`token-of-${name}`).toString('hex') },
  });
  const far = '2100-01-01T00:00:00Z';
  const soon = new Date(Date.now() + 700).toISOString();
  writeFileSync(file, JSON.stringify({ tokens: [entry('ada', far), entry('bob', soon), entry('eve', far)] }));
  const tokenFile = new TokenFile(file, () => undefined);
  const proofs = { token: 'the-one-of-the-directory', tokenFile, oidc: null, certificates: [] };
  const { listen } = await serve({ limits: { aliveMs: 50 }, door: { kind: 'tcp', proofs } });
  const [ada, bob, eve] = ['ada', 'bob', 'eve'].map((name) => listen({ authorization: `Bearer token-of-${name}` })) as [
    EventReader,
    EventReader,
    EventReader,
  ];
  await Promise.all([ada, bob, eve].map((reader) => reader.first('status')));
  writeFileSync(file, JSON.stringify({ tokens: [entry('ada', far), entry('bob', soon)] }));
  await until('the end of two', () => bob.ended && eve.ended);
  const why = (reader: EventReader): unknown => reader.of('end')[0]?.data;
  expect(why(bob)).toEqual({ why: expect.stringContaining('the token of bob expired at') as string });
  expect(why(eve)).toEqual({ why: expect.stringContaining('the token is not known here') as string });
  const comments = ada.comments;
  await until('more comments', () => ada.comments > comments + 2);
  expect([ada.ended, ada.of('end')]).toEqual([false, []]);
  const stranger = listen();
  await until('the answer', () => stranger.ended);
  expect(stranger.status).toBe(401);
});

it('ends at a stop of the controller with that word', async () => {
  const { listen, server } = await serve();
  const reader = listen();
  await reader.first('status');
  await server.close();
  await until('the end', () => reader.ended);
  expect(reader.of('end').map(({ data }) => data)).toEqual([
    { why: expect.stringContaining('the controller stops') as string },
  ]);
});
