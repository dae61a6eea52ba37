import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, readSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { ServingRuntime } from '../../activities/ports';
import { openDirectoryStore, type DirectoryStore } from '../../adapters/artifacts/directory-store';
import { allPids, processEnvironment, processFacts } from '../../adapters/disk/proc';
import { faultCatalogue } from '../../adapters/faults/catalogue';
import { corruptArtifact } from '../../adapters/faults/local/corrupt-artifact';
import { fillDisk } from '../../adapters/faults/local/fill-disk';
import { freezeServing } from '../../adapters/faults/local/freeze-serving';
import { killServing } from '../../adapters/faults/local/kill-serving';
import { loadSurge } from '../../adapters/faults/local/load-surge';
import { processCopies } from '../../adapters/faults/local/process-copies';
import { registryFault } from '../../adapters/faults/local/registry-fault';
import { RegistryProxy } from '../../adapters/faults/local/registry-proxy';
import { openProcessRuntime } from '../../adapters/serving/process-runtime';
import { artifactFiles, writeArtifact } from '../support/artifact-directory';
import { compiled } from '../support/compiled';
import { until } from '../support/poll';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

const FAKE_MODEL = join(__dirname, '..', 'support', 'fake-model.js');
const never = new AbortController().signal;
const roots: string[] = [];

afterAll(() => {
  for (const pid of allPids()) {
    const run = processEnvironment(pid)?.get('LASTGOOD_RUN') ?? '';
    if (processFacts(pid) !== null && roots.some((root) => run.startsWith(root))) process.kill(pid, 'SIGKILL');
  }
  removeTemporary();
});

describe('a damaged artifact', () => {
  let root: string;
  let store: DirectoryStore;
  beforeEach(async () => {
    root = temporaryDirectory('store');
    store = await openDirectoryStore({ directory: root });
    const artifact = { service: 'mail', version: '1', files: artifactFiles('1') };
    await store.import(writeArtifact(join(temporaryDirectory('artifact'), '1'), artifact));
  });

  test.each(['flip', 'truncate', 'remove', 'add'] as const)(
    '(%s) is found by the store, and put back whole by another process',
    async (how) => {
      const maker = corruptArtifact({ store, root });
      const fault = await maker.prepare('mail', { kind: 'corrupt-artifact', version: '1', how });
      expect(await store.verify('mail', '1')).toEqual([]);
      const { sentence } = await maker.inject(fault);
      expect(sentence).toContain('of mail@1 is damaged');
      expect(await store.verify('mail', '1')).toHaveLength(1);
      // Of the fault only its JSON is left, as in the state file of a run whose process died.
      const another = await openDirectoryStore({ directory: root });
      const other = corruptArtifact({ store: another, root });
      const kept = JSON.parse(JSON.stringify(fault)) as typeof fault;
      expect((await other.remove(kept)).sentence).toBe('every file of mail@1 is what its manifest says');
      expect(await another.verify('mail', '1')).toEqual([]);
      await expect(other.remove(kept)).resolves.toBeDefined();
    },
  );

  test('leaves a copy that has the file open with what it loaded', async () => {
    const maker = corruptArtifact({ store, root });
    const fault = await maker.prepare('mail', { kind: 'corrupt-artifact', version: '1', how: 'flip' });
    const { directory, file } = fault.undo as { directory: string; file: string };
    const before = readFileSync(join(directory, file));
    const open = openSync(join(directory, file), 'r');
    await maker.inject(fault);
    const loaded = Buffer.alloc(before.length);
    readSync(open, loaded, 0, loaded.length, 0);
    closeSync(open);
    expect(loaded.equals(before)).toBe(true);
    expect(readFileSync(join(directory, file)).equals(before)).toBe(false);
  });

  test('is taken back where the process died before it was made', async () => {
    const maker = corruptArtifact({ store, root });
    const fault = await maker.prepare('mail', { kind: 'corrupt-artifact', version: '1', how: 'flip' });
    await maker.remove(fault);
    expect(await store.verify('mail', '1')).toEqual([]);
  });

  test('of a version that is not there selects nothing, and of one that is damaged already is refused', async () => {
    const maker = corruptArtifact({ store, root });
    const of = (version: string) => maker.prepare('mail', { kind: 'corrupt-artifact', version, how: 'flip' });
    await expect(of('9')).rejects.toMatchObject({ name: 'FaultSelectsNothing' });
    await maker.inject(await of('1'));
    await expect(of('1')).rejects.toMatchObject({ name: 'FaultRefused' });
  });
});

