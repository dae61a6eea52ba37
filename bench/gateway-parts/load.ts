import { get } from 'node:http';
import { connect } from 'node:net';

/**
 * The load client of the gateway's benchmark, a process of its own: takes one JSON command a line on standard input and
 * answers with one line. It writes prepared bytes into plain sockets, so that it takes little from the machine.
 */
type Command =
  | { readonly do: 'load'; readonly port: number; readonly connections: number; readonly ms: number }
  | { readonly do: 'streams'; readonly port: number; readonly count: number };

export interface LoadResult {
  readonly requests: number;
  readonly bad: number;
  readonly elapsedMs: number;
  readonly p50: number;
  readonly p99: number;
}

const SESSIONS = 1_000;
const BODY = JSON.stringify({
  inputs: [{ name: 'text', shape: [1], datatype: 'BYTES', data: ['Re: the build is broken again '.repeat(8)] }],
});
const REQUESTS = Array.from({ length: SESSIONS }, (_, session) =>
  Buffer.from(
    'POST /v2/models/mail/infer HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\naccept: application/json\r\n' +
      `user-agent: bench\r\nx-session-id: session-${session}\r\ncontent-length: ${Buffer.byteLength(BODY)}\r\n\r\n${BODY}`,
  ),
);

function load(port: number, connections: number, ms: number): Promise<LoadResult> {
  return new Promise((resolve) => {
    const latencies: number[] = [];
    const began = performance.now();
    let bad = 0;
    let open = connections;
    const ended = (): void => {
      open -= 1;
      if (open > 0) return;
      latencies.sort((left, right) => left - right);
      const at = (quantile: number): number => latencies[Math.floor(quantile * (latencies.length - 1))] ?? NaN;
      resolve({ requests: latencies.length, bad, elapsedMs: performance.now() - began, p50: at(0.5), p99: at(0.99) });
    };
    for (let index = 0; index < connections; index += 1) {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      let sentAt = 0;
      let received = '';
      let over = false;
      let next = index;
      const end = (): void => {
        if (over) return;
        over = true;
        socket.destroy();
        ended();
      };
      const send = (): void => {
        if (performance.now() - began >= ms) {
          end();
          return;
        }
        received = '';
        sentAt = performance.now();
        next = (next + connections) % SESSIONS;
        socket.write(REQUESTS[next] as Buffer);
      };
      socket.on('connect', send);
      socket.on('data', (chunk: Buffer) => {
        received += chunk.toString('latin1');
        const head = received.indexOf('\r\n\r\n');
        if (head < 0) return;
        const length = /content-length: (\d+)/i.exec(received);
        const chunked = !length && received.endsWith('0\r\n\r\n');
        if (length ? received.length < head + 4 + Number(length[1]) : !chunked) return;
        latencies.push(performance.now() - sentAt);
        if (!received.startsWith('HTTP/1.1 200')) bad += 1;
        send();
      });
      const failed = (): void => {
        if (!over) bad += 1;
        end();
      };
      socket.on('error', failed);
      socket.on('close', failed);
    }
  });
}

function streams(port: number, count: number): Promise<{ whole: number; broken: number }> {
  const one = (): Promise<boolean> =>
    new Promise((resolve) => {
      get({ port, host: '127.0.0.1', path: '/stream', agent: false }, (res) => {
        let text = '';
        res.on('data', (chunk: Buffer) => (text += chunk.toString()));
        res.on('end', () => resolve(res.complete && text.endsWith('data: [DONE]\n\n')));
        res.on('error', () => resolve(false));
      }).on('error', () => resolve(false));
    });
  return Promise.all(Array.from({ length: count }, one)).then((each) => {
    const whole = each.filter(Boolean).length;
    return { whole, broken: count - whole };
  });
}

async function run(command: Command): Promise<unknown> {
  switch (command.do) {
    case 'load':
      return load(command.port, command.connections, command.ms);
    case 'streams':
      return streams(command.port, command.count);
  }
}

let rest = '';
process.stdin.on('data', (chunk: Buffer) => {
  const lines = (rest + chunk.toString()).split('\n');
  rest = lines.pop() ?? '';
  for (const line of lines) {
    void run(JSON.parse(line) as Command).then((result) => process.stdout.write(`${JSON.stringify(result)}\n`));
  }
});
process.stdin.on('end', () => process.exit(0));
