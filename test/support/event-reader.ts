import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { until } from './poll';

export interface ReadEvent {
  readonly event: string;
  readonly id: string | null;
  readonly data: unknown;
}

/** Reads server-sent events from a real connection; comments are counted. */
export class EventReader {
  readonly events: ReadEvent[] = [];
  comments = 0;
  ended = false;
  status = 0;
  headers: IncomingMessage['headers'] = {};
  /** The body of an answer that is no stream. */
  text = '';
  private readonly sent: ClientRequest;
  private answer: IncomingMessage | null = null;

  constructor(url: string, headers: Readonly<Record<string, string>> = {}) {
    this.sent = request(url, { headers, agent: false }, (answer) => {
      this.answer = answer;
      this.status = answer.statusCode ?? 0;
      this.headers = answer.headers;
      let rest = '';
      answer.setEncoding('utf8');
      answer.on('data', (piece: string) => {
        this.text += this.status === 200 ? '' : piece;
        const blocks = (rest + piece).split('\n\n');
        rest = blocks.pop() ?? '';
        for (const block of blocks) this.take(block);
      });
      answer.on('close', () => (this.ended = true));
      answer.on('error', () => undefined);
    });
    this.sent.on('error', () => (this.ended = true));
    this.sent.end();
  }

  of(event: string): ReadEvent[] {
    return this.events.filter((one) => one.event === event);
  }

  async first(event: string, count = 1): Promise<ReadEvent[]> {
    return await until(`${count} × ${event}`, () => this.of(event).length >= count && this.of(event));
  }

  /** Takes no more, and leaves the connection open. */
  pause(): void {
    this.answer?.pause();
  }

  resume(): void {
    this.answer?.resume();
  }

  close(): void {
    this.sent.destroy();
  }

  private take(block: string): void {
    if (block.startsWith(':')) {
      this.comments += 1;
      return;
    }
    const fields = new Map(block.split('\n').map((line) => [line.split(': ', 1)[0], line.replace(/^\w+: /, '')]));
    const event = fields.get('event') ?? 'message';
    this.events.push({ event, id: fields.get('id') ?? null, data: JSON.parse(fields.get('data') ?? 'null') });
  }
}
