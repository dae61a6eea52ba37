import { spawn } from 'node:child_process';
import { homedir } from 'node:os';
import { RegistryMissing, RegistryUnreachable } from '../registry/errors';

export interface GitOptions {
  /** A clone (bare or not) on this machine. */
  readonly repository: string;
  /** Where `git` is looked for. */
  readonly path: string;
  /** For one command; default 30 s. */
  readonly timeoutMs?: number;
}

export interface Git {
  /** What the command printed; at most `limitBytes`. Rejects with a `RegistryError` that has Git's own words. */
  run(args: readonly string[], options: GitCall): Promise<Buffer>;
  /** A file of a commit; null where the commit has none there. */
  file(commit: string, path: string, limitBytes: number, signal: AbortSignal): Promise<Buffer | null>;
}

interface GitCall {
  readonly signal: AbortSignal;
  readonly limitBytes?: number;
  readonly input?: string;
}

const LIMIT_BYTES = 16 * 1024 * 1024;
const LIMIT_WORDS = 300;
/** A command that was told to end, and does not. */
const KILL_AFTER_MS = 1_000;

/**
 * The `git` of this machine on one clone, which must not ask anybody anything, runs no hooks, and fetches nothing by itself.
 */
export function gitOn({ repository, path, timeoutMs = 30_000 }: GitOptions): Git {
  const environment = {
    PATH: path,
    // `safe.directory` stands there.
    HOME: homedir(),
    LC_ALL: 'C',
    GIT_TERMINAL_PROMPT: '0',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_NO_LAZY_FETCH: '1',
    ...Object.fromEntries(
      ['AUTHOR', 'COMMITTER'].flatMap((who) => [
        [`GIT_${who}_NAME`, 'lastgood'],
        [`GIT_${who}_EMAIL`, 'lastgood@localhost'],
      ]),
    ),
  };

  async function run(args: readonly string[], { signal, limitBytes = LIMIT_BYTES, input }: GitCall): Promise<Buffer> {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const child = spawn('git', ['-C', repository, '-c', 'core.hooksPath=/dev/null', ...args], {
      env: environment,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const end = (): void => {
      child.kill('SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS).unref();
    };
    limited.addEventListener('abort', end, { once: true });
    const out: Buffer[] = [];
    let [bytes, words] = [0, ''];
    child.stdout.on('data', (part: Buffer) => {
      bytes += part.length;
      if (bytes > limitBytes) end();
      else out.push(part);
    });
    child.stderr.on('data', (part: Buffer) => (words = `${words}${part.toString('utf8')}`.slice(0, 4 * LIMIT_WORDS)));
    // A command that ends without reading it is told of by its exit code.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input ?? '');
    try {
      const code = await new Promise<number | null>((done, failed) => {
        child.once('error', failed);
        child.once('close', done);
      });
      if (bytes > limitBytes) throw new RegistryUnreachable(`${repository}: git says more than ${limitBytes} bytes`);
      if (limited.aborted)
        throw new RegistryUnreachable(
          `${repository}: git ${args[0] ?? ''}: ${signal.aborted ? 'was ended' : `no answer within ${timeoutMs} ms`}`,
        );
      if (code !== 0) throw faultOf(repository, words.trim().slice(0, LIMIT_WORDS));
      return Buffer.concat(out);
    } catch (fault) {
      if ((fault as { code?: unknown }).code === 'ENOENT')
        throw new RegistryUnreachable(`${repository}: git is not on PATH, expected Git 2.20 or newer there`, {
          cause: fault,
        });
      throw fault;
    } finally {
      limited.removeEventListener('abort', end);
    }
  }

  return {
    run,
    async file(commit, path, limitBytes, signal) {
      try {
        return await run(['cat-file', 'blob', `${commit}:${path}`], { signal, limitBytes });
      } catch (fault) {
        if (fault instanceof NoSuchPath) return null;
        throw fault;
      }
    },
  };
}

/** The commit is there, and has nothing at that path. */
class NoSuchPath extends RegistryMissing {}

function faultOf(repository: string, words: string): RegistryMissing | RegistryUnreachable {
  const said = `${repository}: git: ${words.replace(/^fatal: /, '').replaceAll('\n', ' ')}`;
  if (/does not exist in|exists on disk, but not in|bad file$|: bad file/.test(words)) return new NoSuchPath(said);
  // After "invalid object name" as well: a shallow or a partial clone has the tag, and not what it names.
  if (/not a valid object|invalid object|missing object|unable to read|bad object|could not get object/i.test(words))
    return new RegistryUnreachable(
      `${said}; the clone does not have all objects: is it shallow or partial? (git fetch --unshallow --tags)`,
    );
  return new RegistryUnreachable(said);
}
