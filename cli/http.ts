import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { ApiTarget } from './settings';

// Node's own client, not undici: it is part of the snapshot that Node starts from, and a `status` must be quick.
export function openRequest(
  target: ApiTarget,
  asked: {
    readonly method: string;
    readonly path: string;
    readonly headers: Readonly<Record<string, string>>;
    /** `false`: a connection of its own. */
    readonly agent?: false;
  },
  onAnswer: (answer: IncomingMessage) => void,
): ClientRequest {
  if (target.kind === 'socket') return httpRequest({ ...asked, socketPath: target.path }, onAnswer);
  const { path, ...rest } = asked;
  const headers = { ...asked.headers, authorization: `Bearer ${target.token}` };
  const open = target.url.startsWith('https:') ? httpsRequest : httpRequest;
  return open(`${target.url}${path}`, { ...rest, headers }, onAnswer);
}

export function placeOf(target: ApiTarget): string {
  return target.kind === 'socket' ? target.path : target.url;
}

export function wordsOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'there is no socket, so no controller runs with this data directory';
  if (code === 'ECONNREFUSED') return 'nobody listens there';
  if (code === 'EACCES') return 'the socket belongs to another user';
  return message;
}
