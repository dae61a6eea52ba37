import { createServer, type Server, type Socket } from 'node:net';
import { chmodSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { hourOf, linePrefix, type AnswerRecord } from './answer-record';
import { LogContinuity, type LogGap, type Workers } from './log-continuity';
import { readLogState, writeLogState } from './log-state';
import { gapRow, type TelemetryStore } from './telemetry-store';

/** One line of the log that HAProxy sends: see `log-format` in its configuration, written by `adapters/traffic/haproxy`. */
const lineSchema = z.object({
  n: z.int(),
  pid: z.int(),
  at: z.number(),
  service: z.string(),
  id: z.string().regex(/^[A-Za-z0-9._:-]{1,128}$/),
  about: z.string(),
  status: z.int(),
  ms: z.number(),
});
export type LogLine = z.infer<typeof lineSchema>;

/** `epoch|reason|version|instance|digest`; the last two are missing where the copy is not known by name. */
const aboutPattern = /^(\d+)\|(primary|pin|fallback|share|drill)\|(?!-\|)([^|]+)\|([^|]*)(?:\|([^|]*))?$/;
const lineMax = 4_096;
const saveMs = 1_000;
const prefixesMax = 5_000;
/** Two lines of a file may be swapped by so much. */
const orderSlackMs = 5_000;

export interface LoggedService {
  readonly answers: AnswerRecord;
  readonly telemetry: TelemetryStore;
}

/**
 * Takes the answer record of services that HAProxy routes, over a Unix socket to which each of its workers connects. What
 * was lost on the way is a gap: see {@link LogContinuity}. A line is stored at the same moment as one of the gateway's own.
 */
export class RouterLog {
  private readonly server: Server;
  private readonly open = new Set<Socket>();
  private readonly continuity: LogContinuity;
  private readonly prefixes = new Map<string, string>();
  private timer: NodeJS.Timeout | null = null;
  private saving: Promise<void> = Promise.resolve();

  private constructor(
    private readonly stateFile: string,
    private readonly services: ReadonlyMap<string, LoggedService>,
    known: Workers,
  ) {
    this.continuity = new LogContinuity(known, Date.now(), (gap) => this.gap(gap));
    this.server = createServer((socket) => this.take(socket));
  }

  /** @param stateFile how far each worker's lines were stored when this process ended */
  static async start(
    socket: string,
    stateFile: string,
    services: ReadonlyMap<string, LoggedService>,
  ): Promise<RouterLog> {
    // It may be there before HAProxy was ever configured.
    mkdirSync(dirname(socket), { recursive: true, mode: 0o750 });
    const log = new RouterLog(stateFile, services, readLogState(stateFile));
    await new Promise<void>((resolve, reject) => {
      log.server.once('error', reject);
      log.server.listen(socket, resolve);
    });
    // HAProxy may run as another user of the group, as for the routes that it reads.
    chmodSync(socket, 0o660);
    log.timer = setInterval(() => log.everySecond(), saveMs);
    return log;
  }

  /** What came until now is stored, and known to be. */
  async stop(): Promise<void> {
    if (this.timer !== null) clearInterval(this.timer);
    const ended = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.continuity.stop();
    for (const socket of this.open) socket.destroy();
    await ended;
    await this.save();
  }

  private take(socket: Socket): void {
    this.open.add(socket);
    socket.setEncoding('utf8');
    let rest = '';
    let pid: number | null = null;
    socket.on('data', (part: string) => {
      const lines = (rest + part).split('\n');
      rest = (lines.pop() ?? '').slice(-lineMax);
      for (const text of lines) {
        const line = text === '' ? null : parsed(text);
        if (line === null) continue;
        pid = line.pid;
        this.continuity.line(line);
        this.store(line);
      }
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.open.delete(socket);
      this.continuity.closed(pid, Date.now());
    });
  }

  private store({ service, id, at, about, status, ms }: LogLine): void {
    const into = this.services.get(service);
    const prefix = this.prefixOf(service, about);
    if (into === undefined || prefix === null) return;
    into.answers.add(id, at, prefix, status, ms, null, null);
    const now = Date.now();
    // It stands in the file of another hour than a look-up opens.
    if (now - at > orderSlackMs && hourOf(at) !== hourOf(now)) {
      this.gap({ service, fromMs: at, toMs: at, why: "lines of HAProxy's log came in another hour" });
    }
  }

  /** Null where no version answered: HAProxy had no route, or refused the request by itself. */
  private prefixOf(service: string, about: string): string | null {
    const key = `${service} ${about}`;
    const made = this.prefixes.get(key);
    if (made !== undefined) return made;
    const match = aboutPattern.exec(about);
    if (match === null) return null;
    const [, epoch, reason, version = '', instance = '', digest = ''] = match;
    const backend = { address: '', instance: instance === '-' ? '' : instance, digest };
    const prefix = linePrefix(service, version, backend, Number(epoch), reason as Parameters<typeof linePrefix>[4]);
    if (this.prefixes.size >= prefixesMax) this.prefixes.clear();
    this.prefixes.set(key, prefix);
    return prefix;
  }

  private gap({ service, fromMs, toMs, why }: LogGap): void {
    for (const [name, { telemetry }] of this.services) {
      // Told from the handler of a socket: a full disk must not end the process, and a gap may come later than it was.
      if (service === null || service === name) telemetry.offer([{ row: gapRow(fromMs, toMs, why) }]);
    }
  }

  private everySecond(): void {
    this.continuity.tick(Date.now());
    this.saving = this.saving
      .then(() => this.save())
      .catch((fault: unknown) => {
        // The state stays older than it must be: after a crash the gap is then longer, never shorter.
        process.stderr.write(`lastgood gateway: ${this.stateFile}: ${String(fault)}\n`);
      });
  }

  private async save(): Promise<void> {
    const workers = this.continuity.take();
    if (workers === null) return;
    // Only what is with the operating system may count as stored.
    await Promise.all([...this.services.values()].map(({ answers }) => answers.drained()));
    writeLogState(this.stateFile, workers);
  }
}

function parsed(text: string): LogLine | null {
  try {
    return lineSchema.parse(JSON.parse(text));
  } catch {
    // Its number is missing then, which is how it is missed.
    return null;
  }
}
