import { writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import type { Alert } from '../../activities/ports';
import { journalSink } from '../../adapters/alerts/journal';
import { Observations } from '../../gateway/observations';
import { Samples, UnderLegalHold } from '../../gateway/samples';
import { Service } from '../../gateway/service';
import { Storage } from '../../gateway/storage';
import { gatewayConfigOf } from '../../workers/configuration/gateway-file';
import { loadConfiguration } from '../../workers/configuration/load';
import { pipelinePolicies, pipelinesSchema } from '../../workers/configuration/pipelines-schema';
import { runPaths } from '../../workers/embedded/paths';
import { diskAlert, diskState, isHeld, lookAtHolds, recordHold } from '../../workers/legal-hold';
import { MemoryLedger } from '../support/memory-ledger';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

afterAll(removeTemporary);

const now = Date.UTC(2026, 10, 23, 12);
const day = 86_400_000;
const hold = { by: 'Dr. Weber', reason: 'case 4711' };

function configured(more = ''): ReturnType<typeof loadConfiguration> {
  const file = join(temporaryDirectory('hold'), 'lastgood.yaml');
  writeFileSync(
    file,
    `services:
  mail:
    model: m
    serving: { runtime: external, address: 'http://127.0.0.1:9' }
${more}`,
  );
  return loadConfiguration(file);
}

const held = (): ReturnType<typeof loadConfiguration> =>
  configured('    legalHold: { by: Dr. Weber, reason: case 4711 }\n');

describe('what the configuration says is in the ledger', () => {
  it('once: its begin with name and reason, a change, its end; a restart and a second controller write nothing', async () => {
    const ledger = new MemoryLedger();
    const say = (legalHold: typeof hold | null, at: number): Promise<boolean> =>
      recordHold(ledger, { name: 'mail', legalHold }, 'lastgood.yaml', at);
    expect(await say(null, now)).toBe(false);
    expect(await say(hold, now)).toBe(true);
    expect(await say(hold, now + 1)).toBe(false);
    expect(await say({ ...hold, reason: 'cases 4711 and 4712' }, now + 2)).toBe(true);
    expect(await say(null, now + 3)).toBe(true);
    expect(await say(null, now + 4)).toBe(false);
    expect(await say(hold, now + 5)).toBe(true);
    expect(ledger.entries('mail').map(({ kind, actor, summary }) => [kind, actor.name, actor.proof, summary])).toEqual([
      ['operator-act', 'Dr. Weber', 'unverified', 'legal hold begins, by Dr. Weber: case 4711'],
      ['operator-act', 'Dr. Weber', 'unverified', 'legal hold is changed, by Dr. Weber: cases 4711 and 4712'],
      [
        'operator-act',
        'Dr. Weber',
        'unverified',
        'legal hold ends, by Dr. Weber: taken out of lastgood.yaml; it was: cases 4711 and 4712',
      ],
      ['operator-act', 'Dr. Weber', 'unverified', 'legal hold begins, by Dr. Weber: case 4711'],
    ]);
  });

  it('two controllers that look at the same moment write one entry', async () => {
    const ledger = new MemoryLedger();
    const both = [0, 1].map((later) => recordHold(ledger, { name: 'mail', legalHold: hold }, 'f', now + later));
    expect((await Promise.all(both)).filter(Boolean)).toHaveLength(1);
    expect(ledger.entries('mail')).toHaveLength(1);
  });

  it('refuses a hold without a name or a reason', () => {
    expect(() => configured('    legalHold: { by: x }\n')).toThrow(/legalHold\.reason/);
    expect(() => configured("    legalHold: { by: ' ', reason: r }\n")).toThrow(/who orders it/);
  });
});

describe('while it is in force', () => {
  const request = { url: '/v1', headers: { 'content-type': 'application/json' } } as unknown as IncomingMessage;
  const about = {
    requestId: 'r',
    session: 's',
    version: '1',
    failed: false,
    predicted: null,
    score: null,
    finish: null,
  };

  it.each([true, false])('samples stay by count and age, and a deletion is refused with a sentence: %s', (isHeld) => {
    const storage = new Storage(temporaryDirectory('held'));
    const config = { share: 1, maxCount: 2, maxAgeMs: day, redactFields: [] };
    const samples = new Samples(storage, 'mail', config, isHeld);
    for (let n = 0; n < 5; n += 1) samples.keep(request, Buffer.from('{"n":1}'), { ...about, answer: null });
    samples.flush();
    samples.trim(Date.now() + 2 * day);
    const left = storage.prepare('SELECT count(*) AS n FROM samples').get() as { n: number };
    expect(left.n).toBe(isHeld ? 5 : 0);
    const remove = (by: Parameters<Samples['remove']>[0]) => () => samples.remove(by);
    if (isHeld) {
      expect(remove({ requestId: 'r' })).toThrow(UnderLegalHold);
      expect(remove({ session: 's' })).toThrow(
        'nothing was deleted: mail is under a legal hold (services.mail.legalHold)',
      );
    } else expect(remove({ requestId: 'r' })()).toBe(0);
    storage.close();
  });

  it('the gateway is told, keeps rows of seconds, labels, values and answers of any age, and finds old answers', () => {
    const configuration = held();
    const [service] = gatewayConfigOf(configuration, runPaths(configuration.dataDir)).services;
    expect(service).toMatchObject({ legalHold: true, answerRetentionDays: 36_500 });
    expect(isHeld(configuration)).toBe(true);
    expect(gatewayConfigOf(configured(), runPaths('/x')).services[0]).not.toHaveProperty('legalHold');
    expect(isHeld(configured())).toBe(false);
    const swept: string[] = [];
    const part = (name: string): unknown => ({
      sweep: () => swept.push(name),
      removeOld: () => swept.push(name),
      trim: () => swept.push(name),
      on: true,
    });
    const parts = { config: { name: 'mail' }, cache: null };
    for (const name of ['sessions', 'answers', 'feedback', 'observations', 'samples'])
      Object.assign(parts, { [name]: part(name) });
    Service.prototype.housekeeping.call(parts as unknown as Service, now, ['mail']);
    expect(swept).toEqual(['sessions']);
    Service.prototype.housekeeping.call(parts as unknown as Service, now, ['other']);
    expect(swept).toEqual(['sessions', 'sessions', 'answers', 'feedback', 'observations', 'samples']);
  });

  it('values of a held service do not make room for those of another one', () => {
    const storage = new Storage(temporaryDirectory('held'));
    const declared = [{ metric: 'm', min: null, max: null }];
    const [mine, other] = ['mail', 'other'].map((name) => new Observations(storage, name, declared, day));
    mine?.take({ key: 'k', items: [{ metric: 'm', value: 1, at: new Date(now).toISOString(), n: 1 }] }, now);
    // The newest two million of all services stay; the counter is what is compared.
    storage.prepare("UPDATE sqlite_sequence SET seq = 3000000 WHERE name = 'observations'").run();
    other?.take({ key: 'k', items: [{ metric: 'm', value: 1, at: new Date(now).toISOString(), n: 1 }] }, now);
    other?.removeOld(now, ['mail']);
    expect(mine?.values('m', 0, now + 1, 10)).toHaveLength(1);
    other?.removeOld(now, []);
    expect(mine?.values('m', 0, now + 1, 10)).toHaveLength(0);
    storage.close();
  });

  it('the journal of alerts grows past its limit', async () => {
    const file = join(temporaryDirectory('held'), 'alerts.jsonl');
    const sink = journalSink({ file, limitBytes: 10, keepsAll: true });
    const { existsSync } = await import('node:fs');
    await sink.deliver({ ...alert(), key: 'a' }, new AbortController().signal);
    await sink.deliver({ ...alert(), key: 'b' }, new AbortController().signal);
    expect(existsSync(`${file}.1`)).toBe(false);
  });

  it('every pipeline of the service is held too, so that nothing is flushed', () => {
    const text = pipelinesSchema.parse({
      mails: {
        kind: 'webhook',
        action: 'flush',
        url: 'http://127.0.0.1:9/items',
      },
    });
    expect(pipelinePolicies(text, true)).toMatchObject([{ name: 'mails', legalHold: true }]);
    expect(pipelinePolicies(text)[0]).not.toHaveProperty('legalHold');
  });
});

describe('the disk', () => {
  const gib = 1024 ** 3;
  const total = 100 * gib;

  it('is told long before it is full: a ticket, then a page, a new one each day', () => {
    expect(diskState({ freeBytes: 6 * gib, totalBytes: total })).toBe('enough');
    expect(diskState({ freeBytes: 4 * gib, totalBytes: total })).toBe('short');
    expect(diskState({ freeBytes: 0.9 * gib, totalBytes: total })).toBe('nearly-full');
    expect(diskState({ freeBytes: 0.2 * gib, totalBytes: gib })).toBe('enough');
    expect(diskAlert('mail', { freeBytes: 6 * gib, totalBytes: total }, '/d', now)).toBeNull();
    const first = diskAlert('mail', { freeBytes: 4 * gib, totalBytes: total }, '/d', now);
    expect(first).toMatchObject({
      severity: 'ticket',
      wrong: expect.stringContaining('4.0 GiB of 100.0 GiB are free'),
    });
    expect(diskAlert('mail', { freeBytes: 4 * gib, totalBytes: total }, '/d', now + day)?.key).not.toBe(first?.key);
    expect(diskAlert('mail', { freeBytes: 0, totalBytes: total }, '/d', now)?.severity).toBe('page');
  });

  it('is looked at only where something is held, and with the record of the hold', async () => {
    const sent: Alert[] = [];
    const alerts = { send: (one: Alert) => Promise.resolve(sent.push(one)) };
    const ledger = new MemoryLedger();
    const configuration = held();
    await lookAtHolds({ configuration, ledger, alerts, now: () => now });
    await lookAtHolds({ configuration, ledger, alerts, now: () => now });
    expect(ledger.entries('mail')).toHaveLength(1);
    expect(sent.every(({ key }) => key.startsWith('legal-hold-disk/mail/'))).toBe(true);
  });
});

function alert(): Alert {
  const found = diskAlert('mail', { freeBytes: 0, totalBytes: 1 }, '/d', now);
  if (found === null) throw new Error('a full disk is told');
  return found;
}
