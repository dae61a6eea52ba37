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
  /** As {@link ask} one after the other, all on their way at once. A command may carry lines of payload (`<<`). `onFirst`: its first answer is there. */
  askAll(worker: number, commands: readonly string[], onFirst?: () => void): Promise<string[]>;
  close(): void;
}

/** The prompt that ends each answer. Nothing of ours can look like it: names and values have neither space nor newline. */
const prompt = /(?:^|\n)(?:master|\d+)> /g;
const promptMax = 40;
const payload = / <<\n(?:[^\s\n]+ [^\s\n]+\n)+$/;
const limitBytes = 64 * 1024 * 1024;

/**
 * Connects to the master's socket. Everything that is asked must be answered within `deadlineMs` from now, so that nobody
 * who was given up goes on writing. Rejects with {@link HaproxyUnreachable}.
 */
export async function openMasterCli(path: string, deadlineMs: number): Promise<MasterCli> {
  const line = new Line(path, deadlineMs);
  // Not waited for: the first commands go with it.
  const begun = Promise.all([line.opened, line.send('prompt')]);
  begun.catch(() => undefined);
  let talksTo = 0;

  async function askAll(worker: number, commands: readonly string[], onFirst?: () => void): Promise<string[]> {
    const switched = talksTo === worker ? Promise.resolve('') : line.send(worker === 0 ? '@master' : `@!${worker}`);
    // From the master the commands go along: where the worker is gone the master gets them, and knows none of them.
    // Another worker would obey.
    if (talksTo !== 0) await reached(worker, switched);
    const each = commands.map((command) => line.send(command));
    if (onFirst) each[0]?.then(onFirst).catch(() => undefined);
    const answers = Promise.all(each);
    answers.catch(() => undefined);
    await begun;
    await reached(worker, switched);
    return await answers;
  }

  async function reached(worker: number, switched: Promise<string>): Promise<void> {
    const said = await switched;
    if (said !== '') throw new HaproxyAnswerRefused(`worker ${worker} at ${path}: ${said}`);
    talksTo = worker;
  }

  async function ask(worker: number, command: string): Promise<string> {
    const [answer] = await askAll(worker, [command]);
    return answer as string;
  }

  return {
    ask,
    askAll,
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

interface Waiting {
  readonly asked: string;
  readonly resolve: (answer: string) => void;
  readonly reject: (fault: Error) => void;
}

class Line {
  readonly opened: Promise<void>;
  private readonly socket: Socket;
  private readonly timer: NodeJS.Timeout;
  private received = '';
  private searched = 0;
  private readonly waiting: Waiting[] = [];
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
      this.waiting.push({ asked: 'connecting', resolve: () => resolve(), reject });
      this.socket.once('connect', () => this.answer(''));
    });
    this.socket.on('data', (part: string) => this.take(part));
    this.socket.on('error', (fault: NodeJS.ErrnoException) => this.end(fault.code ?? fault.message));
    this.socket.on('close', () => this.end('the connection was closed before the answer was whole'));
  }

  send(command: string): Promise<string> {
    if (/[\n\r]/.test(command) && !payload.test(command))
      throw new TypeError(`a command of several lines: ${JSON.stringify(command)}`);
    if (this.over !== null) return Promise.reject(this.over);
    return new Promise((resolve, reject) => {
      this.waiting.push({ asked: command.slice(0, 80), resolve, reject });
      this.socket.write(`${command}\n`);
    });
  }

  close(): void {
    this.end('closed by this side');
  }

  private take(part: string): void {
    this.received += part;
    if (this.received.length > limitBytes) return this.end(`the answer is longer than ${limitBytes} bytes`);
    for (;;) {
      prompt.lastIndex = Math.max(0, this.searched - promptMax);
      const end = prompt.exec(this.received);
      if (end === null) break;
      const text = this.received.slice(0, end.index);
      this.received = this.received.slice(end.index + end[0].length);
      this.searched = 0;
      this.answer(text.trim());
    }
    this.searched = this.received.length;
  }

  private answer(text: string): void {
    const first = this.waiting.shift();
    this.asked = this.waiting[0]?.asked ?? first?.asked ?? this.asked;
    first?.resolve(text);
  }

  private end(why: string): void {
    if (this.over !== null) return;
    clearTimeout(this.timer);
    this.over = new HaproxyUnreachable(`HAProxy at ${this.path}, ${this.waiting[0]?.asked ?? this.asked}: ${why}`);
    this.socket.destroy();
    for (const { reject } of this.waiting.splice(0)) reject(this.over);
  }
}
