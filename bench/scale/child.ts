import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';

/** A process of the benchmark that speaks JSON lines; it ends when its input does. */
export class LineChild {
  private readonly lines: Interface;
  private readonly waiting: ((line: string) => void)[] = [];

  private constructor(private readonly child: ChildProcess) {
    if (child.stdout === null) throw new Error('no output');
    this.lines = createInterface({ input: child.stdout });
    this.lines.on('line', (line) => this.waiting.shift()?.(line));
  }

  static start(script: string): LineChild {
    return new LineChild(spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'] }));
  }

  say(line: object): void {
    this.child.stdin?.write(`${JSON.stringify(line)}\n`);
  }

  async heard<T>(): Promise<T> {
    return JSON.parse(await new Promise<string>((resolve) => this.waiting.push(resolve))) as T;
  }

  stop(): void {
    this.lines.close();
    this.child.stdin?.end();
    this.child.kill('SIGKILL');
  }
}
