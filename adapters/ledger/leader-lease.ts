import pg from 'pg';
import { sessionOptions, type PostgresLedgerOptions } from './postgres-ledger';

export interface LeaseOptions extends PostgresLedgerOptions {
  /** Of this controller, for people and for the others. */
  readonly name: string;
  /** The newest rules that it decides by. */
  readonly rules: number;
  /** `leads` has changed, or why it cannot be known any more. */
  readonly onChange: (leads: boolean, why: string) => void;
}

/** How often the holder shows that it lives, and the others try. */
const LOOK_EVERY_MS = 1_000;
/** A look that is not answered by then ends the connection. */
const SILENCE_MS = 3_000;
/** Who was not told for so long that it leads acts as if it did not: before the server can have given the lease away. */
const CONFIRMED_FOR_MS = 4_000;
/** The server ends a session whose machine does not answer any more after about five seconds: 2 s of peace, 3 asks. */
const KEEPALIVE = '-c tcp_keepalives_idle=2 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=3';
/** And one whose process is there and says nothing (stopped, swapped out). PostgreSQL 14 or newer; older ones wait for it. */
const IDLE_SESSION = `select set_config('idle_session_timeout', '8s', false)
  from pg_settings where name = 'idle_session_timeout'`;

const MARK = 'lastgood-controller';

/**
 * One of several controllers leads: it alone does what must not be done twice. The lease is an advisory lock of the ledger's
 * database, held by a session of its own: it goes with the process that held it at once, with its machine after five
 * seconds, with a process that hangs after eight; the next one has it a second later. Nothing is written for it.
 */
export class LeaderLease {
  private confirmedMs = -Infinity;
  private told = false;
  private present: readonly number[] = [];

  constructor(private readonly options: LeaseOptions) {}

  leads(): boolean {
    return performance.now() - this.confirmedMs < CONFIRMED_FOR_MS;
  }

  /** What every controller that is there can decide by: an older one among them must be able to read on. */
  commonRules(): number {
    return Math.min(this.options.rules, ...this.present);
  }

  /** Until the signal; then the lease is free at once. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const client = new pg.Client(this.config());
      // A connection that breaks is told by the next look.
      client.on('error', () => undefined);
      try {
        await client.connect();
        await client.query(IDLE_SESSION);
        await this.hold(client, signal);
      } catch (error) {
        this.tell(false, error instanceof Error ? error.message : String(error));
      } finally {
        this.confirmedMs = -Infinity;
        await client.end().catch(() => undefined);
      }
      await wait(LOOK_EVERY_MS, signal);
    }
    this.tell(false, 'this controller ends');
  }

  private async hold(client: pg.Client, signal: AbortSignal): Promise<void> {
    let held = false;
    while (!signal.aborted) {
      const askedMs = performance.now();
      if (!held) held = await this.tryLock(client);
      const { rows } = await client.query<{ name: string }>(
        `select application_name as name from pg_stat_activity where datname = current_database() and application_name like $1`,
        [`${MARK} %`],
      );
      this.present = rows.flatMap(({ name }) => rulesOf(name) ?? []);
      // From the moment of the question: the answer may have been long on its way.
      if (held) this.confirmedMs = askedMs;
      this.tell(held, held ? 'has the lease' : 'another controller has the lease');
      await wait(LOOK_EVERY_MS, signal);
    }
  }

  private async tryLock(client: pg.Client): Promise<boolean> {
    const { rows } = await client.query<{ held: boolean }>(
      'select pg_try_advisory_lock(hashtextextended($1, 0)) as held',
      [`lastgood ${this.options.schema} leader`],
    );
    return rows[0]?.held === true;
  }

  private tell(leads: boolean, why: string): void {
    if (!leads) this.confirmedMs = -Infinity;
    if (leads === this.told) return;
    this.told = leads;
    this.options.onChange(leads, why);
  }

  private config(): pg.ClientConfig {
    const { name, rules } = this.options;
    return {
      ...sessionOptions(this.options),
      query_timeout: SILENCE_MS,
      connectionTimeoutMillis: SILENCE_MS,
      application_name: `${MARK} ${name} rules=${rules}`,
      options: KEEPALIVE,
    };
  }
}

function rulesOf(applicationName: string): number | null {
  const found = / rules=(\d+)$/.exec(applicationName)?.[1];
  return found === undefined ? null : Number(found);
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
