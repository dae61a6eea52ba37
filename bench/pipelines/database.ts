import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { freePort } from '../../adapters/serving/process-launch';
import { NotMeasured } from '../report';

const BIN = '/usr/lib/postgresql/15/bin';
const asRoot = process.getuid?.() === 0;
const START_MS = 120_000;

/** A PostgreSQL of its own that syncs every commit to disk; `crash` ends it as a power cut would end the process. */
export class Database {
  private child: ChildProcess | null = null;

  private constructor(
    private readonly directory: string,
    readonly port: number,
  ) {}

  static async start(): Promise<Database> {
    if (!existsSync(join(BIN, 'initdb')))
      throw new NotMeasured('no PostgreSQL 15 (scripts/test-deps/postgres.sh installs it)');
    const directory = mkdtempSync(join(tmpdir(), 'lastgood-bench-pg-'));
    if (asRoot) execFileSync('chown', ['postgres', directory]);
    const [program, args] = command('initdb', ['-D', join(directory, 'data'), '-U', 'postgres', '-A', 'trust', '-N']);
    execFileSync(program, args, { cwd: directory, stdio: 'ignore' });
    const database = new Database(directory, await freePort());
    await database.run();
    return database;
  }

  async run(): Promise<void> {
    const { directory, port } = this;
    const where = ['-D', join(directory, 'data'), '-p', String(port), '-k', directory];
    const [program, args] = command('postgres', [...where, '-c', 'listen_addresses=127.0.0.1']);
    this.child = spawn(program, args, { cwd: directory, stdio: 'ignore' });
    const began = performance.now();
    while (!(await this.answers())) {
      if (performance.now() - began > START_MS) throw new NotMeasured(`PostgreSQL did not start in ${START_MS} ms`);
      await pause(50);
    }
  }

  async sql<T extends object>(text: string): Promise<T[]> {
    const client = new pg.Client({ host: '127.0.0.1', port: this.port, user: 'postgres', database: 'postgres' });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query<T>(text)).rows;
    } finally {
      await client.end();
    }
  }

  async crash(): Promise<void> {
    const { child, directory } = this;
    const ended = new Promise((resolve) => child?.once('exit', resolve));
    const [program, args] = command('pg_ctl', ['-D', join(directory, 'data'), '-m', 'immediate', '-W', 'stop']);
    execFileSync(program, args, { cwd: directory, stdio: 'ignore' });
    await ended;
  }

  async stop(): Promise<void> {
    if (this.child?.exitCode === null) await this.crash();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private answers(): Promise<boolean> {
    return this.sql('select 1').then(
      () => true,
      () => false,
    );
  }
}

function command(program: string, args: readonly string[]): [string, string[]] {
  const path = join(BIN, program);
  return asRoot ? ['runuser', ['-u', 'postgres', '--', path, ...args]] : [path, [...args]];
}