describe('a serving process', () => {
  let root: string;
  let runtime: ServingRuntime;
  const instance = 'mail@1#a';
  const control = () => Promise.resolve(processCopies(() => root));
  const pid = (): number =>
    (JSON.parse(readFileSync(join(root, encodeURIComponent(instance), 'record.json'), 'utf8')) as { pid: number }).pid;

  beforeEach(async () => {
    root = temporaryDirectory('copies');
    roots.push(root);
    const command = [process.execPath, FAKE_MODEL, '--digest', '{digest}', '--report', '{report}'];
    runtime = await openProcessRuntime({ directory: root, template: { command } });
    await runtime.start({ service: 'mail', version: '1', instance, artifact: root, digest: 'sha256:1' }, never);
  });

  test('is killed and seen gone, and nothing else is touched', async () => {
    await runtime.start(
      { service: 'mail', version: '2', instance: 'mail@2#a', artifact: root, digest: 'sha256:2' },
      never,
    );
    const maker = killServing(control);
    const fault = await maker.prepare('mail', { kind: 'kill-serving', version: '1' });
    expect((await maker.inject(fault)).sentence).toBe('mail@1#a was killed and is gone');
    const { instances } = await runtime.inspect('mail');
    expect(instances.map((one) => [one.version, one.state])).toEqual([
      ['1', 'exited'],
      ['2', 'running'],
    ]);
    expect((await maker.remove(fault)).sentence).toContain('mail@1#a ended');
    await expect(maker.prepare('mail', { kind: 'kill-serving', version: '1' })).rejects.toMatchObject({
      name: 'FaultSelectsNothing',
      message: 'no copy of mail@1 runs on this host',
    });
  });

  test('with the record of another process is nobody that could be killed', async () => {
    const file = join(root, encodeURIComponent(instance), 'record.json');
    const record = JSON.parse(readFileSync(file, 'utf8')) as object;
    writeFileSync(file, JSON.stringify({ ...record, startTicks: '1' }));
    // The session still has a member with our nonce or none: the leader with other ticks alone is not believed.
    const maker = killServing(control);
    const fault = await maker
      .prepare('mail', { kind: 'kill-serving', version: '1' })
      .catch((error: Error) => error.name);
    writeFileSync(file, JSON.stringify({ ...record, nonce: '0'.repeat(32) }));
    if (typeof fault === 'string') expect(fault).toBe('FaultSelectsNothing');
    else await expect(maker.inject(fault)).rejects.toMatchObject({ name: 'FaultSelectsNothing' });
    expect(processFacts(pid())).not.toBeNull();
  });

  const frozen = (): boolean => / T /.test(readFileSync(`/proc/${pid()}/stat`, 'utf8').replace(/^.*\)/, ')'));

  test('is frozen and thawed, and a watchdog thaws it when nobody else does', async () => {
    const folder = compiled(['adapters', 'activities', 'domain', 'gateway', 'workflows']);
    const watchdog = join(folder, 'adapters', 'faults', 'local', 'thaw-watchdog.js');
    const maker = freezeServing({ controlOf: control, placeOf: () => ({ how: 'process' }), watchdog });
    const fault = await maker.prepare('mail', { kind: 'freeze-serving', version: '1', limitMs: 60_000 });
    await maker.inject(fault);
    expect(frozen()).toBe(true);
    expect((await maker.remove(fault)).sentence).toBe('mail@1#a runs, or has ended');
    expect(frozen()).toBe(false);

    const short = await maker.prepare('mail', { kind: 'freeze-serving', version: '1', limitMs: 1_500 });
    await maker.inject(short);
    // Nobody removes it: as after the death of the process of the run.
    await until('the watchdog', () => !frozen(), 20_000);
  }, 60_000);

  test('is not frozen for longer than the limit, nor without a watchdog', async () => {
    const maker = freezeServing({
      controlOf: control,
      placeOf: () => ({ how: 'process' }),
      watchdog: join(root, 'none.js'),
    });
    const of = (limitMs: number) => maker.prepare('mail', { kind: 'freeze-serving', version: '1', limitMs });
    await expect(of(3_600_000)).rejects.toMatchObject({ name: 'FaultRefused' });
    await expect(maker.inject(await of(5_000))).rejects.toThrow(/the watchdog that thaws .*; nothing was frozen/);
    expect(frozen()).toBe(false);
  });
});

