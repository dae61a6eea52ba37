import type { IncomingMessage, ServerResponse } from 'node:http';
import type { KeptAnswer } from './cache/answer-cache';
import { answerHeaders } from './headers';

export interface OwnAnswer {
  readonly id: string;
  readonly status: number;
  /** One word for programs, in `x-lastgood-reason`. */
  readonly reason: string;
  readonly detail: string;
  readonly version: string | undefined;
  readonly retryAfterSeconds?: number;
}

/** Answers in the gateway's own name; where an answer has begun already it is broken off visibly. */
export function answerOurselves(req: IncomingMessage, res: ServerResponse, answer: OwnAnswer): void {
  if (res.headersSent || res.destroyed) {
    res.destroy();
    return;
  }
  const { id, status, reason, detail, version } = answer;
  const body = Buffer.from(JSON.stringify({ error: reason, detail, requestId: id }));
  const headers = ['x-request-id', id, 'x-lastgood-version', version ?? 'none', 'x-lastgood-reason', reason];
  if (answer.retryAfterSeconds !== undefined) headers.push('retry-after', String(answer.retryAfterSeconds));
  headers.push('content-type', 'application/json', 'content-length', String(body.length));
  // The body that the client may still be sending is not read any more.
  if (!req.complete) headers.push('connection', 'close');
  res.writeHead(status, headers);
  res.end(req.method === 'HEAD' ? undefined : body);
}

/** Gives what the version answered to another request. */
export function answerKept(res: ServerResponse, kept: KeptAnswer, id: string, how: 'hit' | 'coalesced'): void {
  const { 'content-length': _length, age: _age, ...headers } = kept.headers;
  const age = Math.max(0, Math.floor((Date.now() - kept.atMs) / 1_000));
  const ours = ['x-lastgood-cache', how, 'age', String(age), 'content-length', String(kept.body.length)];
  res.writeHead(kept.status, [...answerHeaders(headers, id, kept.version), ...ours]);
  res.end(kept.body);
}

/** Breaks an answer off so that no client takes it for whole. */
export function breakOff(req: IncomingMessage, res: ServerResponse): void {
  // An HTTP/1.0 client takes a plain close for the end of the answer: only a reset shows it that it is not.
  if (req.httpVersion === '1.0') req.socket.resetAndDestroy();
  else res.destroy();
}
