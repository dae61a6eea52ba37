import { featureReader, type FeatureOptions } from '../../domain/detection/answer-features';
import type { SeenAnswer } from '../../domain/detection/answer-drift';
import type { Embedder } from '../ports';

/** A question with its answer, as it was sampled or asked. */
export interface Said {
  readonly input: string | null;
  readonly answer: string;
  /** Why it ended, in the server's word; null or absent where nobody said. */
  readonly finish?: string | null;
}

/** The limit of an answer's length, as OpenAI-style servers and TGI say it. */
const CUT_SHORT = new Set(['length', 'max_tokens']);
/** Declined by the model's own field for it, or by the filter of the server. */
const DECLINED = new Set(['refusal', 'content_filter']);

/** Embeds questions and answers and counts what can be counted; the texts go no further. */
export async function seenAnswers(
  embedder: Embedder,
  said: readonly Said[],
  options: FeatureOptions,
  signal: AbortSignal,
): Promise<{ by: string; answers: SeenAnswer[] }> {
  const read = featureReader(options);
  const inputs = said.flatMap(({ input }) => (input === null ? [] : [input]));
  const { by, vectors } = await embedder.embed([...said.map(({ answer }) => answer), ...inputs], signal);
  let next = said.length;
  const answers = said.map(({ input, answer, finish = null }, index): SeenAnswer => {
    const { characters, empty, refusal, wellFormed } = read(answer);
    const inputVector = input === null ? null : (vectors[next++] ?? null);
    const vector = vectors[index] ?? new Float32Array();
    return {
      answer: vector,
      input: inputVector,
      characters,
      refusal: refusal || (finish !== null && DECLINED.has(finish)),
      illFormed: empty || wellFormed === false,
      ...(finish === null ? {} : { cutShort: CUT_SHORT.has(finish) }),
    };
  });
  return { by, answers };
}
