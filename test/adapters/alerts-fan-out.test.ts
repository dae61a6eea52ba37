import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import type { Alert } from '../../activities/ports';
import { fanOutAlerts } from '../../adapters/alerts/fan-out';
import { journalSink, readAlertJournal } from '../../adapters/alerts/journal';
import { renderAlert } from '../../adapters/alerts/message';
import type { AlertSink } from '../../adapters/alerts/sink';
import { terminalSink } from '../../adapters/alerts/terminal';
import { webhookSink } from '../../adapters/alerts/webhook';
import { anAlert } from '../support/alerts';
import { HttpReceiver } from '../support/http-receiver';

let directory: string;
let journal: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lastgood-alerts-'));
  journal = join(directory, 'alerts', 'journal.ndjson');
});
afterEach(() => rmSync(directory, { recursive: true }));

/** A sink that does what the test says for each delivery, and keeps what it was given. */
function sinkOf(name: string, act: (nth: number, signal: AbortSignal) => Promise<void>): AlertSink & { seen: Alert[] } {
  const seen: Alert[] = [];
  return {
    name,
    seen,
    deliver(alert, signal) {
      seen.push(alert);
      return act(seen.length, signal);
    },
  };
}

const hanging = () => new Promise<void>(() => {});

test('one alert reaches terminal, journal and webhook', async () => {
  const receiver = new HttpReceiver((_nth, response) => response.writeHead(204).end());
  const url = await receiver.start();
  const stream = new PassThrough();
  const sinks = [
    terminalSink({ stream }),
    journalSink({ file: journal }),
    webhookSink({ url, secrets: [`whsec_${Buffer.alloc(32, 7).toString('base64')}`], name: 'on-call' }),
  ];
  const result = await fanOutAlerts({ sinks }).send(anAlert());
  expect(result).toEqual({ delivered: ['terminal', 'journal', 'on-call'], failed: [] });
  expect(String(stream.read())).toBe(`\n${renderAlert(anAlert())}\n\n`);
  expect((await readAlertJournal(journal)).alerts.map((line) => line.alert)).toEqual([anAlert()]);
  expect(receiver.received).toHaveLength(1);
  await receiver.stop();
});

test('a sink that hangs does not delay the others and is reported at its limit', async () => {
  const deliveredAt: number[] = [];
  const quick = sinkOf('quick', async () => void deliveredAt.push(Date.now()));
  const begun = Date.now();
  // The hanging one never answers and ignores its signal: worse than one that hangs for a minute.
  const alerts = fanOutAlerts({ sinks: [sinkOf('stuck', hanging), quick], sinkLimitMs: 300 });
  const result = await alerts.send(anAlert());
  expect(result).toEqual({ delivered: ['quick'], failed: [{ sink: 'stuck', why: 'no answer within 300 ms' }] });
  expect((deliveredAt[0] ?? Infinity) - begun).toBeLessThan(250);
  expect(Date.now() - begun).toBeLessThan(5_000);
});

test('a sink gets a signal that ends with its limit', async () => {
  let signal: AbortSignal | undefined;
  const stuck = sinkOf('stuck', (_nth, given) => {
    signal = given;
    return hanging();
  });
  await fanOutAlerts({ sinks: [stuck], sinkLimitMs: 30 }).send(anAlert());
  if (!signal?.aborted) await new Promise((resolve) => signal?.addEventListener('abort', resolve));
  expect(signal?.reason).toMatchObject({ name: 'TimeoutError' });
});

test('a sink that throws at once or rejects is named with its reason, the others deliver', async () => {
  const throwing: AlertSink = {
    name: 'throwing',
    deliver() {
      throw new Error('broken');
    },
  };
  const rejecting = sinkOf('rejecting', () => Promise.reject(new Error('full')));
  const good = sinkOf('good', async () => {});
  expect(await fanOutAlerts({ sinks: [throwing, rejecting, good] }).send(anAlert())).toEqual({
    delivered: ['good'],
    failed: [
      { sink: 'throwing', why: 'broken' },
      { sink: 'rejecting', why: 'full' },
    ],
  });
});

test('the same key is shown once for a day in each sink; another key and the next day are shown', async () => {
  let nowMs = 1_000_000;
  const sink = sinkOf('one', async () => {});
  const alerts = fanOutAlerts({ sinks: [sink], now: () => nowMs });
  for (let times = 0; times < 3; times += 1) {
    expect(await alerts.send(anAlert())).toEqual({ delivered: ['one'], failed: [] });
  }
  await alerts.send(anAlert({ key: 'another' }));
  expect(sink.seen.map((alert) => alert.key)).toEqual([anAlert().key, 'another']);
  nowMs += 86_400_000;
  await alerts.send(anAlert());
  expect(sink.seen).toHaveLength(3);
});

test('a repeated alert goes only to the sink that had not taken it', async () => {
  const good = sinkOf('good', async () => {});
  const flaky = sinkOf('flaky', async (nth) => {
    if (nth === 1) throw new Error('not yet');
  });
  const alerts = fanOutAlerts({ sinks: [good, flaky] });
  expect((await alerts.send(anAlert())).failed).toEqual([{ sink: 'flaky', why: 'not yet' }]);
  expect((await alerts.send(anAlert())).delivered).toEqual(['good', 'flaky']);
  expect([good.seen.length, flaky.seen.length]).toEqual([1, 2]);
});

