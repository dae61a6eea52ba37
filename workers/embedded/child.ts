import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { z } from 'zod';
import { allPids, processEnvironment } from '../../adapters/disk/proc';
import { readJson, writeJson } from '../files';
import { endProcess, identify, isOurs, isRunning, nonceVariable, processRecordSchema } from '../process-identity';
import type { ProcessRecord } from '../process-identity';
import { PartFailed, waitUntil, type Part } from './part';

export interface ChildOptions {
  readonly name: string;
  readonly program: string;
  /** Asked at each start. */
  readonly args: () => readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** What it writes by itself (a crash); its own log is another file. */
  readonly outputFile: string;
  readonly recordFile: string;
  /** Digest of everything that it was started with; a running one with another is replaced. */
  readonly fingerprint: () => string;
  /** Runs before each start, not before an adoption. */
  readonly prepare?: () => Promise<void>;
  readonly readyWithinMs: number;
  readonly graceMs: number;
  /** Null when the process with this pid answers, else why not. */
  readonly look: (pid: number) => Promise<string | null>;
}

const recordSchema = z.object({
  nonce: z.string(),
  fingerprint: z.string(),
  /** Null between the decision to start and the start: after a crash in between the nonce finds the process. */
  process: processRecordSchema.nullable(),
});

/** A process in a session of its own with a file instead of pipes: it outlives its supervisor. */
export class Child implements Part {
  readonly name: string;
  private running: ProcessRecord | null = null;
  private exit: string | null = null;

  constructor(private readonly options: ChildOptions) {
    this.name = options.name;
  }

  get pid(): number | null {
    return this.running?.pid ?? null;
  }

  async ensure(signal: AbortSignal): Promise<'adopted' | 'started' | 'replaced'> {
    const former = await this.findFormer();
    if (former !== null && former.fingerprint === this.options.fingerprint()) {
      this.running = former.process;
      this.exit = null;
      if ((await this.waitReady(signal)) === null) return 'adopted';
    }
    if (former !== null) await endProcess(former.process, this.options.graceMs);
    await this.start();
    const why = await this.waitReady(signal);
    if (why === null) return former === null ? 'started' : 'replaced';
    await this.stop();
    const words = await lastWords(this.options.outputFile);
    throw new PartFailed(`${this.name} did not start: ${why}${words} (log: ${this.options.outputFile})`);
  }

  async isAlive(): Promise<boolean> {
    return this.running !== null && this.exit === null && (await isRunning(this.running));
  }

  async stop(): Promise<void> {
    const former = this.running ?? (await this.findFormer())?.process ?? null;
    if (former !== null) await endProcess(former, this.options.graceMs);
    this.running = null;
    await rm(this.options.recordFile, { force: true });
  }

  private async start(): Promise<void> {
    const { program, args, env, outputFile, recordFile } = this.options;
    const fingerprint = this.options.fingerprint();
    await this.options.prepare?.();
    const nonce = randomBytes(12).toString('hex');
    await writeJson(recordFile, { nonce, fingerprint, process: null });
    const output = openSync(outputFile, 'a', 0o600);
    this.exit = null;
    try {
      const child = spawn(program, [...args()], {
        env: { ...env, [nonceVariable]: nonce },
        stdio: ['ignore', output, output],
        detached: true,
      });
      const ended = (why: string): void => {
        if (this.running === null || this.running.nonce === nonce) this.exit = why;
      };
      child.once('error', (error) => ended(error.message));
      child.once('exit', (code, killed) => ended(`it ended with ${String(code ?? killed)}`));
      child.unref();
      this.running = child.pid === undefined ? null : await identify(child.pid, nonce);
    } finally {
      closeSync(output);
    }
    if (this.running !== null) await writeJson(recordFile, { nonce, fingerprint, process: this.running });
  }

  private async waitReady(signal: AbortSignal): Promise<string | null> {
    const look = async (): Promise<string | null> => {
      if (this.running === null || this.exit !== null) return this.exit ?? 'it ended at once';
      return await this.options.look(this.running.pid);
    };
    return await waitUntil(look, this.options.readyWithinMs, () => signal.aborted || this.exit !== null);
  }

  /** The process that a former supervisor started, by its record, or by its nonce when that was never completed. */
  private async findFormer(): Promise<{ process: ProcessRecord; fingerprint: string } | null> {
    const record = await readJson(this.options.recordFile, recordSchema);
    if (record === null) return null;
    const { process: former, nonce, fingerprint } = record;
    if (former !== null) return (await isOurs(former)) ? { process: former, fingerprint } : null;
    const pid = allPids().find((one) => processEnvironment(one)?.get(nonceVariable) === nonce);
    const found = pid === undefined ? null : await identify(pid, nonce);
    return found === null ? null : { process: found, fingerprint };
  }
}

async function lastWords(file: string): Promise<string> {
  try {
    const handle = await open(file, 'r');
    try {
      const { size } = await handle.stat();
      const buffer = Buffer.alloc(Math.min(size, 2_000));
      await handle.read(buffer, 0, buffer.length, size - buffer.length);
      const lines = buffer.toString('utf8').trim().split('\n').slice(-3).join(' | ');
      return lines === '' ? '' : `: ${lines.slice(-600)}`;
    } finally {
      await handle.close();
    }
  } catch {
    return '';
  }
}
