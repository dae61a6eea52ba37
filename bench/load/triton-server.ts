import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from '../../adapters/serving/process-launch';
import { packageDirectory } from '../../workers/program';

const home = join(packageDirectory(), '.cache', 'test-deps', 'triton');
const site = join(home, 'lib', 'python3.11', 'site-packages');
const bundled = join(site, 'pytriton', 'tritonserver');

const START_MS = 40_000;

/** False where `scripts/test-deps/triton.sh` has not installed it. */
export const hasTriton = existsSync(join(home, 'release'));

export const MODEL = 'mail';

const config = `# Kept by lastgood, as is everything here but the versions in force.
name: "${MODEL}"
backend: "python"
max_batch_size: 0
input [ { name: "text" data_type: TYPE_STRING dims: [ 1 ] } ]
output [
  { name: "label" data_type: TYPE_STRING dims: [ 1 ] },
  { name: "score" data_type: TYPE_FP32 dims: [ 1 ] }
]
instance_group [ { kind: KIND_CPU count: 1 } ]
`;

/** Answers its label; \`wait:MS\` in the text makes it take as long, \`fail\` makes it fail. */
const modelSource = `import json, os, time
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        here = os.path.join(args['model_repository'], args['model_version'])
        with open(os.path.join(here, 'light.json')) as file:
            self.light = json.load(file)
        time.sleep(self.light.get('loadMs', 0) / 1000)
        if self.light.get('crashes'):
            os._exit(1)
        if self.light.get('broken'):
            raise pb_utils.TritonModelException(self.light['broken'])
        loads = self.light.get('loads')
        if loads:
            with open(loads, 'a') as file:
                file.write(args['model_version'] + '\\n')

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        text = pb_utils.get_input_tensor_by_name(request, 'text').as_numpy().reshape(-1)[0].decode()
        if text.startswith('wait:'):
            time.sleep(int(text[5:]) / 1000)
        if text == 'fail':
            raise pb_utils.TritonModelException('cannot do that')
        label = np.array([self.light['label']], dtype=object)
        score = np.array([self.light.get('score', 0.9)], dtype=np.float32)
        return pb_utils.InferenceResponse([pb_utils.Tensor('label', label), pb_utils.Tensor('score', score)])
`;

/** What a version of the model is like. */
export interface TritonLight {
  readonly label: string;
  readonly score?: number;
  readonly loadMs?: number;
  /** Its load fails with these words. */
  readonly broken?: string;
  /** Each load adds the version number as a line to this file. */
  readonly loads?: string;
}

/** The files of a version, by name. */
export function tritonFiles(light: TritonLight): Record<string, string> {
  return { 'model.py': modelSource, 'light.json': JSON.stringify(light) };
}

/** An empty model repository with the configuration of the one model. */
export function tritonRepository(directory: string): string {
  const repository = join(directory, 'models');
  mkdirSync(join(repository, MODEL), { recursive: true });
  writeFileSync(join(repository, MODEL, 'config.pbtxt'), config);
  return repository;
}

export interface TritonOptions {
  /** Default `explicit`. */
  readonly mode?: 'explicit' | 'none' | 'poll';
  readonly args?: readonly string[];
}

/** A real Triton on loopback, as its operator would start it. */
export class TritonServerProcess {
  private child: ChildProcess | null = null;
  log = '';

  private constructor(
    readonly repository: string,
    readonly http: number,
    private readonly grpc: number,
    readonly metrics: number,
    private readonly options: TritonOptions,
  ) {}

  static async start(repository: string, options: TritonOptions = {}): Promise<TritonServerProcess> {
    const [http, grpc, metrics] = await Promise.all([freePort(), freePort(), freePort()]);
    const server = new TritonServerProcess(repository, http, grpc, metrics, options);
    await server.run();
    return server;
  }

  get address(): string {
    return `http://127.0.0.1:${this.http}`;
  }

  get metricsAddress(): string {
    return `http://127.0.0.1:${this.metrics}`;
  }

  get pid(): number {
    return this.child?.pid ?? 0;
  }

  /** Also after `kill`: at the same ports, with what lies in the repository. */
  async run(args: readonly string[] = []): Promise<void> {
    const local = '127.0.0.1';
    const ports = [
      [`--http-address=${local}`, `--http-port=${this.http}`],
      [`--grpc-address=${local}`, `--grpc-port=${this.grpc}`],
      [`--metrics-address=${local}`, `--metrics-port=${this.metrics}`],
    ].flat();
    const { mode = 'explicit', args: always = [] } = this.options;
    const where = [`--model-repository=${this.repository}`, `--backend-directory=${join(bundled, 'backends')}`];
    const all = [...where, `--model-control-mode=${mode}`, '--strict-readiness=false', ...ports, ...always, ...args];
    const child = spawn(join(bundled, 'bin', 'tritonserver'), all, {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: {
        LD_LIBRARY_PATH: readFileSync(join(home, 'libdir'), 'utf8').trim(),
        PYTHONPATH: site,
        PATH: `${join(home, 'bin')}:/usr/bin:/bin`,
      },
    });
    this.child = child;
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (part: Buffer) => (this.log = (this.log + part.toString()).slice(-100_000)));
    const deadline = performance.now() + START_MS;
    while (!(await this.isLive())) {
      const ended = child.exitCode ?? child.signalCode;
      if (ended !== null) throw new Error(`tritonserver ended with ${ended}: ${this.log.slice(-2_000)}`);
      if (performance.now() > deadline) throw new Error(`tritonserver did not answer within ${START_MS} ms`);
      await pause(25);
    }
  }

  private isLive(): Promise<boolean> {
    return fetch(`${this.address}/v2/health/live`).then(
      ({ status }) => status === 200,
      () => false,
    );
  }

  /** The server and the processes of its backend at once. */
  async kill(): Promise<void> {
    const { child } = this;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((done) => child.once('exit', () => done()));
    process.kill(-child.pid, 'SIGKILL');
    await ended;
    this.child = null;
  }

  async post(path: string, body: unknown = {}): Promise<{ status: number; text: string }> {
    const answer = await fetch(`${this.address}${path}`, { method: 'POST', body: JSON.stringify(body) });
    return { status: answer.status, text: await answer.text() };
  }

  /** What this path of the model answers: its label, or the status. */
  async ask(path: string, text = 'hello'): Promise<string> {
    const { status, text: answer } = await this.post(`${path}/infer`, tritonRequest(text));
    if (status !== 200) return `${status} ${answer}`;
    const { outputs } = JSON.parse(answer) as { outputs: { name: string; data: unknown[] }[] };
    return String(outputs.find(({ name }) => name === 'label')?.data[0]);
  }

  async index(): Promise<Record<string, string>> {
    const { text } = await this.post('/v2/repository/index');
    const found = JSON.parse(text) as { version?: string; state?: string }[];
    return Object.fromEntries(found.flatMap(({ version, state }) => (version ? [[version, state ?? '']] : [])));
  }
}

export function tritonRequest(text: string): { inputs: object[] } {
  return { inputs: [{ name: 'text', shape: [1], datatype: 'BYTES', data: [text] }] };
}
