import type { IncomingHttpHeaders } from 'node:http';
import { parsePath, valueAt, type Path } from './answer-reader';
import type { GatewayServiceConfig } from './protocol';

export const SESSION_ID_MAX = 64;

/**
 * Where the id of a session stands in a request: a header, a cookie, a field of a JSON body; the first that has one wins.
 * What is empty, longer than 64 characters or there more than once is none. Ids are untrusted: they choose among versions
 * that the record allows anyway, and nothing else.
 */
export class SessionIds {
  private readonly header: string | undefined;
  private readonly cookie: string | undefined;
  private readonly field: Path | undefined;
  /** As it stands in a body: a body without it need not be parsed. */
  private readonly fieldKey: string = '';

  constructor({
    sessionHeader,
    sessionCookie,
    sessionField,
  }: Pick<GatewayServiceConfig, 'sessionHeader' | 'sessionCookie' | 'sessionField'>) {
    this.header = sessionHeader?.toLowerCase();
    this.cookie = sessionCookie;
    if (sessionField === undefined) return;
    this.field = parsePath(sessionField);
    this.fieldKey = `"${sessionField.slice(sessionField.lastIndexOf('.') + 1)}"`;
  }

  /** Whether a body may have to be asked. */
  get readsBodies(): boolean {
    return this.field !== undefined;
  }

  ofHeaders(headers: IncomingHttpHeaders): string | undefined {
    const named = this.header === undefined ? undefined : idOf(headers[this.header]);
    if (named !== undefined || this.cookie === undefined || headers.cookie === undefined) return named;
    return idOf(cookieValue(headers.cookie, this.cookie));
  }

  /** Only of a body that is there whole; one that is compressed or no JSON has none. */
  ofBody(body: Buffer): string | undefined {
    if (this.field === undefined || !body.includes(this.fieldKey)) return undefined;
    let root: unknown;
    try {
      root = JSON.parse(body.toString('utf8'));
    } catch {
      return undefined;
    }
    const value = valueAt(root, this.field);
    return idOf(Number.isSafeInteger(value) ? String(value) : value);
  }
}

function idOf(value: unknown): string | undefined {
  return typeof value === 'string' && value.length > 0 && value.length <= SESSION_ID_MAX ? value : undefined;
}

/** The value as it was sent. Undefined where the name is missing or there twice: which of them counts, servers disagree on. */
function cookieValue(header: string, name: string): string | undefined {
  let found: string | undefined;
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=');
    if (equals < 0 || pair.slice(0, equals).trim() !== name) continue;
    if (found !== undefined) return undefined;
    found = pair.slice(equals + 1).trim();
  }
  return found;
}
