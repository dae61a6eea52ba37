import { arrival, CLASSES, labelOf, type Mail } from '../../../examples/mail-triage/corpus';
import { removeNearDuplicates, shingles, THRESHOLD } from '../../../examples/mail-triage/dedup';
import { decodeBody, decodeHeader, parseMessage } from '../../../examples/mail-triage/mime';
import type { Prepared } from '../../../examples/mail-triage/prepared';
import { splitByTime } from '../../../examples/mail-triage/split';
import { BUILD_TIMEOUT_MS, prepared } from './example-files';

const raw = (...lines: string[]): string => lines.join('\n');

const mail = (id: string, label: Mail['label'], timeMs: number, text: string): Mail => ({
  id,
  source: id.split('/')[0] as string,
  label,
  timeMs,
  text,
});

describe('reading a mail', () => {
  it('decodes quoted-printable with its character set and soft line breaks', () => {
    const message = parseMessage(
      raw(
        'Content-Type: text/plain; charset="iso-8859-1"',
        'Content-Transfer-Encoding: quoted-printable',
        '',
        'caf=E9 au=',
        ' lait =3D 5',
      ),
    );
    expect(decodeBody(message)).toBe('café au lait = 5');
  });

  it('decodes base64, encoded words and each text part of a multipart body, and keeps HTML tags', () => {
    const message = parseMessage(
      raw(
        'Content-Type: multipart/alternative;',
        '\tboundary="b1"',
        '',
        'preamble',
        '--b1',
        'Content-Type: text/plain; charset=utf-8',
        'Content-Transfer-Encoding: base64',
        '',
        Buffer.from('grüße').toString('base64'),
        '--b1',
        'Content-Type: text/html',
        '',
        '<b>hello</b>',
        '--b1',
        'Content-Type: image/gif',
        '',
        'R0lGODlh',
        '--b1--',
      ),
    );
    expect(decodeBody(message)).toBe('grüße\n<b>hello</b>');
    expect(decodeHeader('=?iso-8859-1?Q?na=EFve?= =?utf-8?B?w6l0w6k=?= plain')).toBe('naïveété plain');
  });

  it('keeps the body of a mail whose character set nobody knows', () => {
    const message = parseMessage(
      raw('Content-Type: text/plain; charset=DEFAULT', 'Content-Transfer-Encoding: quoted-printable', '', 'a=80b'),
    );
    expect(decodeBody(message)).toBe('a€b');
  });

  it('takes the first plausible Received line, not the sender’s Date and not a hop with a wrong clock', () => {
    const text = raw(
      'Received: from a by b; Mon, 01 Jan 2035 00:00:00 +0000',
      'Received: from c by d (8.11.6); Thu, 22 Aug 2002',
      '    07:34:07 -0400 (EDT)',
      'Received: from e by f; Thu, 22 Aug 2002 09:00:00 +0000',
      'Date: Tue, 1 Jan 2028 00:00:00 +0000',
      '',
      'x',
    );
    expect(arrival(parseMessage(text), text)).toBe(Date.UTC(2002, 7, 22, 11, 34, 7));
  });

  it('reads a time without a zone as UTC, wherever it runs', () => {
    const text = raw('From someone@example.org  Thu Aug 22 12:36:23 2002', 'Subject: x', '', 'x');
    expect(arrival(parseMessage(text), text)).toBe(Date.UTC(2002, 7, 22, 12, 36, 23));
  });

  it('calls newsletters and the feed robot bulk, in their folders only', () => {
    const feed = parseMessage('From: slashdot <rssfeeds@spamassassin.taint.org>\n\nx');
    const person = parseMessage('From: A Person <person@example.org>\n\nx');
    expect(labelOf('easy-ham-1', feed)).toBe('bulk');
    expect(labelOf('easy-ham-1', person)).toBe('discussion');
    expect(labelOf('easy-ham-2', person)).toBe('discussion');
    expect(labelOf('hard-ham-1', person)).toBe('bulk');
    expect(labelOf('spam-2', feed)).toBe('spam');
  });
});

