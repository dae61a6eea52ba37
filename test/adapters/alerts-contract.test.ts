import { Writable } from 'node:stream';
import { fanOutAlerts } from '../../adapters/alerts/fan-out';
import { terminalSink } from '../../adapters/alerts/terminal';
import { webhookSink } from '../../adapters/alerts/webhook';
import { alertsContract } from '../support/contracts/alerts';
import { FakeAlerts } from '../support/fakes/alerts';
import { HttpReceiver } from '../support/http-receiver';

alertsContract('the fake', () => {
  const alerts = new FakeAlerts();
  return Promise.resolve({
    alerts,
    sink: 'memory',
    shown: () => alerts.texts(),
    fail: () => void (alerts.broken = 'the memory is full'),
    mend: () => void (alerts.broken = null),
    close: () => Promise.resolve(),
  });
});

alertsContract('the terminal', () => {
  let broken = false;
  const blocks: string[] = [];
  // A real stream that failed once is closed for good; what is asked here is what the adapter makes of each write.
  const write: Writable['write'] = (block: unknown, done?: unknown) => {
    if (!broken) blocks.push(String(block));
    (done as (error?: Error) => void)(broken ? new Error('EIO: nobody reads') : undefined);
    return true;
  };
  const stream = Object.assign(new Writable(), { write });
  return Promise.resolve({
    alerts: fanOutAlerts({ sinks: [terminalSink({ stream })] }),
    sink: 'terminal',
    shown: () => blocks,
    fail: () => void (broken = true),
    mend: () => void (broken = false),
    close: () => Promise.resolve(),
  });
});

alertsContract('a webhook', async () => {
  let broken = false;
  const texts: string[] = [];
  const receiver = new HttpReceiver((_nth, response) => {
    const { body } = receiver.received.at(-1) ?? { body: '' };
    if (!broken) texts.push((JSON.parse(body) as { data: { text: string } }).data.text);
    response.writeHead(broken ? 500 : 204).end();
  });
  const url = await receiver.start();
  const secrets = [`whsec_${Buffer.alloc(32, 7).toString('base64')}`];
  return {
    alerts: fanOutAlerts({ sinks: [webhookSink({ url, secrets, name: 'on-call', backoffMs: 1 })] }),
    sink: 'on-call',
    shown: () => texts,
    fail: () => void (broken = true),
    mend: () => void (broken = false),
    close: () => receiver.stop(),
  };
});
