/**
 * The stream of mail that is replayed as live traffic: the test part, shuffled by the seed, pass after pass. Each pass
 * holds every mail once, so the class mix of the test part (24 % spam, 16 % bulk, 60 % discussion) is kept; mails
 * repeat from the second pass on.
 */
import type { Mail, MailClass } from './corpus';
import { preparedMails } from './prepared';
import { seededRandom, shuffle } from './random';

export interface StreamedMail {
  /** 0, 1, 2, … */
  sequence: number;
  /** How often the whole test part was sent before. */
  pass: number;
  mailId: string;
  source: string;
  /** The true label. */
  label: MailClass;
  /** `subject`, an empty line, the decoded body. */
  text: string;
}

/** The mails of the test part, from the prepared set below `dataDirectory` (made when missing). */
export async function testMails(dataDirectory: string): Promise<Mail[]> {
  return (await preparedMails(dataDirectory)).test;
}

/** An endless stream; the same mails and seed give the same stream. The caller prints the seed. */
export function* mailStream(mails: readonly Mail[], seed: number): Generator<StreamedMail, never> {
  if (mails.length === 0) throw new Error('mail stream: no mails');
  const random = seededRandom(seed);
  const order = Int32Array.from(mails.keys());
  for (let sequence = 0; ; sequence += 1) {
    const position = sequence % mails.length;
    if (position === 0) shuffle(order, random);
    const mail = mails[order[position] as number] as Mail;
    yield {
      sequence,
      pass: Math.floor(sequence / mails.length),
      mailId: mail.id,
      source: mail.source,
      label: mail.label,
      text: mail.text,
    };
  }
}
