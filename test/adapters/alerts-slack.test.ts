import type { ServerResponse } from 'node:http';
import { AlertMemory } from '../../adapters/alerts/memory';
import { slackBotSink, slackWebhookSink } from '../../adapters/alerts/slack';
import { anAlert } from '../support/alerts';
import { HttpReceiver } from '../support/http-receiver';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

const never = new AbortController().signal;
const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
  removeTemporary();
});

interface Posted {
  readonly channel?: string;
  readonly text: string;
  readonly thread_ts?: string;
  readonly reply_broadcast?: boolean;
  readonly blocks: readonly { readonly text: { readonly text: string } }[];
}

/** What Slack's `chat.postMessage` answers, and what it was asked. */
async function slack(answer?: (nth: number, response: ServerResponse) => void) {
  const receiver = new HttpReceiver(
    answer ?? ((nth, response) => response.end(JSON.stringify({ ok: true, ts: `1700000000.00000${nth}` }))),
  );
  const url = await receiver.start();
  ends.push(() => receiver.stop());
  const posted = (): Posted[] => receiver.received.map(({ body }) => JSON.parse(body) as Posted);
  return { url, receiver, posted };
}

function bot(url: string, memory: AlertMemory) {
  return slackBotSink({ name: 'slack', url, token: () => 'xoxb-1', channel: 'C1', memory, backoffMs: 1 });
}

test('one incident is one thread, also when its states come at once and after a restart; a page in it is shown in the channel', async () => {
  const { url, receiver, posted } = await slack();
  const file = `${temporaryDirectory('slack')}/shown.jsonl`;
  const sink = bot(url, new AlertMemory({ file }));
  const state = (name: string, severity: 'page' | 'ticket', incident: string | null = 'inc-7') =>
    anAlert({ key: `mail-triage/${incident}/${name}`, incident, severity });
  await Promise.all([
    sink.deliver(state('approval', 'page'), never),
    sink.deliver(state('dropped', 'ticket'), never),
    sink.deliver(state('waiting', 'page'), never),
  ]);
  await bot(url, new AlertMemory({ file })).deliver(state('settled', 'ticket'), never);
  await sink.deliver(state('approval', 'page', 'inc-8'), never);
  await sink.deliver(state('standby', 'ticket', null), never);
  const root = '1700000000.000001';
  expect(posted().map(({ thread_ts, reply_broadcast }) => [thread_ts, reply_broadcast])).toEqual([
    [undefined, undefined],
    [root, false],
    [root, true],
    [root, false],
    [undefined, undefined],
    [undefined, undefined],
  ]);
  expect(receiver.received[0]).toMatchObject({
    path: '/chat.postMessage',
    headers: { authorization: 'Bearer xoxb-1' },
  });
  expect(posted()[0]?.channel).toBe('C1');
});

test('a message says what an alert says, and no text in it becomes a mention or leaves the command block', async () => {
  const { url, posted } = await slack();
  const alert = anAlert({ wrong: 'input <!channel> & <@U1> is odd', command: "lastgood explain inc-7 ``` --x '…'" });
  await bot(url, new AlertMemory({ file: null })).deliver(alert, never);
  const text = posted()[0]?.blocks[0]?.text.text ?? '';
  for (const line of [alert.title, alert.did, alert.users, alert.must, alert.link]) expect(text).toContain(line);
  expect(text).toContain('input &lt;!channel&gt; &amp; &lt;@U1&gt; is odd');
  expect(text).toContain("```lastgood explain inc-7 ''' --x '…'```");
});

test('what Slack refuses in a 200 is a failure: asked again where it passes, final where it does not', async () => {
  const says = ['ratelimited', 'internal_error', null];
  const passing = await slack((nth, response) => {
    const error = says[nth - 1];
    response.end(JSON.stringify(error ? { ok: false, error } : { ok: true, ts: '1.1' }));
  });
  await bot(passing.url, new AlertMemory({ file: null })).deliver(anAlert(), never);
  expect(passing.receiver.received).toHaveLength(3);
  const final = await slack((_nth, response) =>
    response.end(JSON.stringify({ ok: false, error: 'channel_not_found' })),
  );
  await expect(bot(final.url, new AlertMemory({ file: null })).deliver(anAlert(), never)).rejects.toThrow(
    'it answered channel_not_found (attempt 1 of 5)',
  );
  const page = await slack((_nth, response) => response.end('<html>a proxy</html>'));
  await expect(bot(page.url, new AlertMemory({ file: null })).deliver(anAlert(), never)).rejects.toThrow(
    'it answered nothing that Slack would say (attempt 5 of 5)',
  );
});

test('the pause that Slack names is kept, and ends with the time that a delivery has', async () => {
  const { url, receiver } = await slack((_nth, response) => response.writeHead(429, { 'retry-after': '30' }).end());
  const sink = slackBotSink({
    ...{ name: 'slack', url, token: () => 'x', channel: 'C1', memory: new AlertMemory({ file: null }) },
    ...{ totalLimitMs: 300, backoffMs: 1 },
  });
  await expect(sink.deliver(anAlert(), never)).rejects.toThrow('it answered 429 (attempt 1 of 5)');
  expect(receiver.received).toHaveLength(1);
});

test('an incoming webhook gets one message for each state with the incident in it, and its address stands in no error', async () => {
  const { url, receiver, posted } = await slack((nth, response) => response.writeHead(nth < 3 ? 200 : 404).end('ok'));
  const sink = slackWebhookSink({ name: 'slack', webhook: `${url}/services/T0/B0/geheim`, backoffMs: 1 });
  await sink.deliver(anAlert(), never);
  await sink.deliver(anAlert({ key: 'mail-triage/inc-7/settled', title: 'back on 1.2' }), never);
  expect(receiver.received.map(({ path }) => path)).toEqual(Array(2).fill('/services/T0/B0/geheim'));
  for (const { blocks } of posted()) expect(blocks[0]?.text.text).toContain('incident inc-7');
  const failure = await sink.deliver(anAlert({ key: 'x' }), never).catch((error: unknown) => String(error));
  expect(failure).toMatch(/Slack at 127\.0\.0\.1:\d+ did not take the alert: it answered 404/);
  expect(failure).not.toContain('geheim');
});