describe('a full disk', () => {
  const spec = { kind: 'fill-disk' as const, where: 'data' as const, atMostBytes: 3 * 1024 ** 2, keepFreeBytes: 0 };

  test('takes no more than its limit, and gives it back', async () => {
    const data = temporaryDirectory('data');
    const maker = fillDisk({ data, artifacts: data });
    const fault = await maker.prepare('mail', spec);
    const { facts } = await maker.inject(fault);
    expect(facts).toMatchObject({ bytes: spec.atMostBytes, full: false });
    const { file } = fault.undo as { file: string };
    expect(statSync(file).size).toBe(spec.atMostBytes);
    await maker.remove(fault);
    expect(() => statSync(file)).toThrow(/ENOENT/);
    await maker.remove(fault);
  });

  test('never goes below the floor of a disk that holds anything else', async () => {
    const data = temporaryDirectory('data');
    const maker = fillDisk({ data, artifacts: data });
    const all = { ...spec, keepFreeBytes: Number.MAX_SAFE_INTEGER };
    await expect(maker.prepare('mail', all)).rejects.toMatchObject({ name: 'FaultRefused' });
  });

  const mounts = process.getuid?.() === 0 && mayMount();
  if (!mounts) console.warn('a file system of its own: not tested, mounting a tmpfs needs root');
  (mounts ? test : test.skip)('fills a small file system of its own until it refuses', async () => {
    const data = join(temporaryDirectory('mount'), 'data');
    mkdirSync(data);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', data]);
    try {
      const maker = fillDisk({ data, artifacts: data });
      const fault = await maker.prepare('mail', { ...spec, atMostBytes: 64 * 1024 ** 2 });
      expect((await maker.inject(fault)).facts).toMatchObject({ full: true });
      expect(() => writeFileSync(join(data, 'more'), Buffer.alloc(1024 ** 2))).toThrow(/ENOSPC/);
      await maker.remove(fault);
      writeFileSync(join(data, 'more'), Buffer.alloc(1024 ** 2));
    } finally {
      execFileSync('umount', [data]);
    }
  });
});

function mayMount(): boolean {
  const place = temporaryDirectory('may-mount');
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', place], { stdio: 'ignore' });
    execFileSync('umount', [place]);
    return true;
  } catch {
    return false;
  }
}

