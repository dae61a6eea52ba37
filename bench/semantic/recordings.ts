import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { NotMeasured } from '../report';
import { csvRows } from './csv';

/** Answers of two releases of one model to the same prompts; `before[i]` and `after[i]` answer the same one. */
export interface ReleasePair {
  /** `prime.gpt-4`: data set and model. */
  readonly name: string;
  readonly releases: readonly [string, string];
  readonly before: readonly string[];
  readonly after: readonly string[];
}

/** Fewer prompts than two samples of this size need are no data set. */
const PROMPTS_MIN = 40;

/**
 * Every `DIR/llm-drift/*.csv` with the columns `model`, `query`, `answer`: each model that has more than one release gives
 * its neighbouring releases as pairs.
 * @throws NotMeasured
 */
export function releasePairs(dataDir: string): ReleasePair[] {
  const directory = [join(dataDir, 'llm-drift'), dataDir].find((each) => existsSync(each) && csvFiles(each).length > 0);
  if (directory === undefined) throw new NotMeasured(`${join(dataDir, 'llm-drift')}: found no *.csv`);
  const pairs = csvFiles(directory).flatMap((file) => pairsOf(setName(file), join(directory, file)));
  if (pairs.length === 0) throw new NotMeasured(`${directory}: found no two releases of a model in any file`);
  return pairs;
}

function csvFiles(directory: string): string[] {
  return readdirSync(directory)
    .filter((file) => file.endsWith('.csv'))
    .sort();
}

/** `PRIME_FULL_EVAL.csv` is the set `prime`. */
function setName(file: string): string {
  return file
    .replace(/\.csv$/, '')
    .replace(/_(FULL|EVAL)(?=_|$)/g, '')
    .toLowerCase();
}

function pairsOf(set: string, file: string): ReleasePair[] {
  const byModel = new Map<string, Map<string, string>>();
  for (const { model = '', query = '', answer = '' } of csvRows(readFileSync(file, 'utf8'))) {
    const answers = byModel.get(model) ?? new Map<string, string>();
    byModel.set(model, answers);
    // A prompt that was asked twice is two prompts.
    let key = query;
    while (answers.has(key)) key += ' ';
    answers.set(key, answer);
  }
  const families = new Map<string, string[]>();
  for (const model of [...byModel.keys()].sort()) {
    const family = model.replace(/^.*\//, '').replace(/-\d{3,8}$/, '');
    families.set(family, [...(families.get(family) ?? []), model]);
  }
  return [...families].flatMap(([family, releases]) =>
    releases.slice(1).flatMap((later, index): ReleasePair[] => {
      const earlier = releases[index] ?? '';
      const [then, now] = [byModel.get(earlier), byModel.get(later)];
      const prompts = [...(then?.keys() ?? [])].filter((prompt) => now?.has(prompt));
      if (prompts.length < PROMPTS_MIN) return [];
      const suffix = releases.length > 2 ? `-${later.replace(/^.*-/, '')}` : '';
      return [
        {
          name: `${set}.${family}${suffix}`,
          releases: [earlier, later],
          before: prompts.map((prompt) => then?.get(prompt) ?? ''),
          after: prompts.map((prompt) => now?.get(prompt) ?? ''),
        },
      ];
    }),
  );
}
