import type { ExternalParts } from '../../activities/ports';
import { valueAt } from './answer-paths';
import { EngineAnswerRefused } from './errors';
import { answerJson, httpCall } from './http';

/** How a part that runs outside of the serving process is asked for its version. */
export interface ExternalPart {
  /** `{version}` stands for the declared version: then each version has a place of its own, and all may run at once. */
  readonly url: string;
  /** Where the version stands in the JSON that it answers; null: the answer is the version. */
  readonly path: string | null;
}

const TIMEOUT_MS = 2_000;
const LIMIT_BYTES = 64 * 1024;
const LIMIT_VERSION = 200;

/** Rejects with `EngineUnreachable` or `EngineAnswerRefused` where a part does not say. */
export function externalParts(partOf: (service: string, name: string) => ExternalPart | null): ExternalParts {
  return {
    async version(service, name, declared) {
      const part = partOf(service, name);
      if (part === null) return null;
      const url = part.url.replaceAll('{version}', encodeURIComponent(declared));
      const answer = await httpCall({ url, method: 'GET', timeoutMs: TIMEOUT_MS, limitBytes: LIMIT_BYTES });
      if (answer.status !== 200) throw new EngineAnswerRefused(`${url} answered ${answer.status}`);
      const found = part.path === null ? answer.text.trim() : valueAt(answerJson(url, answer), part.path);
      const text = typeof found === 'number' ? String(found) : found;
      if (typeof text === 'string' && text !== '' && text.length <= LIMIT_VERSION) return text;
      const where = part.path === null ? 'as its answer' : `at ${part.path}`;
      throw new EngineAnswerRefused(`${url}: expected a version ${where}, found ${briefly(found)}`);
    },
  };
}

function briefly(found: unknown): string {
  return found === undefined ? 'nothing' : (JSON.stringify(found) ?? typeof found).slice(0, 80);
}
