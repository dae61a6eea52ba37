import { spawn } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { ServingRefused } from './errors';

/** How a copy is started; comes from the configuration of the host, never from an artifact. */
export interface ProcessTemplate {
  /** Program and arguments; `{artifact}`, `{host}`, `{port}`, `{report}`, `{instance}`, `{digest}` are replaced. No shell. */
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

const PLACEHOLDERS = ['artifact', 'host', 'port', 'report', 'instance', 'digest'] as const;
export type Placeholders = Readonly<Record<(typeof PLACEHOLDERS)[number], string>>;

/** Refuses a template that could never start anything, with the place. */
export function checkTemplate(template: ProcessTemplate): void {
  if (template.command.length === 0 || template.command[0] === '') throw new ServingRefused('command: empty');
  for (const [at, argument] of template.command.entries()) {
    for (const [whole, name = ''] of argument.matchAll(/\{(\w+)\}/g)) {
      if (!(PLACEHOLDERS as readonly string[]).includes(name)) {
        throw new ServingRefused(
          `command[${at}]: unknown placeholder ${whole}, expected one of ${PLACEHOLDERS.join(', ')}`,
        );
      }
    }
    if (argument.includes('\0')) throw new ServingRefused(`command[${at}]: a NUL character`);
  }
  if (!uses(template, 'report') && !uses(template, 'port')) {
    throw new ServingRefused('command: neither {report} nor {port}, so nobody would know the address');
  }
}

export function uses(template: ProcessTemplate, name: keyof Placeholders): boolean {
  return template.command.some((argument) => argument.includes(`{${name}}`));
}

export function fill(template: ProcessTemplate, values: Placeholders): string[] {
  return template.command.map((argument) =>
    argument.replace(/\{(\w+)\}/g, (whole, name: string) => values[name as keyof Placeholders] ?? whole),
  );
}

/**
 * The leader of the session: claims the run (exclusively, so that a launch that was given up can never happen later),
 * runs the server with its output in a file, and writes down how it ended. SIGTERM goes to the whole group; the leader
 * outlives it to record the exit, and a trap (unlike an ignored signal) is not inherited by the server.
 */
const LEADER = `set -C
echo "$$" >"$LASTGOOD_RUN/claim" || exit 75
set +C
trap : TERM INT HUP
"$@" >>"$LASTGOOD_RUN/log" 2>&1
echo "$?" >"$LASTGOOD_RUN/exit.tmp"
mv "$LASTGOOD_RUN/exit.tmp" "$LASTGOOD_RUN/exit"
`;

/** Starts the command in a session of its own; it outlives this process. Resolves when the leader exists. */
export function launch(
  command: readonly string[],
  options: { runFolder: string; nonce: string; environment: Readonly<Record<string, string>>; cwd: string | undefined },
): Promise<void> {
  const child = spawn('/bin/sh', ['-c', LEADER, 'lastgood-instance', ...command], {
    detached: true,
    stdio: 'ignore',
    env: { ...options.environment, LASTGOOD_RUN: options.runFolder, LASTGOOD_NONCE: options.nonce },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  child.unref();
  return new Promise((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (fault) =>
      reject(new ServingRefused(`cannot start ${command[0] ?? ''}: ${fault.message}`, { cause: fault })),
    );
  });
}

/**
 * A port that was free a moment ago, for servers that cannot choose and report one. Another process may take it in
 * between; then the server fails to start and its log says so.
 */
export function freePort(host = '127.0.0.1'): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, host, () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

/** Whether somebody takes connections on a port, of this host by default. */
export function listens(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ port, host });
    socket.setTimeout(500, () => socket.destroy());
    socket.once('connect', () => {
      done(true);
      socket.destroy();
    });
    socket.once('close', () => done(false));
    socket.once('error', () => done(false));
  });
}
