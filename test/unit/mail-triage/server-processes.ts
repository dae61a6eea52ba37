/** Inference servers as real processes, for the tests of this folder. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inferenceRequest } from '../../../examples/mail-triage/inference-protocol';
import { compiledServer } from './example-files';

export interface Started {
  child: ChildProcess;
  report: { port: number; pid: number; digest: string; controlPort: number };
  /** `http://127.0.0.1:<port>`. */
  base: string;
  exited: Promise<{ code: number | null; signal: string | null }>;
  errors: () => string;
}

export interface Answer {
  id?: string;
  model_version: string;
  parameters: { digest: string };
  outputs: { name: string; shape: number[]; datatype: string; data: unknown[] }[];
}

const DEADLINE_MS = 15_000;

export async function eventually<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error(`not within ${DEADLINE_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A scratch directory and the processes started in one test. */
export class ServerProcesses {
  scratch = '';
  private children: ChildProcess[] = [];
  private serverJs = '';

  async open(): Promise<void> {
    this.serverJs = compiledServer();
    this.scratch = await mkdtemp(join(tmpdir(), 'mail-triage-'));
  }

  async close(): Promise<void> {
    for (const child of this.children.splice(0)) child.kill('SIGKILL');
    await rm(this.scratch, { recursive: true, force: true });
  }

  launch(directory: string, ...more: string[]): Omit<Started, 'report' | 'base'> {
    const report = join(this.scratch, 'report.json');
    const child = spawn(
      process.execPath,
      [this.serverJs, '--artifact', directory, '--port', '0', '--report', report, '--control', ...more],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    this.children.push(child);
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) =>
      child.once('close', (code, signal) => resolve({ code, signal })),
    );
    return { child, exited, errors: () => errors };
  }

  async start(directory: string, ...more: string[]): Promise<Started> {
    const launched = this.launch(directory, ...more);
    const report = await eventually('the server’s report', async () => {
      if (launched.child.exitCode !== null) throw new Error(`the server ended: ${launched.errors()}`);
      const content = await readFile(join(this.scratch, 'report.json'), 'utf8').catch(() => undefined);
      return content === undefined ? undefined : (JSON.parse(content) as Started['report']);
    });
    return { ...launched, report, base: `http://127.0.0.1:${report.port}` };
  }
}

export const post = (url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(url, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body), headers });

export const infer = (started: Started, text: string, id = 'r1'): Promise<Response> =>
  post(`${started.base}/v2/models/mail-triage/infer`, inferenceRequest(text, id), { 'x-request-id': id });

export const labelOf = async (response: Response): Promise<unknown> =>
  ((await response.json()) as Answer).outputs.find(({ name }) => name === 'label')?.data[0];

/** One number of the server's metrics. */
export const metric = async (base: string, name: string): Promise<number> => {
  const text = await (await fetch(`${base}/metrics`)).text();
  return Number(new RegExp(`^${name} (.+)$`, 'm').exec(text)?.[1]);
};

/** Switches a fault on; answers when it is in effect. */
export const fault = async (started: Started, body: unknown): Promise<Record<string, unknown>> => {
  const response = await post(`http://127.0.0.1:${started.report.controlPort}/fault`, body);
  if (response.status !== 200) throw new Error(`fault: ${response.status} ${await response.text()}`);
  return (await response.json()) as Record<string, unknown>;
};
