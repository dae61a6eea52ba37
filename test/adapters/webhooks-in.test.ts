import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Webhook } from 'standardwebhooks';
import type { FastifyInstance } from 'fastify';
import { DecisionsUnreachable } from '../../api/ports';
import type { Door } from '../../api/identity/identify';
import { createApiServer } from '../../api/server';
import type { Answer, OperatorMessage } from '../../workflows/contract/messages';
import { apiPorts } from '../support/api-ports';

const run = promisify(execFile);
const secretOf = (name: string): string => `whsec_${createHash('sha256').update(name).digest('base64')}`;
const closing: FastifyInstance[] = [];
const acts: OperatorMessage[] = [];
let decides = true;
let answer: Partial<Answer> = {};
afterEach(async () => {
  for (const server of closing.splice(0)) await server.close();
  acts.length = 0;
  decides = true;
  answer = {};
});

async function serve() {
  const ports = apiPorts({
    decisions: {
      act: (_service: string, name: string, message: OperatorMessage) => {
        if (!decides) return Promise.reject(new DecisionsUnreachable('Temporal is down'));
        acts.push({ ...message, name } as OperatorMessage);
        const given = {
          requestId: message.requestId,
          decision: 'accepted',
          why: 'so be it',
          reference: 'manual-1',
        } as const;
        return Promise.resolve({ ...given, repeated: false, plan: [], ...answer });
      },
    },
    rollbackCallers: (service: string) =>
      service === 'mail'
        ? [
            { name: 'pipeline', secret: () => secretOf('pipeline') },
            { name: 'desk', secret: () => secretOf('desk') },
          ]
        : [],
  } as never);
  const both = {
    ...ports,
    services: ['mail', 'chat'].map((name) => ({ name, model: name, chaos: 'refuse' as const })),
  };
  const proofs = { token: 'the-token-of-the-directory', tokenFile: null, oidc: null, certificates: [] };
  const door: Door = { kind: 'tcp', proofs };
  const server = createApiServer(both, { door, tls: null, onError: () => undefined });
  closing.push(server);
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  const send = async (over: {
    id?: string;
    at?: number;
    body?: object | string;
    secret?: string;
    service?: string;
    headers?: Record<string, string | undefined>;
    sent?: string;
  }) => {
    const { id = 'msg_1', at = Date.now(), secret = secretOf('pipeline'), service = 'mail' } = over;
    const given = over.body ?? { type: 'rollback', reason: 'the release is bad' };
    const body = typeof given === 'string' ? given : JSON.stringify(given);
    const sign = new Webhook(secret).sign(id, new Date(at), body);
    const headers = {
      ...{ 'webhook-id': id, 'webhook-timestamp': String(Math.floor(at / 1000)), 'webhook-signature': sign },
      ...over.headers,
    };
    const kept = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined)) as Record<
      string,
      string
    >;
    const response = await fetch(`${url}/v1/services/${service}/webhooks/rollback`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...kept },
      body: over.sent ?? body,
    });
    return { status: response.status, ...((await response.json()) as { detail?: string; decision?: string }) };
  };
  return Object.assign(send, { url });
}

it('rolls back now as the operator that signed, by its own name, and says what was decided', async () => {
  const call = await serve();
  const body = { type: 'rollback', reason: 'the release is bad', to: '1.1', dryRun: true };
  expect(await call({ body })).toMatchObject({ status: 200, decision: 'accepted' });
  expect(await call({ id: 'msg_2', secret: secretOf('desk') })).toMatchObject({ status: 200 });
  answer = { decision: 'refused', why: 'nothing is live' };
  expect(await call({ id: 'msg_3' })).toMatchObject({ status: 409, decision: 'refused' });
  expect(acts).toMatchObject([
    {
      name: 'rollback',
      to: '1.1',
      dryRun: true,
      actor: { name: 'webhook:pipeline', proof: 'webhook', from: '127.0.0.1' },
    },
    { name: 'rollback', reason: 'the release is bad', actor: { name: 'webhook:desk' } },
    {},
  ]);
  expect(acts.every(({ requestId }) => /^webhook-[0-9a-f]{40}$/.test(requestId))).toBe(true);
});

