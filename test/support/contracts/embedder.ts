import type { Embedder } from '../../../activities/ports';
import { cosine } from '../../../domain/detection/canary-test';

export interface EmbedderSubject {
  readonly embedder: Embedder;
  close(): Promise<void>;
}

/** What every embedder does. */
export function embedderContract(name: string, make: () => Promise<EmbedderSubject>): void {
  describe(`${name} as an embedder`, () => {
    let subject: EmbedderSubject;
    beforeAll(async () => {
      subject = await make();
    });
    afterAll(() => subject.close());
    const signal = new AbortController().signal;
    const embed = async (...texts: string[]): Promise<Float32Array[]> =>
      (await subject.embedder.embed(texts, signal)).vectors;

    it('gives one vector a text, in order, each of length 1, and says who made them', async () => {
      const texts = Array.from({ length: 70 }, (_, index) => `Parcel number ${index} left Hamburg on Monday.`);
      const { by, vectors } = await subject.embedder.embed(texts, signal);
      expect(by).not.toBe('');
      expect(vectors).toHaveLength(70);
      expect(new Set(vectors.map(({ length }) => length)).size).toBe(1);
      for (const vector of vectors) expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
      const [alone] = await embed(texts[69] as string);
      expect(cosine(alone as Float32Array, vectors[69] as Float32Array)).toBeCloseTo(1, 6);
    });

    it('gives the same vector for the same text, whatever is asked beside it', async () => {
      const [one, , three] = await embed(
        'The shop opens at nine.',
        'Something else entirely',
        'The shop opens at nine.',
      );
      expect(one).toEqual(three);
      expect(await embed('The shop opens at nine.')).toEqual([one]);
    });

    it('puts what is alike nearer than what is not', async () => {
      const [refusal, again, answer] = (await embed(
        "I'm sorry, but I cannot help with that request.",
        "Sorry, but I can't help you with this request.",
        'Step 1: divide 17077 by the primes up to 130 and look at the remainders.',
      )) as [Float32Array, Float32Array, Float32Array];
      expect(cosine(refusal, again)).toBeGreaterThan(cosine(refusal, answer) + 0.2);
    });

    it('gives a vector for every text, the empty one, a very long one and one of emoji included', async () => {
      const vectors = await embed('', ' \n', 'word '.repeat(20_000), '👋🏽🌍', '\u0000\ud800');
      for (const vector of vectors) expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
    });

    it('gives nothing for nothing', async () => {
      expect(await embed()).toEqual([]);
    });

    it('stops for a caller that gave up', async () => {
      const gone = AbortSignal.abort(new Error('gave up'));
      await expect(subject.embedder.embed(['text'], gone)).rejects.toThrow('gave up');
    });
  });
}
