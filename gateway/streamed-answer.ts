import { FINISH_MAX, NOTHING_READ, TEXT_MAX, valueAt, type Path, type Read } from './answer-reader';
import { EventStream } from './event-stream';

/** Of one event. A piece of text has some hundred bytes, also with the probabilities of its tokens. */
const EVENT_MAX_BYTES = 65_536;
/** Of a whole stream; what comes later is passed on and not looked at. */
const STREAM_MAX_BYTES = 8 * 1024 * 1024;

type Fields = Readonly<Record<string, unknown>>;

/**
 * The text of an answer that is streamed in pieces, read beside its way to the client: OpenAI-style chunks (chat and
 * completions; vLLM, TGI), the events of TGI's own `/generate_stream`, and any other whose events hold a piece at the
 * service's text path (Triton's `text_output`). Of several choices the first. Keeps the text up to its limit and one
 * unfinished event, whatever the length of the stream. Never throws.
 */
export class StreamedAnswer {
  private readonly events = new EventStream(EVENT_MAX_BYTES, (data) => this.takeEvent(data));
  private bytes = 0;
  private text: string | null = null;
  private finish: string | null = null;
  /** The protocol says at its end that it is the end. */
  private endIsTold = false;
  private ended = false;
  private failed = false;
  /** Enough was seen, or too much. */
  private over = false;

  constructor(private readonly textPath: Path | undefined) {}

  take(chunk: Buffer): void {
    if (this.over) return;
    this.bytes += chunk.length;
    if (this.bytes <= STREAM_MAX_BYTES && this.events.take(chunk)) return;
    this.over = true;
    // Past its limit a text is cut anyway; before, the rest of it is not known.
    if (this.isFull()) this.ended = true;
    else this.failed = true;
  }

  /** Of an answer whose connection ended as it should. An error inside the stream, or one that stopped early, is no answer. */
  read(): Read {
    if (!this.over) this.events.end();
    const { text, finish } = this;
    if (text === null || this.failed || (this.endIsTold && !this.ended)) return NOTHING_READ;
    // A call of a tool begins with an empty piece of text, and has none.
    if (text === '' && finish !== null && /tool|function/.test(finish)) return { ...NOTHING_READ, finish };
    return { ...NOTHING_READ, text: text.slice(0, TEXT_MAX), finish };
  }

  private isFull(): boolean {
    return this.text !== null && this.text.length >= TEXT_MAX;
  }

  private takeEvent(data: string): void {
    if (data === '[DONE]') {
      this.endIsTold = true;
      this.ended = true;
      return;
    }
    const event = fieldsOf(parsed(data));
    if (event === null) return;
    if (event['error'] !== undefined && event['error'] !== null) this.failed = true;
    else if (Array.isArray(event['choices'])) this.takeChoices(event['choices']);
    else if (fieldsOf(event['token']) !== null) this.takeToken(event);
    else if (this.textPath) this.add(valueAt(event, this.textPath));
  }

  private takeChoices(choices: readonly unknown[]): void {
    this.endIsTold = true;
    // Without a choice it is the count of tokens that ends some streams.
    const choice = choices.map(fieldsOf).find((each) => each !== null && (each['index'] ?? 0) === 0);
    if (!choice) return;
    const delta = fieldsOf(choice['delta']);
    const isRefusal = typeof delta?.['refusal'] === 'string' && delta['refusal'] !== '';
    this.add(isRefusal ? delta['refusal'] : delta ? delta['content'] : choice['text']);
    if (isRefusal) this.finish = 'refusal';
    if (typeof choice['finish_reason'] === 'string') this.end(choice['finish_reason']);
  }

  private takeToken(event: Fields): void {
    this.endIsTold = true;
    const token = fieldsOf(event['token']);
    if (token?.['special'] !== true) this.add(token?.['text']);
    const whole = event['generated_text'];
    if (typeof whole !== 'string') return;
    this.text = whole.slice(0, TEXT_MAX);
    const reason = fieldsOf(event['details'])?.['finish_reason'];
    this.end(typeof reason === 'string' ? reason : 'stop');
  }

  private end(reason: string): void {
    this.ended = true;
    if (this.finish !== 'refusal') this.finish = reason.slice(0, FINISH_MAX);
  }

  private add(piece: unknown): void {
    if (typeof piece !== 'string') return;
    if (this.text === null) this.text = piece;
    else if (!this.isFull()) this.text += piece;
  }
}

function fieldsOf(value: unknown): Fields | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
