/** The data profile at validation: what the inputs looked like when the version was judged. Drift is measured from it. */
import { CLASSES, type Mail } from './corpus';
import { tokenize, type TokenizerConfig } from './tokenizer';

export interface FeatureProfile {
  mean: number;
  sd: number;
  /** Quantiles by probability. */
  q: Record<string, number>;
}

export interface DataProfile {
  schema: 1;
  n: number;
  /** Shares, sum 1. */
  classMix: Record<string, number>;
  features: Record<string, FeatureProfile>;
}

const QUANTILES = [0.05, 0.25, 0.5, 0.75, 0.95];

export function profile(mails: readonly Mail[], tokenizer: TokenizerConfig): DataProfile {
  const measured = mails.map((mail) => measure(mail.text, tokenizer));
  const names = Object.keys(measure('', tokenizer));
  const share = (label: string): number => mails.filter((mail) => mail.label === label).length / mails.length;
  return {
    schema: 1,
    n: mails.length,
    classMix: Object.fromEntries(CLASSES.map((label) => [label, rounded(share(label))])),
    features: Object.fromEntries(names.map((name) => [name, describe(measured.map((row) => row[name] as number))])),
  };
}

/** The measured features of one mail; shares are of its characters, `tokens` counts what the model reads. */
export function measure(text: string, tokenizer: TokenizerConfig): Record<string, number> {
  const characters = Math.max(1, text.length);
  const count = (pattern: RegExp): number => text.match(pattern)?.length ?? 0;
  return {
    tokens: tokenize(text, tokenizer).length,
    characters: text.length,
    upperCaseShare: count(/\p{Lu}/gu) / characters,
    digitShare: count(/\p{Nd}/gu) / characters,
    nonAsciiShare: count(/[^\0-\x7f]/g) / characters,
    whiteSpaceShare: count(/\s/g) / characters,
    exclamationMarks: count(/!/g),
    links: count(/https?:\/\//gi),
    htmlTags: count(/<\/?[a-z][^>]*>/gi),
  };
}

function describe(values: number[]): FeatureProfile {
  const sorted = [...values].sort((a, b) => a - b);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, values.length - 1);
  const quantile = (probability: number): number => {
    const position = probability * (sorted.length - 1);
    const below = sorted[Math.floor(position)] as number;
    const above = sorted[Math.ceil(position)] as number;
    return below + (above - below) * (position - Math.floor(position));
  };
  return {
    mean: rounded(mean),
    sd: rounded(Math.sqrt(variance)),
    q: Object.fromEntries(QUANTILES.map((probability) => [String(probability), rounded(quantile(probability))])),
  };
}

function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}
