/**
 * The inference server of mail-triage (Open Inference Protocol, REST):
 *
 *     node dist/examples/mail-triage/server.js --artifact DIR --port 0 --report FILE
 *
 * It answers "not ready" from the moment it listens and "ready" once the model is loaded; the report file
 * ({port, pid, digest, controlPort?}) is written whole, after loading. SIGTERM finishes what is in flight and exits 0.
 */
import { openSync, writeSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { startControl } from './control';
import { openFaults } from './faults';
import { writeAtomically } from './files';
import { createHandler, type Answered } from './handler';
import { loadVersion } from './loaded-version';
import { openMailCache } from './mail-cache';

export interface ServerOptions {
  /** Directory of the version. */
  artifact: string;
  /** 0: any free port. */
  port: number;
  host?: string;
  /** Receives the report, once the model is loaded. */
  report?: string;
  /** Opens the listener for faults, on loopback. */
  control?: boolean;
  /** Receives one JSON line for each answered request, written before the answer is sent. */
  answersLog?: string;
  /** Replaces what the version declares for its cache (1.4), to leak faster or slower. */
  leak?: { bytesPerMail?: number; maxBytesPerSecond?: number; limitBytes?: number };
  /** Waits this long before loading, for tests of readiness. */
  loadDelayMs?: number;
  /** Longest wait for requests in flight at the end. */
  graceMs?: number;
  /** Ends the process without farewell; for `crash` and for the memory limit. */
  kill?: () => void;
}

export interface RunningServer {
  port: number;
  controlPort?: number;
  digest: string;
  /** Stops accepting, waits for requests in flight; answers how many were cut off after the grace time. */
  stop: () => Promise<number>;
}

const GRACE_MS = 10_000;
const SWEEP_MS = 50;
/** Longer than the idle time of the proxies in front, so that it is they who close an idle connection. */
const KEEP_ALIVE_MS = 75_000;

export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const kill = options.kill ?? ((): void => void process.kill(process.pid, 'SIGKILL'));
  const faults = openFaults();
  const inFlight = new Set<ServerResponse>();
  let stopping = false;
  const handler = createHandler(faults, answersLog(options.answersLog));
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    inFlight.add(response);
    response.once('close', () => inFlight.delete(response));
    if (stopping) response.setHeader('connection', 'close');
    handler.handle(request, response);
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  const port = await listen(server, options.port, options.host ?? '127.0.0.1');
  if (options.loadDelayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, options.loadDelayMs));
  try {
    const loaded = await loadVersion(options.artifact);
    const declared = loaded.preprocessing.runtime?.preparedMailCache;
    handler.serve(
      loaded,
      declared && openMailCache({ ...declared, ...defined(options.leak ?? {}) }, kill, () => performance.now()),
    );
    const control = options.control === true ? await startControl(faults, kill) : undefined;
    const address = { port, ...(control ? { controlPort: control.port } : {}), digest: loaded.digest };
    if (options.report !== undefined) {
      await writeAtomically(options.report, JSON.stringify({ ...address, pid: process.pid }));
    }
    return {
      ...address,
      stop: async () => {
        stopping = true;
        control?.close();
        return drain(server, inFlight, options.graceMs ?? GRACE_MS);
      },
    };
  } catch (error) {
    server.close();
    server.closeAllConnections();
    throw error;
  }
}

async function drain(server: Server, inFlight: Set<ServerResponse>, graceMs: number): Promise<number> {
  for (const response of inFlight) if (!response.headersSent) response.setHeader('connection', 'close');
  let cutOff = 0;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // Again and again: a connection becomes idle when its request ends, and would stay open for its keep-alive time.
  const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS);
  const limit = setTimeout(() => {
    cutOff = inFlight.size;
    server.closeAllConnections();
  }, graceMs);
  server.closeIdleConnections();
  await closed;
  clearInterval(sweep);
  clearTimeout(limit);
  return cutOff;
}

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  });
}

/** Synchronous appends, so that a process killed right after an answer has logged it. */
function answersLog(path: string | undefined): (answered: Answered) => void {
  if (path === undefined) return () => undefined;
  const file = openSync(path, 'a');
  return (answered) => void writeSync(file, `${JSON.stringify(answered)}\n`);
}

function defined<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as never;
}

const USE = `use: server.js --artifact DIR [--port 0] [--host 127.0.0.1] [--report FILE] [--control] [--answers-log FILE]
  [--leak-bytes-per-mail N] [--leak-bytes-per-second N] [--leak-limit-bytes N] [--load-delay-ms N] [--grace-ms N]`;

function optionsOf(argv: string[]): ServerOptions {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: argv,
    options: {
      artifact: text,
      port: text,
      host: text,
      report: text,
      control: { type: 'boolean' },
      'answers-log': text,
      'leak-bytes-per-mail': text,
      'leak-bytes-per-second': text,
      'leak-limit-bytes': text,
      'load-delay-ms': text,
      'grace-ms': text,
    },
  });
  const number = (name: keyof typeof values): number | undefined => {
    const found = values[name];
    if (found === undefined) return undefined;
    const value = Number(found);
    if (!Number.isSafeInteger(value) || value < 0)
      throw new Error(`--${name}: found ${String(found)}, expected a number`);
    return value;
  };
  if (values.artifact === undefined) throw new Error(USE);
  return defined({
    artifact: values.artifact,
    port: number('port') ?? 0,
    host: values.host,
    report: values.report,
    control: values.control,
    answersLog: values['answers-log'],
    leak: defined({
      bytesPerMail: number('leak-bytes-per-mail'),
      maxBytesPerSecond: number('leak-bytes-per-second'),
      limitBytes: number('leak-limit-bytes'),
    }),
    loadDelayMs: number('load-delay-ms'),
    graceMs: number('grace-ms'),
  }) as ServerOptions;
}

async function main(): Promise<void> {
  // Before the model is loaded nothing can be in flight but health checks.
  let stop = (): Promise<number> => Promise.resolve(0);
  const end = (): void => {
    void stop().then((cutOff) => {
      if (cutOff > 0) console.error(`mail-triage server: ${cutOff} requests cut off after the grace time`);
      process.exit(cutOff > 0 ? 1 : 0);
    });
  };
  process.once('SIGTERM', end);
  process.once('SIGINT', end);
  const running = await startServer(optionsOf(process.argv.slice(2)));
  stop = running.stop;
}

if (require.main === module) {
  main().catch((error: unknown) => {
    console.error(`mail-triage server: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(1);
  });
}
