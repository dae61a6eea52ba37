import { emailSink, type EmailOptions } from '../../adapters/alerts/email';
import { readFileSync } from 'node:fs';
import { anAlert } from '../support/alerts';
import { Authority, pemOf } from '../support/certificates';
import { HangingServer } from '../support/hanging-server';
import { SmtpReceiver, type SmtpReceiverOptions } from '../support/smtp-receiver';
import { until } from '../support/poll';

const never = new AbortController().signal;
const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

async function receiver(options: SmtpReceiverOptions = {}): Promise<{ smtp: SmtpReceiver; port: number }> {
  const smtp = new SmtpReceiver(options);
  const port = await smtp.start();
  ends.push(() => smtp.stop());
  return { smtp, port };
}

function sinkAt(port: number, change: Partial<EmailOptions> = {}): ReturnType<typeof emailSink> {
  const from = 'lastgood <lastgood@example.org>';
  const to = ['ops@example.org', 'ada@example.org'];
  return emailSink({ name: 'email', host: '127.0.0.1', port, tls: 'none', from, to, backoffMs: 1, ...change });
}

test('a mail has every line of the alert, goes to each address, and a page is marked as urgent', async () => {
  const { smtp, port } = await receiver();
  const sink = sinkAt(port);
  await sink.deliver(anAlert({ wrong: 'recall of class “bulk” is 0.78 ≤ 0.90\n.\nhidden' }), never);
  await sink.deliver(anAlert({ key: 'x/ticket', severity: 'ticket' }), never);
  const [page, ticket] = smtp.mails;
  expect(page).toMatchObject({ from: 'lastgood@example.org', to: ['ops@example.org', 'ada@example.org'] });
  const text = page?.body.replace(/\s+/g, ' ') ?? '';
  const { title, did, users, must, command, link } = anAlert();
  for (const line of [title, 'recall of class “bulk” is 0.78 ≤ 0.90 . hidden', did, users, must, command, link])
    expect(text).toContain(line);
  expect(page?.headers).toMatchObject({ importance: 'High', 'auto-submitted': 'auto-generated' });
  expect(ticket?.headers['importance']).toBeUndefined();
  expect(ticket?.headers['x-lastgood-severity']).toBe('ticket');
});

test('the mails of an incident are one thread, and the same alert is the same mail', async () => {
  const { smtp, port } = await receiver();
  const sink = sinkAt(port);
  await sink.deliver(anAlert(), never);
  await sink.deliver(anAlert({ key: 'mail-triage/inc-7/settled', severity: 'ticket', title: 'back on 1.2' }), never);
  await sink.deliver(anAlert(), never);
  await sink.deliver(anAlert({ key: 'mail-triage/inc-8/rolling-back', incident: 'inc-8' }), never);
  const [first, settled, again, other] = smtp.mails.map(({ headers }) => headers);
  expect(settled?.['subject']).toBe(first?.['subject']);
  expect(settled?.['references']).toBe(first?.['references']);
  expect(settled?.['in-reply-to']).toBe(settled?.['references']);
  expect(settled?.['message-id']).not.toBe(first?.['message-id']);
  expect(again?.['message-id']).toBe(first?.['message-id']);
  expect(first?.['message-id']).toMatch(/^<[0-9a-f]{40}@example\.org>$/);
  expect(other?.['references']).not.toBe(first?.['references']);
  expect(other?.['subject']).toContain('inc-8');
});

test('a password goes over TLS only, to a server whose certificate is from the authority that was named', async () => {
  const authority = new Authority('mail authority');
  const tls = pemOf(authority.issue('mail', 'IP:127.0.0.1'));
  const { smtp, port } = await receiver({ tls, login: 'ops:secret' });
  const login = { user: 'ops', password: () => 'secret' };
  const ca = readFileSync(authority.caFile, 'utf8');
  await sinkAt(port, { tls: 'starttls', ca, login }).deliver(anAlert(), never);
  expect(smtp.mails).toMatchObject([{ login: 'ops', secure: true }]);
  const strange = sinkAt(port, { tls: 'starttls', login }).deliver(anAlert(), never);
  await expect(strange).rejects.toThrow(/the mail server at 127\.0\.0\.1:\d+ did not take the alert: .*\(attempt/);
  const wrong = sinkAt(port, { tls: 'starttls', ca, login: { ...login, password: () => 'wrong' } });
  await expect(wrong.deliver(anAlert(), never)).rejects.toThrow('it answered 535 (EAUTH) (attempt 1 of 5)');
  const misnamed = await receiver({ tls: pemOf(authority.issue('other', 'IP:127.0.0.2')), login: 'ops:secret' });
  const toMisnamed = sinkAt(misnamed.port, { tls: 'starttls', ca, login }).deliver(anAlert(), never);
  await expect(toMisnamed).rejects.toThrow('did not take the alert');
  expect(misnamed.smtp.mails).toEqual([]);
  const plain = await receiver({ login: 'ops:secret' });
  await expect(sinkAt(plain.port, { tls: 'starttls', login }).deliver(anAlert(), never)).rejects.toThrow('ETLS');
  expect([smtp.mails.length, plain.smtp.mails.length]).toEqual([1, 0]);
});

test('a server that is busy is asked again, one that refuses for good is not', async () => {
  const busy = await receiver({ answer: (nth) => (nth < 3 ? '451 greylisted' : '250 taken') });
  await sinkAt(busy.port).deliver(anAlert(), never);
  expect(busy.smtp.mails).toHaveLength(3);
  expect(new Set(busy.smtp.mails.map(({ headers }) => headers['message-id'])).size).toBe(1);
  const closed = await receiver({ answer: () => '554 we know you' });
  await expect(sinkAt(closed.port).deliver(anAlert(), never)).rejects.toThrow('it answered 554');
  expect(closed.smtp.mails).toHaveLength(1);
});

test('a server that says nothing, and one that takes a mail and never says so, are left at the limit without a connection', async () => {
  const hanging = new HangingServer();
  const port = await hanging.start();
  ends.push(() => hanging.stop());
  const limits = { attempts: 2, attemptLimitMs: 100 };
  await expect(sinkAt(port, limits).deliver(anAlert(), never)).rejects.toThrow('(attempt 2 of 2)');
  expect(hanging.accepted).toBe(2);
  await until('the end of both connections', () => hanging.sockets.size === 0);
  const silent = await receiver({ answer: () => null });
  const gaveUp = sinkAt(silent.port, { attempts: 1, attemptLimitMs: 2_000 }).deliver(anAlert(), never);
  await expect(gaveUp).rejects.toThrow(/no answer in time|ETIMEDOUT/);
  expect(silent.smtp.mails).toHaveLength(1);
});

test('a mail server at an address that answers with credentials is refused', () => {
  expect(() => sinkAt(25, { host: '169.254.169.254' })).toThrow('link-local');
});
