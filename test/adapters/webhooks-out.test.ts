import { readFileSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { beginCursor, followLedger, type LedgerTailOptions, type ToldEvent } from '../../adapters/webhooks/ledger-tail';
import { webhookCaller } from '../../adapters/webhooks/webhook-caller';
import type { ChainedEntry, LedgerKind } from '../../domain/ledger';
import type { OperatorMessage } from '../../workflows/contract/messages';
import { keepConfirmations, type Asked } from '../../workers/webhooks/confirmations';
import { HttpReceiver } from '../support/http-receiver';
import { MemoryLedger } from '../support/memory-ledger';
import { until } from '../support/poll';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const stopping: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stopping.splice(0)) await stop();
});
afterAll(removeTemporary);

async function receiver(answer: (nth: number, response: ServerResponse) => void) {
  const server = new HttpReceiver(answer);
  const url = await server.start();
  stopping.push(() => server.stop());
  return { url, server };
}
const took = (_nth: number, response: ServerResponse): void => void response.writeHead(204).end();

let written = 0;
async function write(
  ledger: MemoryLedger,
  kind: LedgerKind,
  over: { summary?: string; at?: number } = {},
): Promise<void> {
  await ledger.append({
    ...{ service: 'mail', key: `k${(written += 1)}`, at: Date.now(), kind, incident: 'i-1', summary: kind, facts: {} },
    actor: { name: 'lastgood', proof: 'lastgood', from: 'here' },
    ...over,
  });
}

function follow(url: string, ledger: MemoryLedger, over: Partial<LedgerTailOptions> = {}) {
  const ended = new AbortController();
  const outcomes: (string | null)[] = [];
  const running = followLedger(
    {
      ...{ service: 'mail', webhook: 'desk', ledger, everyMs: 10, maxAgeMs: 60_000, backoffMs: 10, backoffMaxMs: 50 },
      events: ['pre-rollback', 'post-rollback', 'deploy-refused'] as ToldEvent[],
      caller: webhookCaller({ url, secret: () => secret, attempts: 1, attemptLimitMs: 500 }),
      cursorFile: join(temporaryDirectory('webhooks'), 'desk.cursor'),
      onOutcome: (_event, _seq, why) => outcomes.push(why),
      ...over,
    },
    ended.signal,
  );
  const stop = async (): Promise<void> => {
    ended.abort();
    await running;
  };
  stopping.push(stop);
  return { stop, outcomes };
}

const typesOf = (server: HttpReceiver): string[] =>
  server.received.map(({ body }) => (JSON.parse(body) as { type: string }).type);

it('tells what it was asked to tell, signed, with the entry of the ledger, and not what was before it', async () => {
  const { url, server } = await receiver(took);
  const ledger = new MemoryLedger();
  await write(ledger, 'rollback-decided');
  const cursorFile = join(temporaryDirectory('webhooks'), 'desk.cursor');
  follow(url, ledger, { cursorFile });
  await until('the begin', () => readCursorOf(cursorFile) === 1);
  await write(ledger, 'rollback-decided');
  await write(ledger, 'step-began');
  await write(ledger, 'settled');
  await write(ledger, 'refused', { summary: 'deploy by ada refused: the breaker is open' });
  await write(ledger, 'refused', { summary: 'resume by ada refused: it is not paused' });
  await until('three', () => server.received.length >= 3);
  await until('the cursor', () => readCursorOf(cursorFile) === 6);
  expect(typesOf(server)).toEqual(['lastgood.pre-rollback', 'lastgood.post-rollback', 'lastgood.deploy-refused']);
  for (const { headers, body } of server.received)
    expect(() => new Webhook(secret).verify(body, headers)).not.toThrow();
  const { data } = JSON.parse(server.received[0]?.body ?? '') as { data: ChainedEntry };
  expect(data).toEqual(ledger.entries('mail')[1]);
});

it('of a controller that did not lead begins where that controller began, so that nothing is untold after a takeover', async () => {
  const { url, server } = await receiver(took);
  const ledger = new MemoryLedger();
  await write(ledger, 'rollback-decided');
  const cursorFile = join(temporaryDirectory('webhooks'), 'desk.cursor');
  await beginCursor({ service: 'mail', ledger, cursorFile });
  await write(ledger, 'settled');
  await beginCursor({ service: 'mail', ledger, cursorFile });
  follow(url, ledger, { cursorFile });
  await until('the cursor', () => readCursorOf(cursorFile) === 2);
  expect(typesOf(server)).toEqual(['lastgood.post-rollback']);
});

