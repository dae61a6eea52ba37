import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { Issued } from './certificates';
import { freePort } from './haproxy-process';
import { until } from './poll';

const BIN = '/usr/lib/postgresql/15/bin';
/** As root the server refuses to run: Debian's user does. */
const asRoot = process.getuid?.() === 0;

function missing(): string | null {
  return existsSync(join(BIN, 'initdb')) ? null : 'no PostgreSQL 15 (scripts/test-deps/postgres.sh installs it)';
}

/** `describe`, or with one visible line `describe.skip`. */
export function describePostgres(what: string): jest.Describe {
  const why = missing();
  if (why === null) return describe;
  process.stdout.write(`skipped: ${what} (${why})\n`);
  return describe.skip;
}

function command(program: string, args: readonly string[]): [string, string[]] {
  const path = join(BIN, program);
  return asRoot ? ['runuser', ['-u', 'postgres', '--', path, ...args]] : [path, [...args]];
}

/** A real PostgreSQL of its own data directory, on a loopback port; `postgres` is its owner, without a password. */
export class PostgresServer {
  private child: ChildProcess | null = null;
  log = '';

  private constructor(
    readonly directory: string,
    readonly port: number,
  ) {}

  static async start(): Promise<PostgresServer> {
    const directory = mkdtempSync(join(tmpdir(), 'lastgood-pg-'));
    if (asRoot) execFileSync('chown', ['postgres', directory]);
    const [program, args] = command('initdb', ['-D', join(directory, 'data'), '-U', 'postgres', '-A', 'trust', '-N']);
    execFileSync(program, args, { cwd: directory, stdio: 'ignore' });
    const server = new PostgresServer(directory, await freePort());
    await server.run();
    return server;
  }

  async run(): Promise<void> {
    const settings = ['-c', 'fsync=off', '-c', 'listen_addresses=127.0.0.1', '-c', 'max_connections=40'];
    const [program, args] = command('postgres', [
      ...['-D', join(this.directory, 'data'), '-p', String(this.port), '-k', this.directory],
      ...settings,
    ]);
    const child = spawn(program, args, { cwd: this.directory, stdio: ['ignore', 'ignore', 'pipe'] });
    this.child = child;
    child.stderr?.on('data', (part: Buffer) => (this.log += part.toString()));
    // After a crash it first repairs itself, on a machine that may be busy.
    const answers = async (): Promise<boolean> => {
      if (child.exitCode !== null) throw new Error(`postgres ended with ${child.exitCode}: ${this.log}`);
      return await this.sql('select 1').then(
        () => true,
        () => false,
      );
    };
    await until('PostgreSQL', answers, 60_000);
  }

  async sql<T extends object>(text: string, database = 'postgres', user = 'postgres'): Promise<T[]> {
    const client = new pg.Client({ host: '127.0.0.1', port: this.port, user, database });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query<T>(text)).rows;
    } finally {
      await client.end();
    }
  }

  /** Passwords are asked for from now on; the owner's socket stays open to it. */
  async demandPasswords(): Promise<void> {
    const lines = 'host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n';
    writeFileSync(join(this.directory, 'data', 'pg_hba.conf'), lines);
    await this.sql('select pg_reload_conf()');
  }

  /** With this certificate from now on; without TLS it still answers too. */
  async speakTls({ certFile, keyFile }: Issued): Promise<void> {
    const data = join(this.directory, 'data');
    copyFileSync(certFile, join(data, 'server.crt'));
    copyFileSync(keyFile, join(data, 'server.key'));
    if (asRoot) execFileSync('chown', ['postgres', join(data, 'server.crt'), join(data, 'server.key')]);
    chmodSync(join(data, 'server.key'), 0o600);
    await this.sql('alter system set ssl = on');
    await this.sql('select pg_reload_conf()');
    await until('TLS', async () => (await this.sql<{ ssl: string }>('show ssl'))[0]?.ssl === 'on');
  }

  /** Ends at once, as a machine does that loses its power; `run` starts it again. */
  async crash(): Promise<void> {
    await this.end('immediate');
  }

  async stop(): Promise<void> {
    if (this.child?.exitCode === null) await this.end('immediate');
    rmSync(this.directory, { recursive: true, force: true });
  }

  private async end(mode: 'fast' | 'immediate'): Promise<void> {
    const { child } = this;
    const ended = new Promise((resolve) => child?.once('exit', resolve));
    const [program, args] = command('pg_ctl', ['-D', join(this.directory, 'data'), '-m', mode, '-W', 'stop']);
    execFileSync(program, args, { cwd: this.directory, stdio: 'ignore' });
    await ended;
  }
}
