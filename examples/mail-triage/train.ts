/**
 * Trains the linear softmax by stochastic gradient descent with a linearly falling step, one mail at a time, in an order
 * drawn from the seed. Each class weighs n / (classes · n of the class), so that the few bulk mails count as much as
 * the discussion.
 *
 * The step is the same for each bucket. With Adagrad, rare n-grams get weights as large as frequent ones; the model is
 * two points worse, and buckets shared by chance (2^18 buckets, 600,000 n-grams) speak as loudly as real words.
 */
import { CLASSES, type MailClass } from './corpus';
import type { SparseVector } from './features';
import { emptyModel, probabilities, type LinearModel } from './model';
import { seededRandom, shuffle } from './random';

export interface Example {
  vector: SparseVector;
  label: MailClass;
}

export interface TrainingOptions {
  seed: number;
  epochs: number;
  learningRate: number;
  buckets: number;
  /** Continues from these weights instead of zero; they are not changed. */
  from?: LinearModel;
}

/** The bias learns slower than the words, or it would carry the class mix of the last mails seen. */
const BIAS_STEP = 0.1;

export function train(examples: readonly Example[], options: TrainingOptions): LinearModel {
  const { buckets, learningRate, epochs } = options;
  const model = options.from
    ? { buckets, weights: options.from.weights.slice(), bias: options.from.bias.slice() }
    : emptyModel(buckets);
  const { weights, bias } = model;
  const balance = classWeights(examples);
  const order = Int32Array.from(examples.keys());
  const random = seededRandom(options.seed);
  const total = epochs * examples.length;
  let done = 0;
  for (let epoch = 0; epoch < epochs; epoch += 1) {
    shuffle(order, random);
    for (const which of order) {
      const { vector, label } = examples[which] as Example;
      const scores = probabilities(model, vector);
      const step = learningRate * (1 - done / total) * balance[label];
      done += 1;
      CLASSES.forEach((name, row) => {
        const move = step * ((scores[row] as number) - (name === label ? 1 : 0));
        const offset = row * buckets;
        for (let at = 0; at < vector.index.length; at += 1) {
          const cell = offset + (vector.index[at] as number);
          weights[cell] = (weights[cell] as number) - move * (vector.value[at] as number);
        }
        bias[row] = (bias[row] as number) - BIAS_STEP * move;
      });
    }
  }
  return model;
}

function classWeights(examples: readonly Example[]): Record<MailClass, number> {
  const count = (label: MailClass): number => examples.filter((example) => example.label === label).length;
  const weight = (label: MailClass): number => examples.length / (CLASSES.length * Math.max(1, count(label)));
  return { spam: weight('spam'), bulk: weight('bulk'), discussion: weight('discussion') };
}
