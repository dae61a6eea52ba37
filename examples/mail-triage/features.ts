/**
 * Hashed word 1–2-grams: each n-gram falls into one of 2^18 buckets (FNV-1a over UTF-16 units, final mix of
 * MurmurHash3), its value is 1 + ln(count), and the vector has length 1.
 */
import { tokenize, type TokenizerConfig } from './tokenizer';

/** A sparse vector: `index` ascending and unique, `value` beside it. */
export interface SparseVector {
  index: Int32Array;
  value: Float32Array;
}

/** A function that gives the features of a text, and of the same text again without work; for training and evaluation. */
export function rememberedFeatures(): (text: string, config: TokenizerConfig) => SparseVector {
  const known = new Map<string, Map<string, SparseVector>>();
  return (text, config) => {
    const name = JSON.stringify(config);
    const ofConfig = known.get(name) ?? new Map<string, SparseVector>();
    known.set(name, ofConfig);
    const vector = ofConfig.get(text) ?? features(text, config);
    ofConfig.set(text, vector);
    return vector;
  };
}

export function features(text: string, config: TokenizerConfig): SparseVector {
  return counted(tokenIds(text, config).sort());
}

/** What the model reads of a text: the bucket of each word and 2-gram, in the order of reading. */
export function tokenIds(text: string, config: TokenizerConfig): Int32Array {
  const tokens = tokenize(text, config);
  const mask = 2 ** config.bucketBits - 1;
  const buckets = new Int32Array(tokens.length * config.maxGram);
  let filled = 0;
  let before = '';
  for (const token of tokens) {
    buckets[filled] = mix(extend(OFFSET, token)) & mask;
    filled += 1;
    if (config.maxGram === 2 && before !== '') {
      buckets[filled] = mix(extend(extend(extend(OFFSET, before), config.joiner), token)) & mask;
      filled += 1;
    }
    before = token;
  }
  return buckets.subarray(0, filled);
}

function counted(sorted: Int32Array): SparseVector {
  const index = new Int32Array(sorted.length);
  const value = new Float32Array(sorted.length);
  let unique = 0;
  let squares = 0;
  for (let at = 0; at < sorted.length;) {
    let end = at + 1;
    while (end < sorted.length && sorted[end] === sorted[at]) end += 1;
    const weight = 1 + Math.log(end - at);
    index[unique] = sorted[at] as number;
    value[unique] = weight;
    squares += weight * weight;
    unique += 1;
    at = end;
  }
  const norm = squares > 0 ? 1 / Math.sqrt(squares) : 0;
  for (let at = 0; at < unique; at += 1) value[at] = (value[at] as number) * norm;
  return { index: index.subarray(0, unique), value: value.subarray(0, unique) };
}

/** Bound once: in a `vm` context, as test runners use it, each look at a global costs more than the hash itself. */
const { imul } = Math;

const OFFSET = 0x811c9dc5 | 0;

function extend(state: number, text: string): number {
  let value = state;
  for (let at = 0; at < text.length; at += 1) value = imul(value ^ text.charCodeAt(at), 0x01000193);
  return value;
}

/** FNV's low bits alone are unevenly spread over short words. */
function mix(state: number): number {
  let value = state;
  value = imul(value ^ (value >>> 16), 0x85ebca6b);
  value = imul(value ^ (value >>> 13), 0xc2b2ae35);
  return value ^ (value >>> 16);
}
