/** The linear softmax model: one weight for each class and bucket, one bias for each class. */
import { CLASSES, type MailClass } from './corpus';
import { features, type SparseVector } from './features';
import type { TokenizerConfig } from './tokenizer';

export interface LinearModel {
  /** Buckets, i.e. columns of `weights`. */
  buckets: number;
  /** `CLASSES.length` rows of `buckets`, row after row. */
  weights: Float32Array;
  /** One for each class. */
  bias: Float32Array;
}

export interface Prediction {
  label: MailClass;
  /** Probability of `label`. */
  score: number;
  /** Probabilities in the order of `CLASSES`. */
  scores: number[];
}

export function emptyModel(buckets: number): LinearModel {
  return { buckets, weights: new Float32Array(CLASSES.length * buckets), bias: new Float32Array(CLASSES.length) };
}

export function probabilities(model: LinearModel, vector: SparseVector): number[] {
  const logits = CLASSES.map((_label, row) => {
    const offset = row * model.buckets;
    let sum = model.bias[row] as number;
    for (let at = 0; at < vector.index.length; at += 1) {
      sum += (model.weights[offset + (vector.index[at] as number)] as number) * (vector.value[at] as number);
    }
    return sum;
  });
  const top = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - top));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

export function classifyVector(model: LinearModel, vector: SparseVector): Prediction {
  const scores = probabilities(model, vector);
  const score = Math.max(...scores);
  return { label: CLASSES[scores.indexOf(score)] as MailClass, score, scores };
}

/** @param text `subject`, an empty line, the decoded body */
export function classify(model: LinearModel, tokenizer: TokenizerConfig, text: string): Prediction {
  return classifyVector(model, features(text, tokenizer));
}