describe('near duplicates', () => {
  const words = 'buy this wonderful thing today for only 19 dollars and tell all of your friends about it soon';

  it('keeps the earliest mail of a group and counts the rest', () => {
    const result = removeNearDuplicates([
      mail('spam-2/1', 'spam', 200, words.replace('19', '25')),
      mail('spam-1/1', 'spam', 100, words),
      mail('spam-1/2', 'spam', 300, 'something entirely different that nobody else has ever written before'),
    ]);
    expect(result.kept.map((kept) => kept.id)).toEqual(['spam-1/1', 'spam-1/2']);
    expect(result).toMatchObject({ duplicates: 1, conflictingGroups: 0, pairsAcrossSpam: 1 });
  });

  it('drops a group whole when its mails carry different labels', () => {
    const result = removeNearDuplicates([
      mail('spam-1/1', 'spam', 100, words),
      mail('easy-ham-1/1', 'discussion', 200, words),
    ]);
    expect(result).toMatchObject({ kept: [], duplicates: 0, conflictingGroups: 1, conflictingMails: 2 });
  });
});

describe('the prepared set of real mail', () => {
  let data: Prepared;
  beforeAll(async () => {
    data = await prepared();
  }, BUILD_TIMEOUT_MS);

  it('comes from all 6,046 mails of the package and loses about 1,300 near duplicates', () => {
    const { rawMails, duplicates, conflictingMails, conflictingGroups, pairsAcrossSpam } = data.summary;
    expect(rawMails).toBe(6046);
    expect(duplicates).toBeGreaterThan(1200);
    expect(duplicates).toBeLessThan(1500);
    expect(pairsAcrossSpam).toBeGreaterThan(200);
    expect(conflictingGroups).toBeGreaterThanOrEqual(1);
    expect(data.training.length + data.test.length).toBe(rawMails - duplicates - conflictingMails);
  });

  it('has no near duplicate on both sides of the split, by the overlap of every pair', () => {
    const training = data.training.map(shingles);
    const owners = new Map<number, number[]>();
    training.forEach((set, index) => {
      for (const item of set) {
        const known = owners.get(item);
        if (known) known.push(index);
        else owners.set(item, [index]);
      }
    });
    let closest = 0;
    for (const test of data.test) {
      const set = shingles(test);
      const shared = new Map<number, number>();
      for (const item of set)
        for (const owner of owners.get(item) ?? []) shared.set(owner, (shared.get(owner) ?? 0) + 1);
      for (const [owner, count] of shared) {
        closest = Math.max(closest, count / (set.length + (training[owner] as Int32Array).length - count));
      }
    }
    expect(closest).toBeLessThan(THRESHOLD);
    expect(closest).toBeGreaterThan(THRESHOLD / 2);
  }, 60_000);

  it('splits 60/40 by time inside each class', () => {
    for (const label of CLASSES) {
      const training = data.training.filter((one) => one.label === label);
      const test = data.test.filter((one) => one.label === label);
      expect(training.length / (training.length + test.length)).toBeCloseTo(0.6, 2);
      const newestTraining = training.reduce((newest, one) => Math.max(newest, one.timeMs), 0);
      expect(test.filter((one) => one.timeMs < newestTraining)).toEqual([]);
    }
  });

  it('keeps the class mix of the test part at 24/16/60 within a point', () => {
    const share = (label: string): number =>
      (100 * data.test.filter((one) => one.label === label).length) / data.test.length;
    expect(Math.abs(share('spam') - 24)).toBeLessThan(1);
    expect(Math.abs(share('bulk') - 16)).toBeLessThan(1);
    expect(Math.abs(share('discussion') - 60)).toBeLessThan(1);
  });

  it('would have changed the class mix beyond recognition with one cut date for all classes', () => {
    const all = [...data.training, ...data.test].sort((a, b) => a.timeMs - b.timeMs);
    const late = all.slice(Math.round(all.length * 0.6));
    const perClass = splitByTime(all).test;
    const share = (mails: Mail[]): number => mails.filter((one) => one.label === 'spam').length / mails.length;
    expect(Math.abs(share(late) - share(perClass))).toBeGreaterThan(0.03);
  });

  it('gives the model subject and body, no header of the transport', () => {
    const leaking = [...data.training, ...data.test].filter((one) =>
      /^(received|return-path|x-mailer):/i.test(one.text),
    );
    expect(leaking).toEqual([]);
  });
});
