import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { compiled } from './compiled';

/** A model server of one version as a process of its own (see `upstream-main.ts`). */
export class Upstream {
  private constructor(
    readonly version: string,
    readonly port: number,
    private readonly child: ChildProcess,
    private readonly logFile: string,
  ) {}

  static async start(
    version: string,
    options: { readonly port?: number; readonly logFile?: string } = {},
  ): Promise<Upstream> {
    const main = join(compiled(['test/support/upstream-main.ts']), 'test/support/upstream-main.js');
    const logFile = options.logFile ?? join(mkdtempSync(join(tmpdir(), 'lastgood-upstream-')), 'answers.log');
    const child = spawn(process.execPath, [main, version, logFile, String(options.port ?? 0)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const port = await new Promise<number>((resolve, reject) => {
      child.stdout?.once('data', (line: Buffer) => resolve((JSON.parse(line.toString()) as { port: number }).port));
      child.once('exit', (code) => reject(new Error(`upstream ${version} ended with ${code} before it listened`)));
    });
    return new Upstream(version, port, child, logFile);
  }

  get address(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** As the route record names it. */
  backend(service = 'mail'): { address: string; instance: string; digest: string } {
    return { address: this.address, instance: `${service}@${this.version}#1`, digest: `sha256:${this.version}` };
  }

  async behave(mode: 'ok' | 'error' | 'hang' | 'reset' | 'noclass', delayMs = 0): Promise<void> {
    const { body } = await request(`${this.address}/behave?mode=${mode}&delayMs=${delayMs}`, { method: 'POST' });
    await body.dump();
  }

  /** Which version answered which request, by its own log. */
  answered(): Map<string, string> {
    const lines = existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8').split('\n') : [];
    return new Map(lines.filter((line) => line !== '').map((line) => line.split(' ') as [string, string]));
  }

  kill(signal: 'SIGKILL' | 'SIGTERM' | 'SIGSTOP' | 'SIGCONT' = 'SIGKILL'): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      if (signal === 'SIGSTOP' || signal === 'SIGCONT') resolve();
      else this.child.once('exit', () => resolve());
      this.child.kill(signal);
    });
  }
}
