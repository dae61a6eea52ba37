import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface, type Interface } from 'node:readline';

/** Clock ticks of /proc/PID/stat; 100 on every Linux that Node runs on. */
const TICK_US = 10_000;

/** A child that prints lines of JSON on standard output. */
export class Child {
  readonly process: ChildProcess;
  private readonly lines: Interface;
  private readonly waiting: ((line: unknown) => void)[] = [];

  constructor(args: readonly string[]) {
    this.process = spawn(process.execPath, [...args], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.lines = createInterface({ input: this.process.stdout as NodeJS.ReadableStream });
    this.lines.on('line', (line) => this.waiting.shift()?.(JSON.parse(line)));
  }

  next<T>(): Promise<T> {
    return new Promise((resolve, reject) => {
      const ended = (code: number | null): void => reject(new Error(`a part of the benchmark ended with ${code}`));
      this.process.once('exit', ended);
      this.waiting.push((line) => {
        this.process.off('exit', ended);
        resolve(line as T);
      });
    });
  }

  ask<T>(command: unknown): Promise<T> {
    const answer = this.next<T>();
    this.process.stdin?.write(`${JSON.stringify(command)}\n`);
    return answer;
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  end(): void {
    this.process.removeAllListeners('exit');
    this.process.kill('SIGKILL');
  }
}

/** CPU time of a process, user and system, of all its threads, µs (resolution one tick). */
export function cpuUs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_US;
}

export function rssMib(pid: number): number {
  const kib = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) / 1_024;
}