describe('a registry', () => {
  let upstream: Server;
  let proxy: RegistryProxy;
  let control: string;
  beforeEach(async () => {
    upstream = createServer((_: IncomingMessage, response: ServerResponse) => response.end('here'));
    await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
    control = join(temporaryDirectory('proxy'), 'control.sock');
    const to = { host: '127.0.0.1', port: (upstream.address() as AddressInfo).port };
    proxy = await RegistryProxy.start({ listen: { host: '127.0.0.1', port: 0 }, upstream: to, controlPath: control });
  });
  afterEach(async () => {
    await proxy.close();
    upstream.closeAllConnections();
    await new Promise((done) => upstream.close(done));
  });
  const asked = async (): Promise<string> => {
    const answer = await fetch(`http://127.0.0.1:${proxy.state.listen.port}/`, { headers: { connection: 'close' } });
    return await answer.text();
  };
  const maker = () => registryFault((name) => (name === 'models' ? control : `${control}.none`));
  const spec = { kind: 'registry' as const, proxy: 'models', delayMs: 300, limitMs: 60_000 };

  test('is cut off and reached again', async () => {
    expect(await asked()).toBe('here');
    const fault = await maker().prepare('mail', { ...spec, mode: 'cut' });
    expect((await maker().inject(fault)).sentence).toMatch(/^the registry is cut off: a try got no answer/);
    await expect(asked()).rejects.toThrow();
    expect((await maker().remove(fault)).sentence).toMatch(/^the proxy passes again: a try was answered/);
    expect(await asked()).toBe('here');
  });

  test('is slow by the delay, and quick again', async () => {
    const fault = await maker().prepare('mail', { ...spec, mode: 'slow' });
    const { facts } = await maker().inject(fault);
    expect(facts['ms']).toBeGreaterThanOrEqual(300);
    expect(await asked()).toBe('here');
    await maker().remove(fault);
    expect(proxy.state).toMatchObject({ mode: 'pass', delayMs: 0 });
  });

  test('is reached again by itself at the limit, when nobody takes the fault back', async () => {
    const fault = await maker().prepare('mail', { ...spec, mode: 'cut', limitMs: 300 });
    await maker().inject(fault);
    await until('the limit', () => proxy.state.mode === 'pass');
    expect(await asked()).toBe('here');
  });

  test('without its proxy is an experiment that selects nothing', async () => {
    await expect(maker().prepare('mail', { ...spec, proxy: 'others', mode: 'cut' })).rejects.toMatchObject({
      name: 'FaultSelectsNothing',
      message: expect.stringContaining('lastgood chaos proxy others') as string,
    });
  });
});

describe('a surge of load', () => {
  const spec = { kind: 'load-surge' as const, perSecond: 200, forMs: 60_000, maxRequests: 150 };
  const surge = (address: string, sendOne: () => Promise<void>) =>
    loadSurge({ entranceOf: () => Promise.resolve(address), sendOneOf: () => Promise.resolve(sendOne) });

  test('is under way when it counts, is bounded in number, and every request of it ends', async () => {
    let sent = 0;
    const maker = surge('http://127.0.0.1:1', () => {
      sent += 1;
      return new Promise((done) => setTimeout(done, 20));
    });
    const fault = await maker.prepare('mail', spec);
    await maker.inject(fault);
    await until('all of it', () => sent === spec.maxRequests);
    expect((await maker.remove(fault)).facts).toEqual({ sent: 150, ended: 150, skipped: 0 });
  });

  test('goes to no address of another machine, and to none beyond its limits', async () => {
    const none = (): Promise<void> => Promise.reject(new Error('nothing may be sent'));
    await expect(surge('http://192.0.2.1:80', none).prepare('mail', spec)).rejects.toMatchObject({
      name: 'FaultRefused',
    });
    const much = { ...spec, perSecond: 10_000 };
    await expect(surge('http://127.0.0.1:1', none).prepare('mail', much)).rejects.toMatchObject({
      name: 'FaultRefused',
    });
  });
});

test('a fault that cannot be made here is refused with the reason', async () => {
  const faults = faultCatalogue({}, { 'reload-router': 'the gateway has no reload' });
  await expect(faults.prepare('mail', { kind: 'reload-router' })).rejects.toMatchObject({
    name: 'FaultRefused',
    message: 'reload-router: the gateway has no reload',
  });
});
