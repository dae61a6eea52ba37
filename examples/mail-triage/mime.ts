/**
 * Enough of MIME to read mail from 2002: folded headers, encoded words, multipart bodies, quoted-printable, base64 and
 * the character sets that `TextDecoder` knows. What cannot be decoded is kept as it is: a mail is never refused.
 */
export interface Message {
  headers: { name: string; value: string }[];
  body: string;
}

const MAX_DEPTH = 8;

/** Splits a raw message into its headers (unfolded, names in lower case) and its body. */
export function parseMessage(raw: string): Message {
  const text = raw.replace(/\r\n/g, '\n');
  const end = text.indexOf('\n\n');
  const head = end < 0 ? text : text.slice(0, end);
  const headers: Message['headers'] = [];
  for (const line of head.split('\n')) {
    const last = headers[headers.length - 1];
    if (/^[ \t]/.test(line)) {
      if (last) last.value += ` ${line.trim()}`;
      continue;
    }
    const field = /^([!-9;-~]+)[ \t]*:(.*)$/.exec(line);
    if (field) headers.push({ name: (field[1] as string).toLowerCase(), value: (field[2] as string).trim() });
  }
  return { headers, body: end < 0 ? '' : text.slice(end + 2) };
}

export function header(message: Message, name: string): string | undefined {
  return message.headers.find((field) => field.name === name)?.value;
}

/** Decodes the encoded words (RFC 2047) of a header value. */
export function decodeHeader(value: string): string {
  return value
    .replace(/(\?=)\s+(=\?)/g, '$1$2')
    .replace(/=\?([^?\s]+)\?([bq])\?([^?]*)\?=/gi, (_whole, charset: string, kind: string, data: string) =>
      decodeBytes(
        kind.toLowerCase() === 'b' ? Buffer.from(data, 'base64') : quotedPrintable(data.replace(/_/g, ' ')),
        charset,
      ),
    );
}

/** The text of all `text/*` parts in their order, decoded; HTML keeps its tags. Other parts are left out. */
export function decodeBody(message: Message, depth = 0): string {
  const contentType = header(message, 'content-type') ?? 'text/plain';
  const kind = (/^\s*([a-z0-9.+-]+\/[a-z0-9.+-]+)/i.exec(contentType)?.[1] ?? 'text/plain').toLowerCase();
  if (kind.startsWith('multipart/') && depth < MAX_DEPTH) {
    const boundary = parameter(contentType, 'boundary');
    const parts = boundary === undefined ? [] : splitParts(message.body, boundary);
    const texts = parts.map((part) => decodeBody(parsePart(part), depth + 1)).filter((text) => text !== '');
    if (parts.length > 0) return texts.join('\n');
    return message.body;
  }
  if (kind === 'message/rfc822' && depth < MAX_DEPTH) {
    const inner = parseMessage(message.body);
    return `${decodeHeader(header(inner, 'subject') ?? '')}\n${decodeBody(inner, depth + 1)}`;
  }
  if (!kind.startsWith('text/') && kind !== 'text') return '';
  return decodeTransfer(message, parameter(contentType, 'charset'));
}

function decodeTransfer(message: Message, charset: string | undefined): string {
  const encoding = (header(message, 'content-transfer-encoding') ?? '7bit').trim().toLowerCase();
  if (encoding === 'base64') return decodeBytes(Buffer.from(message.body, 'base64'), charset);
  if (encoding === 'quoted-printable') return decodeBytes(quotedPrintable(message.body), charset);
  // The package stores text, not bytes: what was 8-bit is lost already. Only 7-bit character sets can be decoded here.
  if (charset?.toLowerCase() === 'iso-2022-jp') return decodeBytes(Buffer.from(message.body, 'latin1'), charset);
  return message.body;
}

function parsePart(part: string): Message {
  // A part may have no headers at all: then it begins with the empty line that ends them.
  return part.startsWith('\n') ? { headers: [], body: part.slice(1) } : parseMessage(part);
}

function splitParts(body: string, boundary: string): string[] {
  const parts: string[] = [];
  let current: string[] | undefined;
  for (const line of body.split('\n')) {
    const trimmed = line.trimEnd();
    if (trimmed === `--${boundary}` || trimmed === `--${boundary}--`) {
      if (current) parts.push(current.join('\n'));
      current = trimmed.endsWith('--') && trimmed !== `--${boundary}` ? undefined : [];
    } else current?.push(line);
  }
  // A cut mail has no closing boundary; its last part counts all the same.
  if (current && current.length > 0) parts.push(current.join('\n'));
  return parts;
}

function parameter(value: string, name: string): string | undefined {
  const found = new RegExp(`;\\s*${name}\\s*=\\s*(?:"([^"]*)"|([^\\s;]+))`, 'i').exec(value);
  return found?.[1] ?? found?.[2];
}

function quotedPrintable(text: string): Buffer {
  const joined = text.replace(/[ \t]*=[ \t]*\n/g, '');
  // Latin-1 keeps each byte; characters beyond it (already decoded in the package) become '?', as they are lost anyway.
  const bytes: number[] = [];
  for (let at = 0; at < joined.length; at += 1) {
    const code = joined.charCodeAt(at);
    const hex = code === 61 ? /^[0-9a-f]{2}/i.exec(joined.slice(at + 1, at + 3)) : null;
    if (hex) {
      bytes.push(Number.parseInt(hex[0], 16));
      at += 2;
    } else bytes.push(code < 256 ? code : 63);
  }
  return Buffer.from(bytes);
}

/** The labels that mean windows-1252 to everybody who decodes mail or web pages (WHATWG Encoding). */
const WESTERN = /^(us-ascii|ascii|iso-?8859-1|latin1|windows-1252|cp1252)$/;
const WINDOWS_1252 = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ';

function decodeBytes(bytes: Buffer, charset: string | undefined): string {
  const label = (charset ?? 'us-ascii')
    .toLowerCase()
    .replace(/^3d/, '')
    .replace(/^chinesebig5$/, 'big5');
  if (WESTERN.test(label)) return windows1252(bytes);
  try {
    return new TextDecoder(label).decode(bytes);
  } catch {
    // An unknown or misspelt character set: windows-1252 decodes any byte.
    return windows1252(bytes);
  }
}

/** Not `TextDecoder`: some releases of Node decode 0x80–0x9F as ISO 8859-1, and the prepared set would differ. */
function windows1252(bytes: Buffer): string {
  return bytes.toString('latin1').replace(/[\x80-\x9f]/g, (one) => WINDOWS_1252[one.charCodeAt(0) - 0x80] as string);
}
