import { z } from 'zod';
import { EngineAnswerRefused, EngineUnreachable, ServingRefused } from '../errors';
import { answerJson, httpCall, type HttpAnswer } from '../http';
import { openAiCalls } from '../openai';

/** A LoRA adapter that the server has: its name, and the directory on the server's machine that it came from. */
export interface LoadedAdapter {
  readonly name: string;
  readonly path: string | null;
}

const CALL_MS = 3_000;
/** Reading an adapter takes as long as its disk needs. */
const LOAD_MS = 120_000;
const QUOTED_CHARS = 500;

const versionSchema = z.object({ version: z.string() });
const errorSchema = z.object({ error: z.object({ message: z.string() }) });

/** The adapters of one vLLM server (facts of 0.32), by the routes that VLLM_ALLOW_RUNTIME_LORA_UPDATING opens. */
export class AdapterServer {
  private readonly calls: ReturnType<typeof openAiCalls>;

  constructor(
    readonly address: string,
    apiKey?: string,
  ) {
    this.calls = openAiCalls(apiKey === undefined ? {} : { apiKey });
  }

  /** Rejects with `EngineUnreachable` or `EngineAnswerRefused`. */
  async adapters(): Promise<LoadedAdapter[]> {
    const { models } = await this.calls.models(this.address, CALL_MS);
    return models.flatMap(({ id, root, parent }) =>
      typeof parent === 'string' ? [{ name: id, path: root ?? null }] : [],
    );
  }

  /** Version of vLLM; null where it does not say. Rejects with `EngineUnreachable`. */
  async version(): Promise<string | null> {
    const url = `${this.address}/version`;
    const { authorization, limitBytes } = this.calls;
    const answer = await httpCall({ url, method: 'GET', timeoutMs: CALL_MS, limitBytes, headers: authorization });
    if (answer.status !== 200) return null;
    return versionSchema.safeParse(answerJson(url, answer)).data?.version ?? null;
  }

  /** `known`: the name was taken already. Never in place: that would change answers that are being written. */
  async load(name: string, path: string): Promise<'loaded' | 'known'> {
    const answer = await this.post('/v1/load_lora_adapter', { lora_name: name, lora_path: path }, LOAD_MS);
    if (answer.status === 200) return 'loaded';
    const { message, route } = wordsOf(answer);
    if (answer.status === 400 && /has already been loaded/.test(message)) return 'known';
    if (!route) throw new ServingRefused(withoutRoute(this.address, answer));
    const why = `${this.address} did not load the adapter ${name} from ${path} (${answer.status}): ${message}`;
    if (answer.status >= 500) throw new EngineAnswerRefused(why);
    throw new ServingRefused(
      `${why}. The path is one of the server's machine; serving.artifacts says where that has the artifacts, and serving.adapter where in an artifact the adapter is`,
    );
  }

  async unload(name: string): Promise<'unloaded' | 'absent'> {
    const answer = await this.post('/v1/unload_lora_adapter', { lora_name: name }, LOAD_MS);
    if (answer.status === 200) return 'unloaded';
    const { message, route } = wordsOf(answer);
    if (!route) throw new ServingRefused(withoutRoute(this.address, answer));
    if (answer.status === 404) return 'absent';
    throw new EngineAnswerRefused(`${this.address} did not unload the adapter ${name} (${answer.status}): ${message}`);
  }

  private async post(path: string, body: object, timeoutMs: number): Promise<HttpAnswer> {
    const { authorization, limitBytes } = this.calls;
    const url = `${this.address}${path}`;
    return await httpCall({
      url,
      method: 'POST',
      body: JSON.stringify(body),
      timeoutMs,
      limitBytes,
      headers: authorization,
    });
  }
}

/** Nobody listens there: whatever that server had loaded is gone with it. A server that is slow is another matter. */
export function isGone(fault: unknown): boolean {
  return fault instanceof EngineUnreachable && fault.message.includes('ECONNREFUSED');
}

/** `route` is false for an answer that is not vLLM's own: the routes are missing where dynamic adapters are off. */
function wordsOf({ text, status }: HttpAnswer): { message: string; route: boolean } {
  try {
    const parsed = errorSchema.safeParse(JSON.parse(text));
    if (parsed.success) {
      const { message } = parsed.data.error;
      // FastAPI's own words for a path that nobody serves.
      return { message: message.slice(0, QUOTED_CHARS), route: status !== 404 || message !== 'Not Found' };
    }
  } catch {
    // Not JSON: said below as it came.
  }
  return { message: text.slice(0, QUOTED_CHARS), route: status !== 404 && status !== 405 };
}

function withoutRoute(address: string, { status }: HttpAnswer): string {
  return `${address} loads no adapters at run time (${status}): start it with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True`;
}
