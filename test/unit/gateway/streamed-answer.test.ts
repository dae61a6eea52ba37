import { parsePath } from '../../../gateway/answer-reader';
import { StreamedAnswer } from '../../../gateway/streamed-answer';
import { mulberry32 } from '../../support/mulberry32';

const chat = (delta: object, finish: string | null = null, index = 0): string =>
  `data: ${JSON.stringify({ object: 'chat.completion.chunk', choices: [{ index, delta, finish_reason: finish }] })}\n\n`;
const done = 'data: [DONE]\n\n';

function readIn(pieces: readonly Buffer[], path?: string): { text: string | null; finish: string | null } {
  const answer = new StreamedAnswer(path === undefined ? undefined : parsePath(path));
  for (const piece of pieces) answer.take(piece);
  const { text, finish } = answer.read();
  return { text, finish };
}
const read = (stream: string, path?: string) => readIn([Buffer.from(stream)], path);

const words = ['Grüße', ' aus ', 'Zürich', ': 🚲', '\n', 'データ', ' "quoted"'];
const stream =
  ': a comment\r\n\r\n' +
  chat({ role: 'assistant', content: '' }).replaceAll('\n', '\r\n') +
  words.map((content) => chat({ content })).join('') +
  chat({}, 'stop') +
  'data: {"choices":[],"usage":{"completion_tokens":7}}\n\n' +
  done;

describe('a streamed answer', () => {
  it('has the same text however its bytes are cut, also inside a character and a line end', () => {
    const expected = { text: words.join(''), finish: 'stop' };
    const bytes = Buffer.from(stream);
    expect(readIn([bytes])).toEqual(expected);
    expect(readIn(Array.from(bytes, (_, at) => bytes.subarray(at, at + 1)))).toEqual(expected);
    const random = mulberry32(7);
    for (let run = 0; run < 50; run += 1) {
      const pieces: Buffer[] = [];
      for (let at = 0; at < bytes.length;) {
        const length = 1 + Math.floor(random() * 90);
        pieces.push(bytes.subarray(at, at + length));
        at += length;
      }
      expect(readIn(pieces)).toEqual(expected);
    }
  });

  it('is the first of several choices, whatever their order', () => {
    const mixed = chat({ content: 'B' }, null, 1) + chat({ content: 'a' }) + chat({ content: 'C' }, 'stop', 1);
    expect(read(mixed + chat({ content: 'a' }, 'length') + done)).toEqual({ text: 'aa', finish: 'length' });
  });

  it('of a completion, of TGI and of Triton is read as well', () => {
    const completion = ['one', ' two'].map((text) => `data: {"choices":[{"index":0,"text":"${text}"}]}\n\n`).join('');
    expect(read(completion + done)).toEqual({ text: 'one two', finish: null });
    const token = (text: string, special: boolean, more: object = { generated_text: null, details: null }): string =>
      `data:${JSON.stringify({ index: 1, token: { id: 5, text, special }, ...more })}\n\n`;
    const tgi =
      token('one', false) +
      token(' two', false) +
      token('</s>', true, { generated_text: 'one two', details: { finish_reason: 'eos_token' } });
    expect(read(tgi)).toEqual({ text: 'one two', finish: 'eos_token' });
    const triton = ['one', ' two'].map((text) => `data: {"model_name":"m","text_output":"${text}"}\n\n`).join('');
    expect(read(triton, 'text_output')).toEqual({ text: 'one two', finish: null });
  });

  it('that declines in the field for it is a refusal with those words', () => {
    const refused =
      chat({ role: 'assistant', content: '' }) + chat({ refusal: "I can't" }) + chat({ refusal: ' do it' });
    expect(read(refused + chat({}, 'stop') + done)).toEqual({ text: "I can't do it", finish: 'refusal' });
  });

  it('that calls a tool has no text', () => {
    const called = chat({ role: 'assistant', content: '' }) + chat({ tool_calls: [{ index: 0 }] });
    expect(read(called + chat({}, 'tool_calls') + done)).toEqual({ text: null, finish: 'tool_calls' });
  });

  it.each([
    ['stopped before its end', chat({ content: 'half an' })],
    ['ended with an error', chat({ content: 'half an' }) + 'data: {"error":{"message":"engine died"}}\n\n' + done],
    ['has an event that is too long', chat({ content: 'x'.repeat(70_000) }) + chat({ content: 'y' }, 'stop') + done],
    ['has an event without an end', `data: {"choices":[${' '.repeat(70_000)}`],
    ['is no stream of answers', 'data: 1.1 0\n\ndata: 1.1 1\n\n' + done],
    ['is empty', ''],
    ['is not UTF-8 and not JSON', '\u0000\u0001\n\n\ndata:\n\ndata: {\n\ndata: null\n\ndata: []\n\n'],
  ])('that %s is not read', (_, text) => {
    expect(read(text)).toEqual({ text: null, finish: null });
  });

  it('that is longer than what is kept keeps its beginning, and its reason to end where that came in time', () => {
    const piece = chat({ content: '0123456789'.repeat(10) });
    const long = read(piece.repeat(1_000) + chat({}, 'length') + done);
    expect(long.text).toHaveLength(8_192);
    expect(long).toMatchObject({ text: '0123456789'.repeat(820).slice(0, 8_192), finish: 'length' });
    const endless = readIn(Array.from({ length: 80_000 }, () => Buffer.from(piece)));
    expect([endless.text?.length, endless.finish]).toEqual([8_192, null]);
  });

  it('holds no more than its text and one event', () => {
    const answer = new StreamedAnswer(undefined);
    const piece = Buffer.from(chat({ content: 'word ' }));
    for (let round = 0; round < 20_000; round += 1) answer.take(piece);
    expect(JSON.stringify(answer).length).toBeLessThan(40_000);
  });
});