const readCursorOf = (file: string): number => {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch {
    return -1;
  }
};

it('goes on after a restart where it was, also with what happened meanwhile, under the same ids', async () => {
  let down = true;
  const { url, server } = await receiver((_nth, response) => void response.writeHead(down ? 503 : 204).end());
  const ledger = new MemoryLedger();
  const cursorFile = join(temporaryDirectory('webhooks'), 'desk.cursor');
  const first = follow(url, ledger, { cursorFile });
  await until('the begin', () => readCursorOf(cursorFile) === 0);
  await write(ledger, 'rollback-decided');
  await until('an attempt', () => server.received.length >= 2);
  await first.stop();
  const [attempted] = server.received;
  await write(ledger, 'settled');
  down = false;
  const before = server.received.length;
  follow(url, ledger, { cursorFile });
  await until('both', () => server.received.length >= before + 2);
  await until('the cursor', () => readCursorOf(cursorFile) === 2);
  const [again, next] = server.received.slice(before);
  expect([again?.headers['webhook-id'], again?.body]).toEqual([attempted?.headers['webhook-id'], attempted?.body]);
  expect(next?.headers['webhook-id']).not.toBe(again?.headers['webhook-id']);
  expect(typesOf(server).slice(before)).toEqual(['lastgood.pre-rollback', 'lastgood.post-rollback']);
});

it('gives up what is refused for good or too old, and tells what follows; a ledger that is down is read later', async () => {
  const { url, server } = await receiver(
    (nth, response) => void response.writeHead(nth === 1 ? 410 : nth < 5 ? 500 : 204).end(),
  );
  const ledger = new MemoryLedger();
  const cursorFile = join(temporaryDirectory('webhooks'), 'desk.cursor');
  const { outcomes } = follow(url, ledger, { cursorFile, maxAgeMs: 300 });
  await until('the begin', () => readCursorOf(cursorFile) === 0);
  ledger.setOutage('refuse');
  await new Promise((resolve) => setTimeout(resolve, 30));
  ledger.setOutage('none');
  await write(ledger, 'rollback-decided');
  await until('the refusal', () => outcomes.length === 1);
  await write(ledger, 'settled', { at: Date.now() - 10_000 });
  await write(ledger, 'deploy-refused');
  await until('the last', () => readCursorOf(cursorFile) === 3);
  expect(outcomes).toEqual([
    expect.stringMatching(/^given up: .*410/),
    expect.stringMatching(/^given up, it is too old/),
    expect.stringMatching(/^tried again: .*500/),
    null,
  ]);
  expect(server.received.length).toBe(5);
});

it('begins at the end of a ledger that is another one, and follows no redirect', async () => {
  const { url, server } = await receiver(
    (_nth, response) => void response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end(),
  );
  const ledger = new MemoryLedger();
  await write(ledger, 'settled');
  const cursorFile = join(temporaryDirectory('webhooks'), 'desk.cursor');
  writeFileSync(cursorFile, '900\n');
  const { outcomes } = follow(url, ledger, { cursorFile });
  await until('the begin', () => readCursorOf(cursorFile) === 1);
  await write(ledger, 'settled');
  await until('the refusal', () => outcomes.length === 1);
  expect(outcomes).toEqual([expect.stringContaining('redirects are not followed')]);
  expect(server.received).toHaveLength(1);
});

describe('an address of a metadata service', () => {
  const names: Record<string, string> = { 'rebound.example': '169.254.169.254', 'six.example': 'fd00:ec2::254' };
  const lookup = ((host: string, _options: object, done: (error: null, found: object[]) => void): void => {
    const address = names[host] ?? '127.0.0.1';
    done(null, [{ address, family: address.includes(':') ? 6 : 4 }]);
  }) as never;
  const tell = (url: string, allowAddresses: readonly string[] = []): Promise<void> =>
    webhookCaller({ url, secret: () => secret, attempts: 1, attemptLimitMs: 300, lookup, allowAddresses }).tell(
      { id: 'm', body: '{}' },
      new AbortController().signal,
    );

  it('is not called by its number, by its name, nor by a name that resolves to it, unless it is allowed', async () => {
    for (const host of [
      '169.254.169.254',
      '[fe80::1]',
      '[fd00:ec2::254]',
      'metadata.google.internal',
      'METADATA.google.internal.',
    ])
      expect(() => webhookCaller({ url: `http://${host}/x`, secret: () => secret })).toThrow(
        'link-local or a metadata service',
      );
    await expect(tell('http://rebound.example/')).rejects.toMatchObject({
      final: true,
      message: expect.stringContaining('resolves to 169.254.169.254') as string,
    });
    await expect(tell('http://six.example/')).rejects.toThrow('resolves to fd00:ec2::254');
    const { url, server } = await receiver(took);
    names['allowed.example'] = '169.254.1.1';
    await expect(tell('http://allowed.example/', ['169.254.1.1'])).rejects.not.toThrow('refused');
    await tell(url.replace('127.0.0.1', 'other.example'));
    expect(server.received).toHaveLength(1);
  });
});

