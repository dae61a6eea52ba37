import { featureReader, type FeatureOptions } from '../../domain/detection/answer-features';
import type { SeenAnswer } from '../../domain/detection/answer-drift';
import type { Embedder } from '../ports';

/** A question with its answer, as it was sampled or asked. */
export interface Said {
  readonly input: string | null;
  readonly answer: string;
}

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
  const answers = said.map(({ input, answer }, index): SeenAnswer => {
    const { characters, empty, refusal, wellFormed } = read(answer);
    const inputVector = input === null ? null : (vectors[next++] ?? null);
    const vector = vectors[index] ?? new Float32Array();
    return { answer: vector, input: inputVector, characters, refusal, illFormed: empty || wellFormed === false };
  });
  return { by, answers };
}
