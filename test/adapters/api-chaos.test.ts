import type { FastifyInstance } from 'fastify';
import type { ApiPorts } from '../../api/ports';
import type { Door } from '../../api/identity/identify';
import { createApiServer } from '../../api/server';
import { MemoryLedger } from '../support/memory-ledger';

const servers: FastifyInstance[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

const calm = { breaker: { open: false }, operation: null };

function serve(chaos: 'refuse' | 'ask' | 'allow', state: object = calm, door: Door = { kind: 'socket', user: 'ada' }) {
  const ledger = new MemoryLedger();
  const decisions = { status: () => Promise.resolve({ state }) };
  const ports = { services: [{ name: 'mail', model: 'mail', chaos }], ledger, decisions } as unknown as ApiPorts;
  const server = createApiServer(ports, { door, tls: null, onError: () => undefined });
  servers.push(server);
  const post = (body: object, headers: Record<string, string> = {}, remoteAddress = '127.0.0.1') =>
    server.inject({ method: 'POST', url: '/v1/services/mail/chaos', payload: body, headers, remoteAddress });
  return { ledger, post };
}

const began = {
  run: 'r-1',
  phase: 'began',
  experiment: 'killed',
  atMs: 5,
  reason: 'the release',
  summary: 'chaos experiment killed begins: it dies',
  facts: { fault: 'kill-serving' },
};
const ended = {
  ...began,
  phase: 'ended',
  atMs: 9,
  summary: 'chaos experiment killed passed',
  facts: { verdict: 'passed' },
};

it('writes begin and end of an experiment down once, as acts of the person who runs it', async () => {
  const { ledger, post } = serve('allow');
  for (const body of [began, began, ended]) expect((await post(body)).statusCode).toBe(200);
  const entries = await ledger.read('mail', { limit: 10 });
  expect(entries.map(({ key, kind, at }) => [key, kind, at])).toEqual([
    ['chaos/r-1/began', 'operator-act', 5],
    ['chaos/r-1/ended', 'operator-act', 9],
  ]);
  expect(entries[1]).toMatchObject({
    actor: { name: 'ada', proof: 'unix-user' },
    summary: 'chaos experiment killed passed, by ada: the release',
    facts: { act: 'chaos', run: 'r-1', experiment: 'killed', phase: 'ended', verdict: 'passed' },
  });
});

it('takes a begin whose answer was lost once more, whatever is in the way by then', async () => {
  const state: { breaker: object; operation: object | null } = { ...calm, operation: null };
  const { ledger, post } = serve('allow', state);
  expect((await post(began)).statusCode).toBe(200);
  state.operation = { kind: 'rollback', id: 'i-1' };
  expect((await post(began)).statusCode).toBe(200);
  expect((await post({ ...began, run: 'r-2' })).statusCode).toBe(409);
  expect((await post({ ...began, reason: 'another' })).statusCode).toBe(409);
  expect(await ledger.read('mail', { limit: 10 })).toHaveLength(1);
});

it.each([
  ['the configuration refuses it', 'refuse', calm, {}, 403, 'services.mail.chaos is refuse'],
  ['nobody consented', 'ask', calm, {}, 403, 'add --consent mail'],
  ['another service was consented to', 'ask', calm, { consent: 'spam' }, 403, 'add --consent mail'],
  ['the breaker is open', 'allow', { ...calm, breaker: { open: true } }, {}, 409, 'the breaker of mail is open'],
  [
    'an operation is in flight',
    'allow',
    { ...calm, operation: { kind: 'deploy', id: 'd-1' } },
    {},
    409,
    'deploy d-1 is in flight',
  ],
] as const)('refuses the begin when %s, and nothing is written', async (_, chaos, state, more, status, words) => {
  const { ledger, post } = serve(chaos, state);
  const answer = await post({ ...began, ...more });
  expect(answer.statusCode).toBe(status);
  expect(answer.json<{ detail: string }>().detail).toContain(words);
  expect(await ledger.read('mail', { limit: 10 })).toEqual([]);
});

it('takes the end whatever the configuration says by then, and a begin with consent', async () => {
  expect((await serve('refuse').post(ended)).statusCode).toBe(200);
  expect((await serve('ask').post({ ...began, consent: 'mail' })).statusCode).toBe(200);
});

it('takes nothing from another machine, and no unknown field', async () => {
  const token = 'a-token-of-a-test-0123456789';
  const { post } = serve('allow', calm, {
    kind: 'tcp',
    proofs: { token, tokenFile: null, oidc: null, certificates: [] },
  });
  expect((await post(began, { authorization: `Bearer ${token}` }, '192.0.2.7')).statusCode).toBe(403);
  expect((await serve('allow').post({ ...began, force: true })).statusCode).toBe(400);
});
