import type { IncomingHttpHeaders } from 'node:http';
import type { VersionSelector } from '../../domain/route';
import { Upload } from '../upload';
import type { Refusal } from './refusal';
import { selectModel } from './selected-model';
import { selectPath } from './selected-path';

export interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

export interface SelectedRequest {
  readonly path: string;
  /** Flat list of pairs. */
  readonly headers: string[];
  readonly body: Buffer | Upload | null;
}

/** Describe the body that the client sent, not the one that is sent on; and an answer in a part cannot be read. */
const OF_THE_FORMER_BODY = new Set(['content-md5', 'content-digest', 'digest', 'repr-digest', 'range', 'if-range']);

/**
 * One attempt's request, written for the version of its backend. Made anew for each attempt: the next backend may have
 * another version. `headers` are those that the backend would get without a selector.
 */
export function selectRequest(
  selector: VersionSelector,
  asked: Asked,
  headers: readonly string[],
  body: Buffer | Upload | null,
): SelectedRequest | Refusal {
  const { method, url } = asked;
  switch (selector.by) {
    case 'path': {
      const path = selectPath(selector, method, url);
      return typeof path === 'string' ? { path, headers: [...headers], body } : path;
    }
    case 'header': {
      const { header, value } = selector;
      return { path: url, headers: [...withoutLike(headers, header), header.toLowerCase(), value], body };
    }
    case 'model': {
      const whole = body instanceof Upload ? null : body;
      const named = selectModel(selector, asked, whole);
      if ('status' in named) return named;
      return { path: named.path, headers: namedHeaders(headers, whole, named.body), body: named.body };
    }
  }
}

/** Whether the body must be at hand in one piece (no `Upload`) before the version can be named. */
export function needsWholeBody(selector: VersionSelector): boolean {
  return selector.by === 'model';
}

export function tooLong(replayLimitBytes: number): Refusal {
  return {
    status: 413,
    reason: 'too-long',
    detail: `the body is longer than ${replayLimitBytes} bytes (replayLimit), so the version cannot be written into its field model`,
  };
}

/** The backend is asked for a plain answer: in a compressed one the public name could not be given back. */
function namedHeaders(headers: readonly string[], before: Buffer | null, after: Buffer | null): string[] {
  const result: string[] = [];
  for (let at = 0; at < headers.length; at += 2) {
    const [name, value] = [headers[at] as string, headers[at + 1] as string];
    if (name === 'accept-encoding' || OF_THE_FORMER_BODY.has(name)) continue;
    if (name === 'content-length' && after !== before) continue;
    result.push(name, value);
  }
  result.push('accept-encoding', 'identity');
  if (after !== null && after !== before) result.push('content-length', String(after.length));
  return result;
}

/** Servers that take `_` for `-` in the name of a header would find the client's own beside the route's. */
function withoutLike(headers: readonly string[], name: string): string[] {
  const like = (other: string): string => other.toLowerCase().replaceAll('_', '-');
  const result: string[] = [];
  for (let at = 0; at < headers.length; at += 2) {
    if (like(headers[at] as string) !== like(name)) result.push(headers[at] as string, headers[at + 1] as string);
  }
  return result;
}
