/**
 * Text → tokens and the n-gram names that are hashed into features. Weights belong to exactly one configuration: with
 * another case or joiner the same mail falls into other buckets, without any error being raised.
 */
export interface TokenizerConfig {
  schema: 1;
  /** Name of the configuration's generation, for people. */
  name: string;
  lowercase: boolean;
  /** Stands between the words of a 2-gram. */
  joiner: string;
  /** Tokens after this one are not read. */
  maxTokens: number;
  /** Longest n-gram; 1 or 2. */
  maxGram: 1 | 2;
  /** Number of hash buckets is 2 to this power. */
  bucketBits: number;
}

export const TOKENIZER_V2: TokenizerConfig = {
  schema: 1,
  name: 'words-2',
  lowercase: true,
  joiner: ' ',
  maxTokens: 1000,
  maxGram: 2,
  bucketBits: 18,
};

/** The next generation: keeps case and joins with `_`. Only weights that were trained with it may be served with it. */
export const TOKENIZER_V3: TokenizerConfig = { ...TOKENIZER_V2, name: 'words-3', lowercase: false, joiner: '_' };

/** Words, numbers and what mail lives on: `$`, `!` and HTML tags (`<a`, `</td`) are tokens too. */
const TOKEN = /<\/?[A-Za-z][A-Za-z0-9]*|[\p{L}\p{N}][\p{L}\p{N}'’-]*|[$€£!?]+/gu;

export function tokenize(text: string, config: TokenizerConfig): string[] {
  const source = config.lowercase ? text.toLowerCase() : text;
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  for (let found = TOKEN.exec(source); found !== null; found = TOKEN.exec(source)) {
    tokens.push(found[0]);
    if (tokens.length >= config.maxTokens) break;
  }
  return tokens;
}

/**
 * Reads a tokenizer configuration.
 * @throws Error naming the field, what was found and what was expected
 */
export function parseTokenizer(json: string): TokenizerConfig {
  const value = JSON.parse(json) as Record<string, unknown>;
  const expect = (key: string, ok: boolean, expected: string): void => {
    if (!ok) throw new Error(`tokenizer.json: ${key}: found ${JSON.stringify(value[key])}, expected ${expected}`);
  };
  expect('schema', value['schema'] === 1, '1');
  expect('name', typeof value['name'] === 'string', 'a string');
  expect('lowercase', typeof value['lowercase'] === 'boolean', 'true or false');
  expect('joiner', typeof value['joiner'] === 'string', 'a string');
  expect('maxTokens', Number.isInteger(value['maxTokens']) && Number(value['maxTokens']) > 0, 'a positive integer');
  expect('maxGram', value['maxGram'] === 1 || value['maxGram'] === 2, '1 or 2');
  expect('bucketBits', Number.isInteger(value['bucketBits']) && Number(value['bucketBits']) <= 24, 'at most 24');
  return value as unknown as TokenizerConfig;
}