describe('confirm-rollback', () => {
  const acts: OperatorMessage[] = [];
  let waiting: { id: string; until: number } | null = null;
  beforeEach(() => {
    acts.length = 0;
    waiting = { id: 'i-7', until: Date.now() + 60_000 };
  });

  function keep(caller: Asked['caller']): { warned: string[]; stop: () => Promise<void> } {
    const ended = new AbortController();
    const warned: string[] = [];
    const status = () =>
      Promise.resolve({
        service: 'mail',
        readiness: { target: '1.1' },
        state: {
          declared: { epoch: 42 },
          incident: waiting && {
            ...{ id: waiting.id, phase: 'awaiting-approval', approvalUntil: waiting.until },
            from: '1.2',
          },
        },
      } as never);
    const act = (_service: string, _name: string, message: OperatorMessage) => {
      acts.push(message);
      return Promise.resolve({
        requestId: message.requestId,
        decision: 'accepted',
        why: '',
        reference: null,
        repeated: false,
        plan: [],
      } as const);
    };
    const log = { info: () => undefined, warn: (_about: object, words: string) => void warned.push(words) } as never;
    const asked = [{ service: 'mail', name: 'desk', caller }];
    const running = keepConfirmations(
      { asked, decisions: { status, act }, log, everyMs: 10, againMs: 20 },
      ended.signal,
    );
    const stop = async (): Promise<void> => {
      ended.abort();
      await running;
    };
    stopping.push(stop);
    return { warned, stop };
  }
  const callerOf = (url: string): Asked['caller'] =>
    webhookCaller({ url, secret: () => secret, attempts: 1, attemptLimitMs: 500 });
  const says = (body: object) => (_nth: number, response: ServerResponse) =>
    void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));

  it.each([
    [true, 'approve'],
    [false, 'deny'],
  ])('with the answer %s is the act of the webhook, once for each proposal', async (approve, decision) => {
    const { url, server } = await receiver(says({ approve, reason: 'looked at it' }));
    keep(callerOf(url));
    await until('the act', () => acts.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(acts).toMatchObject([
      {
        name: 'approve',
        incident: 'i-7',
        decision,
        reason: 'looked at it',
        actor: { name: 'webhook:desk', proof: 'webhook' },
      },
    ]);
    const { headers, body } = server.received[0] ?? { headers: {}, body: '' };
    expect(new Webhook(secret).verify(body, headers)).toMatchObject({
      type: 'lastgood.confirm-rollback',
      data: { service: 'mail', incident: 'i-7', from: '1.2', target: '1.1', epoch: 42 },
    });
    waiting = { id: 'i-7', until: Date.now() + 90_000 };
    await until('the next', () => acts.length === 2);
    expect(acts[0]?.requestId).not.toBe(acts[1]?.requestId);
    expect(server.received).toHaveLength(2);
  });

  it.each([
    ['nothing', (_nth: number, response: ServerResponse) => void response.writeHead(204).end()],
    ['no verdict', says({ approve: 'yes', reason: 'r' })],
    ['no', (_nth: number, response: ServerResponse) => void response.writeHead(403).end()],
  ])('that answers %s has said nothing', async (_what, answer) => {
    const { url, server } = await receiver(answer);
    const { warned } = keep(callerOf(url));
    await until('the word', () => warned.length > 0);
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect([warned, acts, server.received.length]).toEqual([[expect.stringContaining('said nothing')], [], 1]);
  });

  it('is asked again while it is away and the proposal stands, and its late word about another one is dropped', async () => {
    const slow = await receiver((nth, response) => {
      if (nth === 1) return void response.writeHead(503).end();
      // The proposal is over when the answer arrives.
      waiting = null;
      says({ approve: true, reason: 'r' })(nth, response);
    });
    keep(callerOf(slow.url));
    await until('the second attempt', () => slow.server.received.length === 2);
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(acts).toEqual([]);
  });
});
