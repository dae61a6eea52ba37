import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { allPids, processEnvironment, processFacts } from '../../adapters/disk/proc';
import { runPaths } from '../../workers/embedded/paths';
import { compiled } from './compiled';
import { until } from './poll';
import { workflowBundle } from './workflow-bundle';

const productFolders = ['domain', 'workflows', 'activities', 'adapters', 'gateway', 'api', 'workers', 'cli'];

/** The product compiled from the sources as they are now, with its workflow bundle. */
export async function compiledProduct(): Promise<string> {
  const dist = compiled(productFolders);
  const bundle = join(dist, 'workflow-bundle.js');
  if (!existsSync(bundle)) {
    const { code } = await workflowBundle(join(__dirname, '..', '..', 'workflows', 'index.ts'));
    writeFileSync(`${bundle}.${process.pid}`, code);
    renameSync(`${bundle}.${process.pid}`, bundle);
  }
  return dist;
}

/** `lastgood up` as a process of its own, on the data directory beside its configuration. */
export class UpProcess {
  private child: ChildProcess | null = null;
  private readonly agent: Agent;
  output = '';
  /** Laid over the environment of this process. */
  environment: Readonly<Record<string, string>> = {};

  constructor(
    private readonly dist: string,
    readonly dir: string,
    private readonly configFile: string,
  ) {
    this.agent = new Agent({ connect: { socketPath: this.paths.apiSocket }, pipelining: 0 });
  }

  get paths(): ReturnType<typeof runPaths> {
    return runPaths(join(this.dir, '.lastgood'));
  }

  get pid(): number {
    return this.child?.pid ?? 0;
  }

  /** Resolves when it says that it is up; rejects with its output when it ended instead. */
  async start(args: readonly string[] = []): Promise<void> {
    this.begin(args);
    await until(
      'up',
      () => {
        if (this.exited !== null) throw new Error(`up ended with ${this.exited}: ${this.output}`);
        return this.output.includes('up; Ctrl-C stops');
      },
      90_000,
    );
  }

  begin(args: readonly string[] = []): void {
    this.output = '';
    const main = join(this.dist, 'workers', 'main.js');
    const child = spawn(process.execPath, [main, 'up', '--config', this.configFile, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...this.environment },
    });
    child.stdout.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    this.child = child;
  }

  get exited(): string | null {
    const { child } = this;
    if (child === null || (child.exitCode === null && child.signalCode === null)) return null;
    return String(child.exitCode ?? child.signalCode);
  }

  /** Sends the signal and resolves to the exit code or signal. */
  async end(signal: NodeJS.Signals): Promise<string> {
    this.child?.kill(signal);
    return await until('the end of up', () => this.exited, 60_000);
  }

  async api(method: 'GET' | 'POST', path: string, body?: unknown): Promise<{ status: number; json: unknown }> {
    const answer = await request(`http://local${path}`, {
      method,
      dispatcher: this.agent,
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    return { status: answer.statusCode, json: await answer.body.json() };
  }

  childPid(name: 'controller' | 'host' | 'gateway'): number {
    const record = JSON.parse(readFileSync(this.paths.childRecord(name), 'utf8')) as { process: { pid: number } };
    return record.process.pid;
  }

  temporalPid(): number {
    return (JSON.parse(readFileSync(this.paths.temporalRecord, 'utf8')) as { server: { pid: number } }).server.pid;
  }

  /** Every living process that was started from this directory, `up` itself included; zombies are gone. */
  processes(): number[] {
    return allPids().filter((pid) => {
      if (pid === process.pid || processFacts(pid) === null) return false;
      const environment = processEnvironment(pid);
      const run = environment?.get('LASTGOOD_RUN') ?? '';
      return run.startsWith(this.dir) || commandOf(pid).includes(this.dir);
    });
  }

  /** Ends what a failed test left. */
  async cleanUp(): Promise<void> {
    await this.agent.destroy();
    for (const pid of this.processes()) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended meanwhile.
      }
    }
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}
