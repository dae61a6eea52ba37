import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { temporaryDirectory } from './temporary';

const python = resolve(__dirname, '../../.cache/test-deps/dvc/bin/python');

/** `describe`, or with one visible line `describe.skip`. */
export function describeDvc(what: string): jest.Describe {
  if (existsSync(python)) return describe;
  process.stdout.write(`skipped: ${what} (no DVC; scripts/test-deps/dvc.sh installs it)\n`);
  return describe.skip;
}

export interface DvcCommit {
  /** Written before anything else; texts are Latin-1, so that they may hold any byte. */
  readonly files?: Readonly<Record<string, Buffer | string>>;
  readonly add?: readonly string[];
  readonly repro?: boolean;
  /** Functions of GTO's interface with their arguments, besides the repository. */
  readonly gto?: readonly (readonly [string, Readonly<Record<string, string>>])[];
}

export interface DvcRepository {
  readonly repository: string;
  readonly remote: string;
  /** Versions of `mail` and their stages, as GTO itself shows them. */
  readonly shown: readonly (readonly [string, readonly string[]])[];
}

/** A repository made by the real tools; its cache and its remote have all that is tracked. */
export function makeDvcRepository(commits: readonly DvcCommit[]): DvcRepository {
  const directory = temporaryDirectory('dvc');
  const [repository, remote, specification] = ['repository', 'remote', 'commits.json'].map((name) =>
    join(directory, name),
  ) as [string, string, string];
  const text = (content: Buffer | string): string =>
    typeof content === 'string' ? Buffer.from(content).toString('latin1') : content.toString('latin1');
  const written = commits.map(({ files = {}, ...commit }) => ({
    ...commit,
    files: Object.fromEntries(Object.entries(files).map(([path, content]) => [path, text(content)])),
  }));
  writeFileSync(specification, JSON.stringify(written));
  const said = execFileSync(python, [join(__dirname, 'dvc-repository.py'), repository, remote, specification], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], HOME: directory, DVC_NO_ANALYTICS: '1', DO_NOT_TRACK: '1' },
  });
  return { repository, remote, shown: JSON.parse(said.trim().split('\n').at(-1) ?? '') as DvcRepository['shown'] };
}

/** The same once more, to be damaged. */
export function copyDvcRepository({ repository, remote, shown }: DvcRepository): DvcRepository {
  const directory = temporaryDirectory('dvc');
  const copy = { repository: join(directory, 'repository'), remote: join(directory, 'remote'), shown };
  cpSync(repository, copy.repository, { recursive: true });
  cpSync(remote, copy.remote, { recursive: true });
  const config = join(copy.repository, '.dvc', 'config');
  writeFileSync(config, readFileSync(config, 'utf8').replace(remote, copy.remote));
  return copy;
}

export function git(repository: string, ...args: readonly string[]): string {
  const who = ['-c', 'user.name=tester', '-c', 'user.email=tester@localhost'];
  return execFileSync('git', ['-C', repository, ...who, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  }).trim();
}
