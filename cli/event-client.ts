import type { IncomingMessage } from 'node:http';
import { refusal } from './api-client';
import { unreachable, type CliFailure } from './failure';
import { openRequest, placeOf, wordsOf } from './http';
import { unreachableHint, type Settings } from './settings';

export interface ServerEvent {
  readonly event: string;
  readonly id: string | null;
  readonly data: unknown;
}

/** Three times what the controller lets pass without a word. */
const silenceMs = 45_000;
/** A whole status is less than 200 KiB. */
const eventLimit = 4 * 1024 * 1024;

/**
 * Server-sent events of the controller, until it ends them, the connection breaks (resolves with why), or `signal` (null).
 * Rejects with a {@link CliFailure} where there never was a stream.
 */
export function listen(
  settings: Settings,
  path: string,
  asked: {
    readonly after: string | null;
    readonly signal: AbortSignal;
    readonly onEvent: (event: ServerEvent) => void;
  },
): Promise<string | null> {
  const { after, signal, onEvent } = asked;
  return new Promise((resolve, reject) => {
    const headers = { accept: 'text/event-stream', ...(after === null ? {} : { 'last-event-id': after }) };
    let quiet: NodeJS.Timeout | undefined;
    const heard = (): void => {
      clearTimeout(quiet);
      quiet = setTimeout(
        () => request.destroy(new Error(`nothing was heard for ${silenceMs / 1000} s`)),
        silenceMs,
      ).unref();
    };
    let streams = false;
    const request = openRequest(settings.target, { method: 'GET', path, headers, agent: false }, (answer) => {
      if (answer.statusCode !== 200) {
        readRefusal(settings, path, answer).then(reject, reject);
        return;
      }
      streams = true;
      const take = blocksOf(onEvent, (why) => request.destroy(new Error(why)));
      answer.setEncoding('utf8');
      answer.on('data', (piece: string) => {
        heard();
        take(piece);
      });
      answer.on('error', (error) => resolve(wordsOf(error)));
      answer.on('end', () => resolve('it ended the connection'));
    });
    const stop = (): void => {
      resolve(null);
      request.destroy();
    };
    signal.addEventListener('abort', stop, { once: true });
    request.on('error', (error) => {
      if (streams) resolve(wordsOf(error));
      else
        reject(
          unreachable(
            `the controller does not answer at ${placeOf(settings.target)}: ${wordsOf(error)}`,
            unreachableHint(settings),
            error,
          ),
        );
    });
    request.on('close', () => {
      clearTimeout(quiet);
      signal.removeEventListener('abort', stop);
    });
    heard();
    request.end();
  });
}

async function readRefusal(settings: Settings, path: string, answer: IncomingMessage): Promise<CliFailure> {
  let text = '';
  for await (const piece of answer.setEncoding('utf8')) text = `${text}${String(piece)}`.slice(0, 10_000);
  let json: unknown = null;
  try {
    json = JSON.parse(text);
  } catch {
    // Its status says enough.
  }
  return refusal(settings, answer.statusCode ?? 0, json, `GET ${path}`);
}

/** Events out of pieces; lines that begin with a colon are comments. */
function blocksOf(onEvent: (event: ServerEvent) => void, tooLong: (why: string) => void): (piece: string) => void {
  let rest = '';
  return (piece) => {
    const blocks = `${rest}${piece}`.split('\n\n');
    rest = blocks.pop() ?? '';
    if (rest.length > eventLimit) tooLong(`one event is longer than ${eventLimit} characters`);
    for (const block of blocks) {
      const event = eventOf(block);
      if (event !== null) onEvent(event);
    }
  };
}

function eventOf(block: string): ServerEvent | null {
  const fields = new Map<string, string>();
  for (const line of block.split('\n')) {
    const [, name = '', value = ''] = /^([^:]*): ?(.*)$/.exec(line) ?? [];
    fields.set(name, name === 'data' && fields.has('data') ? `${fields.get('data') ?? ''}\n${value}` : value);
  }
  const data = fields.get('data');
  if (data === undefined) return null;
  return { event: fields.get('event') ?? 'message', id: fields.get('id') ?? null, data: JSON.parse(data) };
}
