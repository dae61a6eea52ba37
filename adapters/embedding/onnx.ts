import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Embedder } from '../../activities/ports';
import { EmbedderMissing, EmbedderUnreachable } from './errors';
import type { FromWorker, ToWorker, WorkerSettings } from './onnx-protocol';
import { cut, unit } from './vectors';

export interface OnnxOptions {
  /** Has `onnx/model_quantized.onnx` or `onnx/model.onnx`, `tokenizer.json` and `tokenizer_config.json`. */
  readonly directory: string;
  /** Directory whose `node_modules` has the two packages; default: those of lastgood. */
  readonly packages?: string;
  /** The model leaves the memory (some 240 MB) after so long without work. Default one minute. */
  readonly idleMs?: number;
}

/** Neither is among lastgood's own dependencies: the first one unpacks to 288 MB, for what few services use. */
export const ONNX_PACKAGES = ['onnxruntime-node@1.30.0', '@huggingface/tokenizers@0.2.0'];

/** Of texts that wait for the thread at once; a caller may give up between two. */
const TEXTS_A_MESSAGE = 8;

/** A sentence model on this machine, by `onnxruntime-node` on a thread of its own. Loaded at the first text. */
export function onnxEmbedder(options: OnnxOptions): Embedder & { close(): Promise<void> } {
  let thread: Thread | null = null;
  let idle: NodeJS.Timeout | undefined;

  async function close(): Promise<void> {
    clearTimeout(idle);
    const ended = thread;
    thread = null;
    await ended?.end();
  }

  return {
    async embed(texts, signal) {
      const vectors: Float32Array[] = [];
      let by = '';
      for (let from = 0; from < texts.length || by === ''; from += TEXTS_A_MESSAGE) {
        signal.throwIfAborted();
        clearTimeout(idle);
        if (thread === null || thread.isOver) thread = new Thread(options);
        const answer = await thread.ask(texts.slice(from, from + TEXTS_A_MESSAGE).map(cut));
        if ('why' in answer)
          throw answer.missing ? new EmbedderMissing(help(answer.why)) : new EmbedderUnreachable(answer.why);
        by = answer.by;
        vectors.push(...answer.vectors.map((vector) => unit(vector, by)));
        idle = setTimeout(() => void close(), options.idleMs ?? 60_000);
        idle.unref();
      }
      return { by, vectors };
    },
    close,
  };
}

function help(why: string): string {
  return (
    `${why}. A local model needs its files and two packages: npm install --prefix DIR --ignore-scripts ` +
    `${ONNX_PACKAGES.join(' ')}, and DIR as \`packages\` of the embedder`
  );
}

class Thread {
  private readonly worker: Worker;
  private readonly waiting = new Map<number, (answer: FromWorker) => void>();
  private asked = 0;
  isOver = false;

  constructor({ directory, packages }: OnnxOptions) {
    const settings: WorkerSettings = { directory, packages: packages ?? null };
    this.worker = new Worker(join(__dirname, 'onnx-worker.js'), { workerData: settings });
    // Nothing to embed holds no process up; what waits does.
    this.worker.unref();
    this.worker.on('message', (answer: FromWorker) => this.take(answer));
    this.worker.on('error', (error: Error) => this.fail(error.message));
    this.worker.on('exit', (code) => this.fail(`the thread of the model ended with ${code}`));
  }

  async ask(texts: readonly string[]): Promise<FromWorker> {
    const id = (this.asked += 1);
    const message: ToWorker = { id, texts };
    return await new Promise((resolve) => {
      this.waiting.set(id, resolve);
      this.worker.ref();
      this.worker.postMessage(message);
    });
  }

  async end(): Promise<void> {
    this.isOver = true;
    await this.worker.terminate();
  }

  private take(answer: FromWorker): void {
    this.waiting.get(answer.id)?.(answer);
    this.waiting.delete(answer.id);
    if (this.waiting.size === 0) this.worker.unref();
  }

  private fail(why: string): void {
    this.isOver = true;
    for (const [id, resolve] of this.waiting) resolve({ id, missing: false, why });
    this.waiting.clear();
  }
}
