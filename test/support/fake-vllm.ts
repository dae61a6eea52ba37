import { existsSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

export interface FakeVllmOptions {
  /** Names of the base model; the first is its parent's name in the list. */
  readonly names?: readonly string[];
  /** What the base model was loaded from. */
  readonly root?: string;
  /** False: --enable-lora or VLLM_ALLOW_RUNTIME_LORA_UPDATING is missing. */
  readonly adapters?: boolean;
  /** Routes of VLLM_SERVER_DEV_MODE. */
  readonly development?: boolean;
  readonly port?: number;
  /** Paths that hold an adapter besides those that are there. */
  readonly paths?: readonly string[];
  /** --api-key: asked for on /v1 only, as vLLM does. */
  readonly apiKey?: string;
}

type Fault = 'none' | 'not-ready' | 'status-500' | 'hang' | 'reset' | 'garbage' | 'huge' | 'queue' | 'draining';

/**
 * vLLM's API as it was measured on 0.32, and nothing else: an unknown route is 404, a wrong body is 400, adapters are never
 * replaced, and more of them than fit are taken without a word.
 */
export class FakeVllm {
  fault: Fault = 'none';
  asleep = false;
  paused = false;
  running = 0;
  waiting = 0;
  /** Grows by itself while `fault` is `queue`: the engine computes for others. */
  tokens = 0;
  readonly adapters = new Map<string, string>();
  readonly completions: { model: string; prompt: unknown }[] = [];
  readonly calls: string[] = [];

  private constructor(
    private readonly options: FakeVllmOptions,
    private readonly server: Server,
  ) {}

  static async start(options: FakeVllmOptions = {}): Promise<FakeVllm> {
    const server = createServer();
    const fake = new FakeVllm(options, server);
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      let text = '';
      request.on('data', (part: Buffer) => (text += part.toString()));
      request.on('end', () => fake.answer(request, response, text));
    });
    await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
    return fake;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get address(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  close(): Promise<void> {
    if (!this.server.listening) return Promise.resolve();
    return new Promise((resolve) => (this.server.closeAllConnections(), this.server.close(() => resolve())));
  }

  private answer(request: IncomingMessage, response: ServerResponse, text: string): void {
    const [path = ''] = (request.url ?? '').split('?');
    const route = `${request.method ?? ''} ${path}`;
    this.calls.push(route);
    const { apiKey } = this.options;
    if (apiKey !== undefined && path.startsWith('/v1') && request.headers.authorization !== `Bearer ${apiKey}`)
      return json(response, 401, { error: 'Unauthorized' });
    switch (route) {
      case 'GET /health':
        return void response.writeHead(this.fault === 'not-ready' ? 503 : 200).end();
      case 'GET /version':
        return json(response, 200, { version: '0.32.0' });
      case 'GET /v1/models':
        return json(response, 200, { object: 'list', data: this.offered() });
      case 'GET /metrics':
        return void response.end(this.metrics());
      case 'POST /v1/completions':
      case 'POST /v1/chat/completions':
        return this.complete(request, response, path, text);
      case 'POST /v1/load_lora_adapter':
        return this.options.adapters === false ? notFound(response) : this.load(response, text);
      case 'POST /v1/unload_lora_adapter':
        return this.options.adapters === false ? notFound(response) : this.unload(response, text);
    }
    if (this.options.development !== true) return notFound(response);
    switch (route) {
      case 'GET /is_sleeping':
        // True for a pause as well.
        return json(response, 200, { is_sleeping: this.asleep || this.paused });
      case 'POST /sleep':
        this.asleep = true;
        return json(response, 200, { status: 'sleeping', level: 1 });
      case 'POST /wake_up':
        this.asleep = false;
        this.paused = false;
        return json(response, 200, { status: 'awake', tags: null });
    }
    notFound(response);
  }

  private get base(): string {
    return this.options.names?.[0] ?? 'base';
  }

  private offered(): object[] {
    const root = this.options.root ?? 'org/base-7b';
    const base = (this.options.names ?? ['base']).map((id) => ({ id, root, parent: null }));
    return [...base, ...[...this.adapters].map(([id, path]) => ({ id, root: path, parent: this.base }))];
  }

  private complete(request: IncomingMessage, response: ServerResponse, path: string, text: string): void {
    const asked = JSON.parse(text) as { model: string; prompt?: unknown; messages?: unknown };
    this.completions.push({ model: asked.model, prompt: asked.prompt ?? asked.messages });
    if (this.fault === 'queue') this.tokens += 1;
    if (this.asleep || this.paused || this.fault === 'hang' || this.fault === 'queue') return;
    if (this.fault === 'reset') return void request.socket.destroy();
    if (this.fault === 'draining') return refuse(response, 500, 'InternalServerError', DRAINING);
    if (this.fault === 'status-500')
      return refuse(response, 500, 'EngineDeadError', 'EngineCore encountered an issue.');
    if (this.fault === 'garbage') return void response.end('<html>');
    if (this.fault === 'huge') return void response.end(`"${'x'.repeat(200_000)}"`);
    const known = this.offered().some((one) => (one as { id: string }).id === asked.model);
    if (!known) {
      const aliases = (this.options.names ?? ['base']).join(', ');
      return refuse(
        response,
        404,
        'NotFoundError',
        `The model \`${asked.model}\` does not exist. Valid aliases: ${aliases}.`,
      );
    }
    const choice = path.includes('chat') ? { message: { content: 'spam' } } : { text: 'spam' };
    json(response, 200, { model: asked.model, choices: [{ index: 0, ...choice, finish_reason: 'stop' }] });
  }

  private load(response: ServerResponse, text: string): void {
    const { lora_name: name, lora_path: path, load_inplace: replace } = JSON.parse(text) as Record<string, unknown>;
    if (replace !== undefined)
      throw new Error('load_inplace changes answers that are being written; nobody may use it');
    if (typeof name !== 'string' || typeof path !== 'string' || name === '' || path === '')
      return refuse(response, 400, 'InvalidUserInput', "Both 'lora_name' and 'lora_path' must be provided.");
    if (this.adapters.has(name))
      return refuse(
        response,
        400,
        'InvalidUserInput',
        `The lora adapter '${name}' has already been loaded. If you want to load the adapter in place, set 'load_inplace' to True.`,
      );
    if (this.options.paths?.includes(path) !== true && !existsSync(join(path, 'adapter_config.json')))
      return refuse(response, 404, 'NotFoundError', `Loading lora ${name} failed: No adapter found for <path>`);
    this.adapters.set(name, path);
    response.end(`Success: LoRA adapter '${name}' added successfully.`);
  }

  private unload(response: ServerResponse, text: string): void {
    const { lora_name: name } = JSON.parse(text) as { lora_name: string };
    if (!this.adapters.delete(name))
      return refuse(response, 404, 'NotFoundError', `The lora adapter '${name}' cannot be found.`);
    response.end(`Success: LoRA adapter '${name}' removed successfully.`);
  }

  private metrics(): string {
    if (this.fault === 'queue') this.tokens += 1;
    const labels = `{engine="0",model_name="${this.base}"}`;
    return [
      '# TYPE vllm:num_requests_running gauge',
      `vllm:num_requests_running${labels} ${this.running}.0`,
      '# TYPE vllm:num_requests_waiting gauge',
      `vllm:num_requests_waiting${labels} ${this.waiting}.0`,
      '# TYPE vllm:engine_sleep_state gauge',
      `vllm:engine_sleep_state{engine="0",sleep_state="awake"} ${this.asleep ? 0 : 1}.0`,
      `vllm:engine_sleep_state{engine="0",sleep_state="weights_offloaded"} ${this.asleep ? 1 : 0}.0`,
      '# TYPE vllm:generation_tokens_total counter',
      `vllm:generation_tokens_total${labels} ${this.tokens}.0`,
      '',
    ].join('\n');
  }
}

const DRAINING = 'cannot schedule new futures after shutdown';

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function refuse(response: ServerResponse, code: number, type: string, message: string): void {
  json(response, code, { error: { message, type, param: null, code } });
}

function notFound(response: ServerResponse): void {
  json(response, 404, { detail: 'Not Found' });
}