test('twenty sends of one key at once are one showing', async () => {
  const sink = sinkOf('one', () => new Promise((resolve) => setImmediate(resolve)));
  const alerts = fanOutAlerts({ sinks: [sink] });
  const results = await Promise.all(Array.from({ length: 20 }, () => alerts.send(anAlert())));
  expect(results.every((result) => result.delivered.length === 1)).toBe(true);
  expect(sink.seen).toHaveLength(1);
});

test('an alert that was shown after the limit is not shown again', async () => {
  let show = (): void => {};
  const slow = sinkOf('slow', () => new Promise<void>((resolve) => (show = resolve)));
  const alerts = fanOutAlerts({ sinks: [slow], sinkLimitMs: 20 });
  expect((await alerts.send(anAlert())).failed).toHaveLength(1);
  show();
  // The showing is noted in the same turn of the event loop as it ends.
  await new Promise((resolve) => setImmediate(resolve));
  expect((await alerts.send(anAlert())).delivered).toEqual(['slow']);
  expect(slow.seen).toHaveLength(1);
});

test('the memory of shown keys is bounded and forgets the oldest', async () => {
  const sink = sinkOf('one', async () => {});
  const alerts = fanOutAlerts({ sinks: [sink], rememberedKeys: 2 });
  for (const key of ['a', 'b', 'c', 'c', 'a']) await alerts.send(anAlert({ key }));
  expect(sink.seen.map((alert) => alert.key)).toEqual(['a', 'b', 'c', 'a']);
});

test('two sinks of one name are refused', () => {
  expect(() => fanOutAlerts({ sinks: [sinkOf('x', hanging), sinkOf('x', hanging)] })).toThrow('same name');
});

describe('the terminal', () => {
  test('colours only the first line, and only when asked to', async () => {
    const stream = new PassThrough();
    await terminalSink({ stream, colour: true }).deliver(anAlert(), new AbortController().signal);
    const [, first, second] = String(stream.read()).split('\n');
    expect(first).toBe('\u001b[1;31mPAGE mail-triage: recall of bulk fell, rolling back to 1.2\u001b[0m');
    expect(second).not.toContain('\u001b');
  });

  test('that is gone is a failure with its reason', async () => {
    const stream = new PassThrough();
    stream.on('error', () => {});
    stream.end();
    const delivery = terminalSink({ stream }).deliver(anAlert(), new AbortController().signal);
    await expect(delivery).rejects.toMatchObject({ name: 'AlertUndelivered' });
  });
});

describe('the journal', () => {
  const signal = new AbortController().signal;

  test('keeps each alert as one line, whole also when many come at once, and is for its owner only', async () => {
    const sink = journalSink({ file: journal, now: () => 42 });
    await Promise.all(Array.from({ length: 30 }, (_, n) => sink.deliver(anAlert({ key: `k${n}` }), signal)));
    const lines = readFileSync(journal, 'utf8').trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).alert.key)).toEqual(Array.from({ length: 30 }, (_, n) => `k${n}`));
    expect(JSON.parse(lines[0] ?? '').loggedAt).toBe(42);
    expect(statSync(journal).mode & 0o777).toBe(0o600);
  });

  test('survives a torn line, which is counted and swallows nothing', async () => {
    const sink = journalSink({ file: journal });
    await sink.deliver(anAlert({ key: 'before' }), signal);
    appendFileSync(journal, '{"loggedAt":1,"ale');
    await journalSink({ file: journal }).deliver(anAlert({ key: 'after' }), signal);
    const { alerts, unreadable } = await readAlertJournal(journal);
    expect(alerts.map((line) => line.alert.key)).toEqual(['before', 'after']);
    expect(unreadable).toBe(1);
  });

  test('answers by service and time, one alert for each key, and is empty before the first', async () => {
    expect(await readAlertJournal(journal)).toEqual({ alerts: [], unreadable: 0 });
    let nowMs = 1_000;
    const sink = journalSink({ file: journal, now: () => nowMs });
    for (const [key, service] of [
      ['a', 's1'],
      ['b', 's2'],
      ['a', 's1'],
      ['c', 's1'],
    ] as const) {
      await sink.deliver(anAlert({ key, service }), signal);
      nowMs += 1_000;
    }
    const keys = async (query: Parameters<typeof readAlertJournal>[1]) =>
      (await readAlertJournal(journal, query)).alerts.map((line) => line.alert.key);
    expect(await keys({})).toEqual(['a', 'b', 'c']);
    expect(await keys({ service: 's1' })).toEqual(['a', 'c']);
    expect(await keys({ sinceMs: 2_000 })).toEqual(['b', 'c']);
  });

  test('stays bounded: the file before the current one is kept, older ones are not', async () => {
    const sink = journalSink({ file: journal, limitBytes: 2_000 });
    for (let n = 0; n < 12; n += 1) await sink.deliver(anAlert({ key: `k${n}` }), signal);
    const { alerts } = await readAlertJournal(journal);
    expect(alerts.at(-1)?.alert.key).toBe('k11');
    expect(alerts.length).toBeLessThan(12);
    const sizes = [journal, `${journal}.1`].filter((file) => existsSync(file)).map((file) => statSync(file).size);
    expect(Math.max(...sizes)).toBeLessThan(3_000);
  });

  test('that cannot be written fails with its path and takes the next alert when it can', async () => {
    const sink = journalSink({ file: join(directory, 'x', 'journal.ndjson') });
    appendFileSync(join(directory, 'x'), 'a file where a folder must be');
    await expect(sink.deliver(anAlert(), signal)).rejects.toThrow(/the alert journal .* cannot be written/);
    rmSync(join(directory, 'x'));
    await sink.deliver(anAlert(), signal);
  });
});
