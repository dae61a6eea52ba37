import { mailStream, type StreamedMail } from '../../../examples/mail-triage/stream';
import { BUILD_TIMEOUT_MS, prepared } from './example-files';

const take = (stream: Generator<StreamedMail>, count: number): StreamedMail[] =>
  Array.from({ length: count }, () => stream.next().value as StreamedMail);

describe('the replayed stream', () => {
  it(
    'sends every mail of the test part once in each pass, in an order drawn from the seed',
    async () => {
      const { test } = await prepared();
      const sent = take(mailStream(test, 7), 2 * test.length);
      const ids = test.map(({ id }) => id).sort();
      for (const pass of [0, 1]) {
        const part = sent.filter((mail) => mail.pass === pass).map(({ mailId }) => mailId);
        expect([...part].sort()).toEqual(ids);
      }
      expect(take(mailStream(test, 7), 500)).toEqual(sent.slice(0, 500));
      expect(take(mailStream(test, 8), 500)).not.toEqual(sent.slice(0, 500));
      expect(sent[0]?.mailId).not.toBe(sent[test.length]?.mailId);
    },
    BUILD_TIMEOUT_MS,
  );

  it('carries text and true label of the mail', async () => {
    const { test } = await prepared();
    for (const sent of take(mailStream(test, 3), 50)) {
      const mail = test.find(({ id }) => id === sent.mailId);
      expect(sent).toMatchObject({ text: mail?.text, label: mail?.label, source: mail?.source });
    }
  });

  it('refuses to stream nothing', () => {
    expect(() => mailStream([], 1).next()).toThrow('no mails');
  });
});
