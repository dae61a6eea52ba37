import { spawn } from 'node:child_process';
import { accessSync, constants, lstatSync, readdirSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface CommandOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly timeLimitMs: number;
  /** The directory into which the command downloads. */
  readonly watchDir?: string;
  /** Ends the command when nothing grew in `watchDir` for this long. */
  readonly stallLimitMs?: number;
  /** Called about five times a second with the bytes in `watchDir`. */
  readonly onBytes?: (bytes: number) => void;
}

export type CommandResult =
  { readonly outcome: 'succeeded'; readonly output: string } | { readonly outcome: 'failed'; readonly reason: string };

const keptOutputChars = 20_000;
const watchIntervalMs = 200;

/** Runs a command in its own process group, with limits on its whole time and on the time without progress. */
export function runCommand(command: string, args: readonly string[], options: CommandOptions): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { env: options.env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let output = '';
    let ended: string | undefined;
    let bytes = 0;
    let grewAt = performance.now();
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString('utf8')).slice(-keptOutputChars);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const end = (why: string): void => {
      ended ??= why;
      // The group, because what the command started must not go on downloading behind our back.
      if (child.pid !== undefined) killGroup(child.pid);
    };
    const limit = setTimeout(() => end(`gave up after ${seconds(options.timeLimitMs)}`), options.timeLimitMs);
    const watch = setInterval(() => {
      if (options.watchDir === undefined) return;
      const now = sizeOfTree(options.watchDir);
      if (now !== bytes) grewAt = performance.now();
      bytes = now;
      options.onBytes?.(now);
      const stalledMs = performance.now() - grewAt;
      if (options.stallLimitMs !== undefined && stalledMs > options.stallLimitMs) {
        end(`nothing arrived for ${seconds(options.stallLimitMs)}`);
      }
    }, watchIntervalMs);
    const settle = (result: CommandResult): void => {
      clearTimeout(limit);
      clearInterval(watch);
      resolve(result);
    };
    child.on('error', (error) => settle({ outcome: 'failed', reason: error.message }));
    child.on('close', (code, signal) => {
      if (code === 0 && ended === undefined) settle({ outcome: 'succeeded', output });
      else settle({ outcome: 'failed', reason: ended ?? lastWords(output) ?? `ended with ${String(code ?? signal)}` });
    });
  });
}

/** The absolute path of an executable on a PATH, or undefined. */
export function findOnPath(program: string, path: string): string | undefined {
  return path
    .split(delimiter)
    .filter((dir) => dir !== '')
    .map((dir) => join(dir, program))
    .find(isExecutable);
}

export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    const stats = statSync(file);
    return stats.isFile() && stats.size > 0;
  } catch {
    return false;
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It ended by itself in between.
  }
}

function sizeOfTree(dir: string): number {
  let bytes = 0;
  for (const name of safely(() => readdirSync(dir), [])) {
    const path = join(dir, name);
    // Files come and go under the eyes of the watcher: what vanished counts nothing.
    const stats = safely(() => lstatSync(path), undefined);
    if (stats?.isDirectory() === true) bytes += sizeOfTree(path);
    else if (stats?.isFile() === true) bytes += stats.size;
  }
  return bytes;
}

function safely<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}

function lastWords(output: string): string | undefined {
  const lines = output.split('\n').map((line) => line.trim());
  return lines
    .filter((line) => line !== '')
    .at(-1)
    ?.slice(0, 300);
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}
