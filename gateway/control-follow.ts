import type { ServerResponse } from 'node:http';
import type { Service } from './service';

const PAGE_ROWS = 500;
const SIGN_OF_LIFE_MS = 1_000;

export interface Reading {
  readonly after: number;
  readonly limit: number;
  readonly follow: boolean;
}

/**
 * Streams numbered rows from a cursor. Nothing is buffered for a slow reader: rows come from the store page by page,
 * the next page when the last one was taken.
 */
export async function streamTelemetry(service: Service, res: ServerResponse, reading: Reading): Promise<void> {
  res.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
  res.flushHeaders();
  let cursor = reading.after;
  let left = reading.limit;
  let wake: () => void = () => undefined;
  let news = false;
  const off = service.telemetry.onRows(() => {
    news = true;
    wake();
  });
  const gone = (): boolean => res.destroyed || res.writableEnded;
  res.on('close', () => wake());
  try {
    while (!gone() && left > 0) {
      news = false;
      const lines = service.telemetry.linesAfter(cursor, Math.min(PAGE_ROWS, left));
      service.readAtMs = Date.now();
      if (lines.length > 0) {
        left -= lines.length;
        cursor = seqOf(lines[lines.length - 1] as string);
        await written(res, `${lines.join('\n')}\n`);
        continue;
      }
      if (!reading.follow) break;
      if (!news) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, SIGN_OF_LIFE_MS);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      if (!news && !gone()) await written(res, '\n');
    }
  } finally {
    off();
    res.end();
  }
}

/** Resolves when the reader has room for more, or is gone. */
function written(res: ServerResponse, text: string): Promise<void> {
  if (res.write(text)) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      res.off('drain', done);
      res.off('close', done);
      resolve();
    };
    res.on('drain', done);
    res.on('close', done);
  });
}

function seqOf(line: string): number {
  return (JSON.parse(line) as { seq: number }).seq;
}
