import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Alert } from '../../activities/ports';
import { emailSink } from '../../adapters/alerts/email';
import { fanOutAlerts } from '../../adapters/alerts/fan-out';
import { AlertMemory } from '../../adapters/alerts/memory';
import { pagerDutySink } from '../../adapters/alerts/pagerduty';
import { forSeverities } from '../../adapters/alerts/severities';
import type { AlertSink } from '../../adapters/alerts/sink';
import { slackBotSink, slackWebhookSink } from '../../adapters/alerts/slack';
import { webhookSink } from '../../adapters/alerts/webhook';
import { anAlert } from '../support/alerts';
import { HangingServer } from '../support/hanging-server';
import { until } from '../support/poll';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
  removeTemporary();
});

function keeping(name: string): AlertSink & { seen: Alert[] } {
  const seen: Alert[] = [];
  return { name, seen, deliver: (alert) => Promise.resolve(void seen.push(alert)) };
}

test('a server that accepts and never answers holds up no other sink and no later alert, in each form, and is counted', async () => {
  const hanging = new HangingServer();
  const port = await hanging.start();
  ends.push(() => hanging.stop());
  const url = `http://127.0.0.1:${port}`;
  const memory = new AlertMemory({ file: null });
  const limits = { attempts: 50, attemptLimitMs: 60_000, totalLimitMs: 60_000 };
  const stuck: AlertSink[] = [
    webhookSink({ url, secrets: [`whsec_${Buffer.alloc(32, 7).toString('base64')}`], name: 'webhook', ...limits }),
    slackWebhookSink({ webhook: url, name: 'slack webhook', ...limits }),
    slackBotSink({ url, token: () => 'x', channel: 'C', memory, name: 'slack bot', ...limits }),
    pagerDutySink({ url, routingKey: () => 'R', memory, name: 'pagerduty', ...limits }),
    emailSink({ host: '127.0.0.1', port, tls: 'none', from: 'a@b.c', to: ['d@e.f'], name: 'email', ...limits }),
  ];
  const good = keeping('good');
  const outcomes = new Map<string, (string | null)[]>();
  const alerts = fanOutAlerts({
    sinks: [...stuck, good],
    memory,
    othersWaitMs: 50,
    sinkLimitMs: 1_500,
    onOutcome: (sink, why) => outcomes.set(sink, [...(outcomes.get(sink) ?? []), why]),
  });
  for (let nth = 0; nth < 5; nth += 1) {
    const { delivered, failed } = await alerts.send(anAlert({ key: `state-${nth}` }));
    expect(delivered).toEqual(['good']);
    expect(failed.map(({ sink }) => sink)).toEqual(stuck.map(({ name }) => name));
    for (const { why } of failed) expect(why).toBe('no answer within 50 ms; it is still tried');
  }
  expect(good.seen).toHaveLength(5);
  const givenUp = () =>
    stuck.every(({ name }) => outcomes.get(name)?.length === 5 && !outcomes.get(name)?.includes(null));
  await until('every delivery to be given up', givenUp, 30_000);
  expect(outcomes.get('good')).toEqual([null, null, null, null, null]);
  await until('no connection to be left', () => hanging.sockets.size === 0, 30_000);
}, 70_000);

test('a look at an incident that hangs holds nothing up, and is not begun a second time meanwhile', async () => {
  let begun = 0;
  const sink: AlertSink = {
    ...keeping('pager'),
    follow: () => {
      begun += 1;
      return new Promise<void>(() => {});
    },
  };
  const alerts = fanOutAlerts({ sinks: [sink], sinkLimitMs: 200 });
  for (let nth = 0; nth < 3; nth += 1) alerts.follow('mail-triage', null);
  alerts.follow('another', null);
  expect(begun).toBe(2);
  await until('the limit', () => {
    alerts.follow('mail-triage', null);
    return begun === 3;
  });
});

test('a state of an incident pages once in each sink, also from a process that begins anew', async () => {
  const file = join(temporaryDirectory('alerts'), 'alerts', 'shown.jsonl');
  const states = ['approval', 'waiting/probe', 'settled'].map((state) =>
    anAlert({ key: `mail-triage/inc-7/${state}` }),
  );
  const shown: string[] = [];
  for (let life = 0; life < 3; life += 1) {
    const sink = keeping('one');
    const alerts = fanOutAlerts({ sinks: [sink], memory: new AlertMemory({ file }) });
    for (const alert of [...states, ...states]) await alerts.send(alert);
    shown.push(...sink.seen.map(({ key }) => key));
  }
  expect(shown).toEqual(states.map(({ key }) => key));
});

test('what was shown survives a torn line, and a memory that cannot be written says so and shows all the same', async () => {
  const directory = temporaryDirectory('alerts');
  const file = join(directory, 'shown.jsonl');
  await fanOutAlerts({ sinks: [keeping('one')], memory: new AlertMemory({ file }) }).send(anAlert({ key: 'a' }));
  writeFileSync(file, `${readFileSync(file, 'utf8')}{"sink":"one","wh`);
  const sink = keeping('one');
  const alerts = fanOutAlerts({ sinks: [sink], memory: new AlertMemory({ file }) });
  await alerts.send(anAlert({ key: 'a' }));
  await alerts.send(anAlert({ key: 'b' }));
  expect(sink.seen.map(({ key }) => key)).toEqual(['b']);
  expect(readFileSync(file, 'utf8').trim().split('\n')).toHaveLength(2);

  const faults: Error[] = [];
  const below = new AlertMemory({ file: join(file, 'no', 'directory'), onFault: (error) => faults.push(error) });
  const other = keeping('one');
  await fanOutAlerts({ sinks: [other], memory: below }).send(anAlert());
  expect(other.seen).toHaveLength(1);
  expect(faults.length).toBeGreaterThan(0);
  expect(existsSync(join(file, 'no'))).toBe(false);
});

test('the file of the memory stays bounded by what is remembered', async () => {
  const file = join(temporaryDirectory('alerts'), 'shown.jsonl');
  const memory = new AlertMemory({ file, limit: 10 });
  for (let nth = 0; nth < 260; nth += 1) void memory.note('one', `shown/${nth}`, 'shown');
  await memory.note('one', 'last', 'x');
  expect(readFileSync(file, 'utf8').split('\n').length).toBeLessThan(100);
  expect(new AlertMemory({ file, limit: 10 }).get('one', 'last')?.value).toBe('x');
});

test('a sink that takes pages only is neither delivered to nor failed at with a ticket', async () => {
  const pager = keeping('pager');
  const alerts = fanOutAlerts({ sinks: [forSeverities(['page'], pager), keeping('all')] });
  expect(await alerts.send(anAlert({ key: 'a', severity: 'ticket' }))).toEqual({ delivered: ['all'], failed: [] });
  expect((await alerts.send(anAlert({ key: 'b' }))).delivered).toEqual(['pager', 'all']);
  expect(pager.seen.map(({ key }) => key)).toEqual(['b']);
});
