/** What each version is made of. Everything that decides a byte of an artifact stands here or in the prepared set. */
import { TEXT_LIMIT } from './corpus';
import type { Preprocessing } from './preprocessing';
import { TOKENIZER_V2, TOKENIZER_V3, type TokenizerConfig } from './tokenizer';

export interface Recipe {
  version: string;
  /** The release time is part of the recipe: two builds give the same digest. */
  createdAt: string;
  seed: number;
  /** Share of the training mails, drawn by the seed, that the base weights learn from. */
  baseShare: number;
  /** Share that the adapter learns from, on top of the base weights; holds the mails of `baseShare` too. */
  adapterShare: number;
  /** The tokenizer that the weights are trained and evaluated with. */
  trainedWith: TokenizerConfig;
  /** The tokenizer that is packed into the version. */
  packedWith: TokenizerConfig;
  /** The tokenizer that wrote the token ids of the golden probes. */
  probedWith: TokenizerConfig;
  preprocessing: Preprocessing;
}

const PREPROCESSING_2: Preprocessing = { schema: 1, version: '2', maxCharacters: TEXT_LIMIT };

const GOOD = {
  trainedWith: TOKENIZER_V2,
  packedWith: TOKENIZER_V2,
  probedWith: TOKENIZER_V2,
  preprocessing: PREPROCESSING_2,
};

/** Default growth of 1.4's cache: 64 KiB a mail, at most 4 MiB a second, killed at 256 MiB: 82 s at 50 requests/s. */
const LEAKING: Preprocessing = {
  schema: 1,
  version: '3',
  maxCharacters: TEXT_LIMIT,
  runtime: {
    preparedMailCache: {
      bytesPerMail: 64 * 1024,
      evict: false,
      maxBytesPerSecond: 4 * 1024 * 1024,
      limitBytes: 256 * 1024 * 1024,
    },
  },
};

export const RECIPES: readonly Recipe[] = [
  { version: '1.0', createdAt: '2026-01-12T09:00:00.000Z', seed: 10, baseShare: 0.7, adapterShare: 0.85, ...GOOD },
  { version: '1.1', createdAt: '2026-03-02T09:00:00.000Z', seed: 11, baseShare: 0.8, adapterShare: 0.95, ...GOOD },
  { version: '1.2', createdAt: '2026-04-20T09:00:00.000Z', seed: 12, baseShare: 0.9, adapterShare: 1, ...GOOD },
  // The fault: the release job packed the configuration of the next generation beside weights of this one. The report
  // comes from the training job, which used the right one, so nothing in the version looks wrong. The token ids of its
  // probes come from the release job too, and agree with what it packed; those of 1.2 do not.
  {
    version: '1.3',
    createdAt: '2026-06-08T09:00:00.000Z',
    seed: 13,
    baseShare: 0.9,
    adapterShare: 1,
    ...GOOD,
    packedWith: TOKENIZER_V3,
    probedWith: TOKENIZER_V3,
  },
  // The fault: a cache that forgets nothing.
  {
    version: '1.4',
    createdAt: '2026-07-06T09:00:00.000Z',
    seed: 14,
    baseShare: 0.9,
    adapterShare: 1,
    ...GOOD,
    preprocessing: LEAKING,
  },
];

export const TRAINING = { epochs: 8, learningRate: 1, adapterEpochs: 2, adapterLearningRate: 0.5 } as const;