it('is not done a second time for the same id, also by a controller that starts anew, and is where nobody could decide before', async () => {
  const call = await serve();
  decides = false;
  expect((await call({})).status).toBe(503);
  decides = true;
  expect((await call({})).status).toBe(200);
  const again = await call({});
  expect(again).toMatchObject({ status: 409, detail: 'webhook-id: msg_1 was taken already, and is not done again' });
  expect((await call({ at: Date.now() - 60_000 })).status).toBe(409);
  expect(acts).toHaveLength(1);
  // The workflow remembers what another controller sent.
  answer = { repeated: true };
  const later = await serve();
  expect((await later({})).status).toBe(409);
  expect(new Set(acts.map(({ requestId }) => requestId)).size).toBe(1);
  const both = await Promise.all([call({ id: 'twice' }), call({ id: 'twice' })]);
  expect(both.filter(({ status }) => status === 409).length).toBeGreaterThanOrEqual(1);
});

const old = Date.now() - 6 * 60_000;
it.each([
  ['nobody’s secret', { secret: secretOf('nobody') }, 401, /^webhook-signature: by none of pipeline, desk/],
  ['a body that was changed', { sent: '{"type":"rollback","reason":"another"}' }, 401, /something was changed/],
  ['another id than was signed', { headers: { 'webhook-id': 'msg_9' } }, 401, /^webhook-signature/],
  ['no signature', { headers: { 'webhook-signature': undefined } }, 401, /^webhook-signature: is missing/],
  ['an old message', { at: old }, 401, /^webhook-timestamp: found .*, and here it is .* one of the clocks is wrong$/],
  ['a message of tomorrow', { at: Date.now() + 86_400_000 }, 401, /more than 5 minutes apart/],
  [
    'a newer time than was signed',
    { at: old, headers: { 'webhook-timestamp': String(Math.floor(Date.now() / 1000)) } },
    401,
    /^webhook-signature/,
  ],
  ['no time', { headers: { 'webhook-timestamp': 'now' } }, 401, /^webhook-timestamp: found "now"/],
  [
    'another service',
    { service: 'chat' },
    401,
    /^nobody may roll chat back by a signed call; see services.chat.rollbackWebhooks/,
  ],
  ['an unknown service', { service: 'spam' }, 404, /^service: found "spam"/],
  ['no JSON', { body: '{' }, 400, /^body: expected JSON/],
  ['another type', { body: { type: 'lastgood.pre-rollback', reason: 'r' } }, 400, /^body.type/],
  ['an actor of its own', { body: { type: 'rollback', reason: 'r', actor: { name: 'root' } } }, 400, /actor/],
  ['a version that is none', { body: { type: 'rollback', reason: 'r', to: '../x' } }, 400, /^to: a version name/],
] as const)('of %s is refused in one sentence, and nothing is changed', async (_what, over, status, words) => {
  const call = await serve();
  const refused = await call(over);
  expect([refused.status, refused.detail]).toEqual([status, expect.stringMatching(words)]);
  expect(acts).toEqual([]);
});

it('is no way for guesses: more than 60 bad signatures in a minute are refused, and so is what follows', async () => {
  const call = await serve();
  const statuses: number[] = [];
  for (let n = 0; n < 62; n++) statuses.push((await call({ id: `g${n}`, secret: secretOf('guess') })).status);
  expect([statuses[0], statuses.at(-1)]).toEqual([401, 429]);
  expect((await call({ id: 'good' })).status).toBe(429);
  expect(acts).toEqual([]);
});

it('can be sent as docs/api.md shows, with openssl and curl', async () => {
  const call = await serve();
  const page = readFileSync(join(__dirname, '../../docs/api.md'), 'utf8');
  const [, example = ''] = /```sh\n(id=msg_[\s\S]*?)```/.exec(page) ?? [];
  const script = example.replace('http://127.0.0.1:7780', call.url).replace('/mail-triage/', '/mail/');
  const { stdout } = await run('bash', ['-c', script], {
    env: { ...process.env, PIPELINE_SECRET: secretOf('pipeline') },
  });
  expect(JSON.parse(stdout)).toMatchObject({ decision: 'accepted' });
  expect(acts).toMatchObject([{ reason: 'the release lost orders', actor: { name: 'webhook:pipeline' } }]);
});
