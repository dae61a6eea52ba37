import { z } from 'zod';
import { EngineAnswerRefused, InstanceFailed, ServingRefused } from '../errors';
import { answerJson, httpCall, type HttpAnswer } from '../http';

/** One version of the model as the server's index has it. A version that was never loaded is not in the index. */
export interface VersionState {
  readonly number: number;
  /** READY, LOADING, UNLOADING, UNAVAILABLE; what else a server says is passed on. */
  readonly state: string;
  /** In the server's words: `unloaded`, or the error of its last load. */
  readonly reason: string | null;
}

export interface ServerFacts {
  readonly name: string;
  readonly version: string;
  readonly extensions: readonly string[];
}

const CALL_MS = 5_000;
const WORDS_MAX = 600;

const factsSchema = z.object({
  name: z.string().max(200),
  version: z.string().max(200),
  extensions: z.array(z.string().max(200)).max(200).prefault([]),
});
const indexSchema = z
  .array(
    z.object({
      name: z.string(),
      version: z.string().optional(),
      state: z.string().max(40).optional(),
      reason: z.string().optional(),
    }),
  )
  .max(100_000);

/**
 * The HTTP side of one Triton server, for one model of it. Rejects with `EngineUnreachable` (nothing is known),
 * `EngineAnswerRefused` (an answer that is none), `ServingRefused` (the server will never do this), `InstanceFailed` (it
 * tried and failed); what the server said is in the message, in its own words.
 */
export class TritonServer {
  constructor(
    readonly address: string,
    readonly model: string,
    private readonly callMs = CALL_MS,
  ) {}

  async facts(): Promise<ServerFacts> {
    const url = `${this.address}/v2`;
    const answer = await httpCall({ url, method: 'GET', timeoutMs: this.callMs });
    return parsed(url, answer, factsSchema);
  }

  /** Names of all models in the server's repositories, loaded or not. */
  async models(): Promise<string[]> {
    return [...new Set((await this.wholeIndex()).map(({ name }) => name))];
  }

  /** Every version of the model that the server ever loaded, by number. */
  async versions(): Promise<ReadonlyMap<number, VersionState>> {
    const found = new Map<number, VersionState>();
    for (const { name, version, state, reason } of await this.wholeIndex()) {
      const number = Number(version);
      if (name !== this.model || version === undefined || !Number.isSafeInteger(number)) continue;
      found.set(number, { number, state: state ?? 'UNKNOWN', reason: reason === undefined ? null : briefly(reason) });
    }
    return found;
  }

  /** This version, not the server: its readiness stays "no" for good once any load has failed. */
  async isReady(number: number): Promise<boolean> {
    const url = `${this.address}/v2/models/${this.model}/versions/${number}/ready`;
    const answer = await httpCall({ url, method: 'GET', timeoutMs: this.callMs });
    if (answer.status === 200) return true;
    if (answer.status === 400 || answer.status === 404) return false;
    throw new EngineAnswerRefused(`${url} answered ${answer.status}: ${wordsOf(answer)}`);
  }

  /**
   * Loads what the model's config.pbtxt says now; resolves when all of it is ready. A load that fails changes nothing of
   * what is served.
   */
  async load(limits: { readonly timeoutMs: number }): Promise<{ readonly ms: number }> {
    const url = `${this.address}/v2/repository/models/${this.model}/load`;
    const answer = await httpCall({ url, method: 'POST', body: '{}', timeoutMs: limits.timeoutMs });
    if (answer.status === 200) return { ms: answer.ms };
    const words = wordsOf(answer);
    refuseOtherModes(this.address, words);
    if (answer.status === 500 && /failed to poll from model repository/.test(words))
      throw new ServingRefused(
        `Triton at ${this.address} does not find the model in its repository: ${words}. Is serving.repository the directory that it was started with (--model-repository)?`,
      );
    if (answer.status === 400) throw new InstanceFailed(`Triton did not load it: ${words}`, '');
    throw new EngineAnswerRefused(`${url} answered ${answer.status}: ${words}`);
  }

  /** Asks only: 200 is also said to a model that nobody knows. What came of it is in the index. */
  async unload(): Promise<void> {
    await this.unloadModel(this.model);
  }

  /** True where models are loaded and unloaded by this interface. Asks for the end of a model that cannot be there. */
  async takesLoads(): Promise<{ readonly ok: true } | { readonly ok: false; readonly why: string }> {
    try {
      await this.unloadModel(`lastgood-asks-${process.pid}`);
      return { ok: true };
    } catch (fault) {
      if (fault instanceof ServingRefused) return { ok: false, why: fault.message };
      throw fault;
    }
  }

  private async unloadModel(model: string): Promise<void> {
    const url = `${this.address}/v2/repository/models/${model}/unload`;
    const answer = await httpCall({ url, method: 'POST', body: '{}', timeoutMs: this.callMs });
    if (answer.status === 200) return;
    const words = wordsOf(answer);
    refuseOtherModes(this.address, words);
    throw new EngineAnswerRefused(`${url} answered ${answer.status}: ${words}`);
  }

  private async wholeIndex(): Promise<z.infer<typeof indexSchema>> {
    const url = `${this.address}/v2/repository/index`;
    const answer = await httpCall({ url, method: 'POST', body: '{}', timeoutMs: this.callMs });
    return parsed(url, answer, indexSchema);
  }
}

function refuseOtherModes(address: string, words: string): void {
  if (!/explicit model load \/ unload is not allowed/.test(words)) return;
  throw new ServingRefused(
    `Triton at ${address} takes no loads: ${words}. Start it with --model-control-mode=explicit`,
  );
}

function parsed<T>(url: string, answer: HttpAnswer, schema: z.ZodType<T>): T {
  if (answer.status !== 200) throw new EngineAnswerRefused(`${url} answered ${answer.status}: ${wordsOf(answer)}`);
  const result = schema.safeParse(answerJson(url, answer));
  if (result.success) return result.data;
  throw new EngineAnswerRefused(`${url}: not what Triton answers: ${z.prettifyError(result.error)}`);
}

/** The `error` of a JSON answer, else the answer as it came. */
function wordsOf({ text }: HttpAnswer): string {
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    if (typeof error === 'string') return briefly(error);
  } catch {
    // Somebody else answers, a proxy for one; its words are of use all the same.
  }
  return text.trim() === '' ? 'nothing' : briefly(text);
}

function briefly(words: string): string {
  const line = words.replace(/\s+/g, ' ').trim();
  return line.length > WORDS_MAX ? `${line.slice(0, WORDS_MAX)}…` : line;
}
