import { connect, type Socket } from 'node:net';
import { HaproxyAnswerRefused, HaproxyUnreachable } from './errors';

export interface Worker {
  readonly pid: number;
  /** Reloads that it has outlived; 0 is the one that takes new connections. */
  readonly reloads: number;
}

/** One conversation with the master process: commands in order, each answered whole or the conversation is over. */
export interface MasterCli {
  /** The worker in charge first, then those that finish what they began before a reload. */
  workers(): Promise<Worker[]>;
  /** The answer of one worker, without its ending empty line. */
  ask(worker: number, command: string): Promise<string>;
  close(): void;
}

/** The prompt that ends each answer. Nothing of ours can look like it: names and values have neither space nor newline. */
const prompt = /(?:^|\n)(?:master|\d+)> $/;
const limitBytes = 64 * 1024 * 1024;

/**
 * Connects to the master's socket. Everything that is asked must be answered within `deadlineMs` from now, so that nobody
 * who was given up goes on writing. Rejects with {@link HaproxyUnreachable}.
 */
export async function openMasterCli(path: string, deadlineMs: number): Promise<MasterCli> {
  const line = new Line(path, deadlineMs);
  await line.opened;
  await line.send('prompt');
  let talksTo = 0;

  async function ask(worker: number, command: string): Promise<string> {
    if (talksTo !== worker) {
      const said = await line.send(worker === 0 ? '@master' : `@!${worker}`);
      if (said !== '') throw new HaproxyAnswerRefused(`worker ${worker} at ${path}: ${said}`);
      talksTo = worker;
    }
    return await line.send(command);
  }

  return {
    ask,
    workers: async () => workersOf(await ask(0, 'show proc')),
    close: () => line.close(),
  };
}

/** @throws HaproxyAnswerRefused when there is no worker */
export function workersOf(answer: string): Worker[] {
  const workers: Worker[] = [];
  for (const row of answer.split('\n')) {
    const [pid = '', type, reloads = ''] = row.trim().split(/\s+/);
    if (type === 'worker' && /^\d+$/.test(pid))
      workers.push({ pid: Number(pid), reloads: Number.parseInt(reloads, 10) });
  }
  if (workers.length === 0) {
    throw new HaproxyAnswerRefused(
      `show proc: expected at least one worker, found ${JSON.stringify(answer.slice(0, 300))}`,
    );
  }
  return workers.sort((a, b) => a.reloads - b.reloads);
}

class Line {
  readonly opened: Promise<void>;
  private readonly socket: Socket;
  private readonly timer: NodeJS.Timeout;
  private received = '';
  private waiting: { resolve: (answer: string) => void; reject: (fault: Error) => void } | null = null;
  private over: HaproxyUnreachable | null = null;
  private asked = 'connecting';

  constructor(
    private readonly path: string,
    deadlineMs: number,
  ) {
    this.socket = connect({ path });
    this.socket.setEncoding('utf8');
    this.timer = setTimeout(() => this.end(`no whole answer within ${deadlineMs} ms`), deadlineMs);
    this.opened = new Promise((resolve, reject) => {
      this.waiting = { resolve: () => resolve(), reject };
      this.socket.once('connect', () => this.answer(''));
    });
    this.socket.on('data', (part: string) => this.take(part));
    this.socket.on('error', (fault: NodeJS.ErrnoException) => this.end(fault.code ?? fault.message));
    this.socket.on('close', () => this.end('the connection was closed before the answer was whole'));
  }

  send(command: string): Promise<string> {
    if (/[\n\r]/.test(command)) throw new TypeError(`a command of several lines: ${JSON.stringify(command)}`);
    if (this.over !== null) return Promise.reject(this.over);
    this.asked = command.slice(0, 80);
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      this.socket.write(`${command}\n`);
    });
  }

  close(): void {
    this.end('closed by this side');
  }

  private take(part: string): void {
    this.received += part;
    if (this.received.length > limitBytes) return this.end(`the answer is longer than ${limitBytes} bytes`);
    const end = prompt.exec(this.received.slice(-40));
    if (end === null) return;
    const text = this.received.slice(0, this.received.length - end[0].length);
    this.received = '';
    this.answer(text.trim());
  }

  private answer(text: string): void {
    const { waiting } = this;
    this.waiting = null;
    waiting?.resolve(text);
  }

  private end(why: string): void {
    if (this.over !== null) return;
    clearTimeout(this.timer);
    this.over = new HaproxyUnreachable(`HAProxy at ${this.path}, ${this.asked}: ${why}`);
    this.socket.destroy();
    const { waiting } = this;
    this.waiting = null;
    waiting?.reject(this.over);
  }
}
