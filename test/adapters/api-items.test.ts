import type { FastifyInstance } from 'fastify';
import type { Door } from '../../api/identity/identify';
import type { ApiPorts } from '../../api/ports';
import { createApiServer } from '../../api/server';
import type { LedgerEntry } from '../../domain/ledger';
import type { Role } from '../../domain/roles';
import { FakeOutputCache } from '../support/fakes/output-cache';
import { MemoryLedger } from '../support/memory-ledger';

const servers: FastifyInstance[] = [];
afterEach(async () => {
  jest.restoreAllMocks();
  for (const server of servers.splice(0)) await server.close();
});

const list = `sha256:${'a'.repeat(64)}`;
const machine = { name: 'lastgood', proof: 'lastgood', from: 'items' } as const;
const about = (key: string, kind: LedgerEntry['kind'], facts: LedgerEntry['facts']): LedgerEntry => ({
  ...{ service: 'mail', key, at: 1_000, kind, incident: 'i-1', actor: machine, summary: key, facts },
});

async function serve(door: Door = { kind: 'socket', user: 'ada' }) {
  const ledger = new MemoryLedger();
  const ordered: unknown[] = [];
  const cache = new FakeOutputCache('mail', 'responses');
  const treated = (pipeline: string): LedgerEntry => about(pipeline, 'items-treated', { pipeline, list });
  await ledger.append(about('began', 'items-began', { version: '1.3' }));
  await ledger.append(treated('triage'));
  const ports = {
    services: [{ name: 'mail', model: 'mail', chaos: 'ask' }],
    ledger,
    caches: { of: () => [cache] },
    evidence: {
      read: (_service: string, _incident: string, name: string) => Promise.resolve(name === list ? '{}\n' : null),
    },
    items: {
      progress: () => Promise.resolve(null),
      order: (...given: unknown[]) => Promise.resolve(void ordered.push(given)),
    },
  } as unknown as ApiPorts;
  const server = createApiServer(ports, { door, tls: null, onError: () => undefined });
  servers.push(server);
  const call = async (path: string, payload?: object, headers: Record<string, string> = {}) => {
    const asked = { method: payload ? 'POST' : 'GET', url: `/v1/services/mail/${path}`, headers } as const;
    const answer = await server.inject({ ...asked, ...(payload && { payload }) });
    return { status: answer.statusCode, body: answer.body };
  };
  return { ledger, ordered, call, cache, treated };
}

const signOff = 'items/i-1/sign-off';

it('signs items off once for each request id, with the time and the lists of the first', async () => {
  const { ledger, call, treated } = await serve();
  const body = { reason: 'looked at them', requestId: 'r-1' };
  expect(await call(signOff, body)).toMatchObject({ status: 200, body: '{"signedOff":1}' });
  jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 60_000);
  await ledger.append(treated('archive'));

  expect(await call(signOff, body)).toMatchObject({ status: 200, body: '{"signedOff":1}' });

  expect(ledger.entries('mail').filter(({ kind }) => kind === 'items-signed-off')).toHaveLength(1);
  for (const other of [
    { ...body, reason: 'another' },
    { ...body, pipeline: 'archive' },
  ])
    expect(await call(signOff, other)).toMatchObject({ status: 409, body: expect.stringContaining('r-1') });
  expect(await call(signOff, { ...body, requestId: 'r-2' })).toMatchObject({ body: '{"signedOff":2}' });
});

it('empties caches once for each request id, also where the caller gives no time', async () => {
  const { ledger, call, cache } = await serve();
  const body = { reason: 'wrong prices', requestId: 'r-1' };
  const path = 'caches/invalidations';
  await cache.settle({ epoch: 8, version: '1.2', drop: [], strategy: 'version-tagged', at: 1_000, by: 'i-1' }, '');
  expect((await call(path, body)).status).toBe(200);
  const tag = cache.pointer?.tag;
  jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 60_000);

  expect((await call(path, body)).status).toBe(200);

  expect(cache.pointer?.tag).toBe(tag);
  expect(ledger.entries('mail').filter(({ kind }) => kind === 'operator-act')).toHaveLength(1);
  expect((await call(path, { ...body, reason: 'another' })).status).toBe(409);
});

it.each([
  ['a sign-off without a reason', signOff, {}, 400],
  ['a sign-off with an unknown field', signOff, { reason: 'r', all: true }, 400],
  ['a sign-off of a pipeline that is not treated', signOff, { reason: 'r', pipeline: 'nowhere' }, 409],
  ['a sign-off of an incident without items', 'items/i-9/sign-off', { reason: 'r' }, 404],
  ['an order that is none', 'items/i-1/orders', { pipeline: 'triage', order: 'redo', reason: 'r' }, 400],
  ['an order without a pipeline', 'items/i-1/orders', { order: 'skip', reason: 'r' }, 400],
  ['a list that is no digest', 'items/i-1/lists/..%2F..%2Fsecrets', undefined, 400],
  ['a list that is not kept', `items/i-1/lists/sha256:${'b'.repeat(64)}`, undefined, 404],
] as const)('refuses %s', async (_, path, body, status) => {
  const { call, ordered, ledger } = await serve();
  const before = ledger.entries('mail').length;
  expect((await call(path, body)).status).toBe(status);
  expect([ordered.length, ledger.entries('mail').length]).toEqual([0, before]);
});

it('gives lists and takes orders with the name of who asks', async () => {
  const { call, ordered } = await serve();
  expect(await call(`items/i-1/lists/${list}`)).toEqual({ status: 200, body: '{}\n' });
  expect((await call('items/i-1/orders', { pipeline: 'triage', order: 'skip', reason: 'r' })).status).toBe(200);
  expect(ordered).toMatchObject([['mail', 'i-1', { pipeline: 'triage', order: 'skip', actor: { name: 'ada' } }]]);
});

describe('rights', () => {
  const door = (role: Role): Door => ({
    kind: 'tcp',
    proofs: { token: `token-of-${role}`, tokenFile: null, oidc: null, certificates: [] },
  });

  it('are needed: without a proof nobody reads or orders anything', async () => {
    const { call } = await serve(door('viewer'));
    for (const path of ['items', 'items/i-1', `items/i-1/lists/${list}`]) expect((await call(path)).status).toBe(401);
    expect((await call(signOff, { reason: 'r' })).status).toBe(401);
    expect((await call('items/i-1/orders', { pipeline: 'triage', order: 'skip', reason: 'r' })).status).toBe(401);
  });
});
