import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { ServingRuntime } from '../../activities/ports';
import { bootId, processEnvironment, processFacts, allPids } from '../../adapters/disk/proc';
import { openInferenceEngine } from '../../adapters/serving/open-inference';
import { openProcessRuntime, type ProcessRuntimeOptions } from '../../adapters/serving/process-runtime';
import { servingRuntimeContract, startRequest } from '../support/contracts/serving-runtime';
import { FakeServingRuntime } from '../support/fakes/serving-runtime';
import { until } from '../support/poll';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

const ROOT = join(__dirname, '../..');
const FAKE_MODEL = join(ROOT, 'test/support/fake-model.js');
const never = new AbortController().signal;
const engine = openInferenceEngine();
const roots: string[] = [];

function newRoot(): string {
  const root = temporaryDirectory('runtime');
  roots.push(root);
  return root;
}

function options(
  root: string,
  extra: string[] = [],
  change: Partial<ProcessRuntimeOptions> = {},
): ProcessRuntimeOptions {
  return {
    directory: root,
    template: { command: [process.execPath, FAKE_MODEL, '--digest', '{digest}', '--report', '{report}', ...extra] },
    identify: async (address) => (await engine.identity(address, 'mail', { timeoutMs: 2_000 })).digest,
    ...change,
  };
}

interface Record_ {
  pid: number | null;
  startTicks: string | null;
  bootId: string;
  nonce: string;
}
const recordPath = (root: string, instance: string): string => join(root, encodeURIComponent(instance), 'record.json');
const readRecord = (root: string, instance: string): Record_ =>
  JSON.parse(readFileSync(recordPath(root, instance), 'utf8')) as Record_;
function changeRecord(root: string, instance: string, change: Partial<Record_>): void {
  writeFileSync(recordPath(root, instance), JSON.stringify({ ...readRecord(root, instance), ...change }));
}
/** Living processes that carry the run folder of this root in their environment. */
function livingOf(root: string): number[] {
  return allPids().filter(
    (pid) => processFacts(pid) !== null && processEnvironment(pid)?.get('LASTGOOD_RUN')?.startsWith(root),
  );
}
const serversOf = (root: string): number[] =>
  livingOf(root).filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(process.execPath));

afterAll(() => {
  // Only what carries our own folders in its environment.
  for (const pid of roots.flatMap(livingOf)) process.kill(pid, 'SIGKILL');
  removeTemporary();
});

servingRuntimeContract('the fake runtime', () => {
  const runtime = new FakeServingRuntime();
  return Promise.resolve({
    runtime,
    kill: (instance) => {
      runtime.end(instance, 'killed');
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  });
});

servingRuntimeContract('the process runtime', async () => {
  const root = newRoot();
  const runtime = await openProcessRuntime(options(root));
  return {
    runtime,
    kill: async (instance) => {
      const { pid } = readRecord(root, instance);
      process.kill(-(pid ?? NaN), 'SIGKILL');
      await until('its end', () => processFacts(pid ?? NaN) === null);
    },
    close: () => stopAll(runtime),
  };
});

async function stopAll(runtime: ServingRuntime): Promise<void> {
  for (const service of ['mail', 'other']) {
    for (const { instance } of (await runtime.inspect(service)).instances)
      await runtime.stop(instance, { graceMs: 1_000 });
  }
}

describe('a copy that must have a certain port', () => {
  const withPort = ['--port', '{port}'];
  const portOf = (address: string | null): number => Number(new URL(address ?? '').port);

  /** A port that a copy had and that nobody has now. */
  async function formerPort(runtime: ServingRuntime): Promise<number> {
    const { address } = await runtime.start(startRequest(), never);
    await stopAll(runtime);
    return portOf(address);
  }

  it.each([
    ['a server that reports its port', options],
    [
      'a server that cannot report it',
      (root: string): ProcessRuntimeOptions => {
        const command = [process.execPath, FAKE_MODEL, '--digest', '{digest}', ...withPort];
        return { ...options(root), template: { command } };
      },
    ],
  ] as const)('gets it again: %s', async (_what, make) => {
    const runtime = await openProcessRuntime(make(newRoot(), withPort));
    const port = await formerPort(runtime);
    expect(portOf((await runtime.start(startRequest({ port }), never)).address)).toBe(port);
    await stopAll(runtime);
  });

  it('is refused, and nothing is started, where somebody else listens there', async () => {
    const root = newRoot();
    const runtime = await openProcessRuntime(options(root, withPort));
    const port = await formerPort(runtime);
    const stranger = createServer().listen(port, '127.0.0.1');
    await until('the stranger', () => stranger.listening);
    await expect(runtime.start(startRequest({ port }), never)).rejects.toThrow(`somebody else listens at port ${port}`);
    expect(livingOf(root)).toEqual([]);
    stranger.close();
  });

  it('is refused where the command cannot be told the port', async () => {
    const runtime = await openProcessRuntime(options(newRoot()));
    await expect(runtime.start(startRequest({ port: 9 }), never)).rejects.toThrow(/no \{port\}/);
  });
});

describe('a copy that was started as a process', () => {
  it('lives in a session of its own, reports its port, and is found again by another runtime on the same directory', async () => {
    const root = newRoot();
    const first = await openProcessRuntime(options(root));
    const state = await first.start(startRequest(), never);
    const { pid } = readRecord(root, 'mail@1.0#a');
    expect(processFacts(pid ?? NaN)).toMatchObject({ pid, session: pid, group: pid });
    const second = await openProcessRuntime(options(root));
    expect((await second.inspect('mail')).instances).toMatchObject([
      // What the host has left is another number each time.
      {
        ...state,
        memoryBytes: expect.any(Number) as number,
        memoryLimit: expect.objectContaining({ of: state.memoryLimit?.of }) as typeof state.memoryLimit,
      },
    ]);
    expect((await second.start(startRequest(), never)).address).toBe(state.address);
    await second.stop('mail@1.0#a', { graceMs: 2_000 });
    expect(livingOf(root)).toEqual([]);
  });

  it('survives the SIGKILL of the process that started it, and is not started twice by the next one', async () => {
    const root = newRoot();
    const parent = spawnStarter(root);
    await until('the copy', () => (parent.output().includes('started') ? true : null), 20_000);
    parent.kill();
    const runtime = await openProcessRuntime(options(root));
    const { instances } = await runtime.inspect('mail');
    expect(instances).toMatchObject([{ state: 'running' }]);
    expect((await runtime.start(startRequest(), never)).address).toBe(instances[0]?.address);
    expect(serversOf(root)).toHaveLength(1);
    await stopAll(runtime);
  });

  it('is started once when two processes start it at the same moment', async () => {
    const root = newRoot();
    const parents = [spawnStarter(root), spawnStarter(root), spawnStarter(root)];
    await until('all three', () => parents.every((parent) => parent.output().includes('started')) || null, 25_000);
    expect(new Set(parents.map((parent) => /started (\S+)/.exec(parent.output())?.[1])).size).toBe(1);
    expect(serversOf(root)).toHaveLength(1);
    for (const parent of parents) parent.kill();
    await stopAll(await openProcessRuntime(options(root)));
  });

  it('gets SIGKILL when it ignores SIGTERM for the whole grace time', async () => {
    const root = newRoot();
    const runtime = await openProcessRuntime(options(root, ['--ignore-sigterm']));
    await runtime.start(startRequest(), never);
    const began = performance.now();
    expect(await runtime.stop('mail@1.0#a', { graceMs: 300 })).toMatchObject({
      outcome: 'stopped',
      why: expect.stringContaining('SIGKILL') as string,
    });
    expect(performance.now() - began).toBeGreaterThanOrEqual(300);
    expect(livingOf(root)).toEqual([]);
    expect((await runtime.inspect('mail')).instances[0]).toMatchObject({
      state: 'exited',
      exit: { code: 'stopped by SIGKILL' },
    });
  });

  it.each([
    ['group', true],
    ['program', false],
  ] as const)('is asked to end as its engine bears it: the %s', async (askedToEnd, workerHears) => {
    // A server whose worker must not hear the signal: the server finishes by it.
    const worker = "process.on('SIGTERM', () => console.log('worker heard')); setInterval(() => undefined, 1_000)";
    const program = `
      const child = require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(worker)}], { stdio: 'inherit' });
      process.on('SIGTERM', () => setTimeout(() => { console.log('server done'); child.kill('SIGKILL'); process.exit(0); }, 200));
      const server = require('node:http').createServer((_, response) => response.end());
      setTimeout(() => server.listen(Number(process.argv[1]), '127.0.0.1'), 300);`;
    const runtime = await openProcessRuntime({
      directory: newRoot(),
      template: { command: [process.execPath, '-e', program, '{port}'] },
      askedToEnd,
    });
    await runtime.start(startRequest(), never);
    expect(await runtime.stop('mail@1.0#a', { graceMs: 5_000 })).toMatchObject({
      outcome: 'stopped',
      why: expect.stringContaining('SIGTERM') as string,
    });
    const log = await runtime.logs('mail@1.0#a', 10_000);
    expect(log).toContain('server done');
    expect(log.includes('worker heard')).toBe(workerHears);
  });

  it('that ends gracefully leaves its exit code and the tail of its log', async () => {
    const root = newRoot();
    const runtime = await openProcessRuntime(options(root));
    await runtime.start(startRequest(), never);
    expect((await runtime.stop('mail@1.0#a', { graceMs: 5_000 })).why).toMatch(/^SIGTERM/);
    const [state] = (await runtime.inspect('mail')).instances;
    expect(state?.exit).toMatchObject({
      code: '0',
      logTail: expect.stringMatching(/listening on \d+\nSIGTERM: stopping/) as string,
    });
  });

  it('that crashes by itself is found with its exit code', async () => {
    const root = newRoot();
    const runtime = await openProcessRuntime(options(root, ['--exit-after', '100']));
    await runtime.start(startRequest(), never);
    const exited = await until('the crash', async () => (await runtime.inspect('mail')).instances[0]?.exit);
    expect(exited).toMatchObject({ code: '3', logTail: expect.stringContaining('giving up') as string });
  });

  it('that ends before it has an address fails the start with its log', async () => {
    const root = newRoot();
    const runtime = await openProcessRuntime({
      ...options(root),
      template: { command: ['sh', '-c', 'echo no weights here; exit 7', '{report}'] },
    });
    const fault = await runtime.start(startRequest(), never).catch((caught: unknown) => caught);
    expect(fault).toMatchObject({
      name: 'InstanceFailed',
      message: expect.stringContaining('(7)') as string,
      logTail: 'no weights here\n',
    });
  });

  it('that never reports an address is stopped when its time is over', async () => {
    const root = newRoot();
    const runtime = await openProcessRuntime({
      ...options(root),
      template: { command: ['sh', '-c', 'sleep 1000', '{report}'] },
      startTimeoutMs: 300,
    });
    await expect(runtime.start(startRequest(), never)).rejects.toThrow(/no address within 300 ms/);
    expect(livingOf(root)).toEqual([]);
  });

  it('gets a port when its template asks for one', async () => {
    const root = newRoot();
    const runtime = await openProcessRuntime({
      ...options(root),
      template: { command: [process.execPath, FAKE_MODEL, '--digest', '{digest}', '--port', '{port}'] },
    });
    const { address } = await runtime.start(startRequest(), never);
    expect(await engine.ready(address ?? '', 'mail', { timeoutMs: 2_000 })).toMatchObject({ ready: true });
    await stopAll(runtime);
  });

  it.each([[['--report', '{report}']], [['--port', '{port}']]])(
    'listens at the address of its host, and there only, told by %j',
    async (told) => {
      const command = [process.execPath, FAKE_MODEL, '--digest', '{digest}', '--host', '{host}', ...told];
      const runtime = await openProcessRuntime({ ...options(newRoot()), host: '127.0.0.2', template: { command } });
      const { address, digest } = await runtime.start(startRequest(), never);
      const port = /^http:\/\/127\.0\.0\.2:(\d+)$/.exec(address ?? '')?.[1];
      expect(digest).toBe(startRequest().digest);
      await expect(fetch(`http://127.0.0.1:${port ?? ''}/`)).rejects.toThrow('fetch failed');
      await stopAll(runtime);
    },
  );

  it('inherits nothing of the environment but what is configured', async () => {
    const root = newRoot();
    process.env['LASTGOOD_TEST_SECRET'] = 'secret';
    const runtime = await openProcessRuntime(
      options(root, [], { environment: { PATH: '/usr/bin:/bin', MODEL_MODE: 'fast' } }),
    );
    await runtime.start(startRequest(), never);
    delete process.env['LASTGOOD_TEST_SECRET'];
    const environment = processEnvironment(serversOf(root)[0] ?? NaN);
    expect(environment?.get('MODEL_MODE')).toBe('fast');
    expect(environment?.has('LASTGOOD_TEST_SECRET')).toBe(false);
    await stopAll(runtime);
  });

  it('has a log that is cut when it outgrows its limit, with the newest lines kept', async () => {
    const root = newRoot();
    const unlimited = await openProcessRuntime(options(root, ['--print', 'x'.repeat(5_000)]));
    await unlimited.start(startRequest(), never);
    await until('the newest line', async () => (await unlimited.logs('mail@1.0#a', 10_000)).includes('listening on'));
    const runtime = await openProcessRuntime(options(root, [], { logLimitBytes: 2_000 }));
    await runtime.inspect('mail');
    expect((await runtime.logs('mail@1.0#a', 10_000)).length).toBeLessThanOrEqual(1_000);
    await runtime.stop('mail@1.0#a', { graceMs: 2_000 });
    expect(await runtime.logs('mail@1.0#a', 10_000)).toMatch(/listening on \d+\nSIGTERM: stopping\n$/);
  });
});

describe('the evidence of ended copies', () => {
  it('is kept for the newest ones only, and never taken from a copy that runs', async () => {
    const root = newRoot();
    const runtime = await openProcessRuntime(options(root, [], { keepEnded: 1 }));
    await runtime.start(startRequest({ instance: 'mail@1.0#0' }), never);
    for (const id of ['1', '2', '3']) {
      await runtime.start(startRequest({ instance: `mail@1.0#${id}` }), never);
      await runtime.stop(`mail@1.0#${id}`, { graceMs: 2_000 });
    }
    await runtime.start(startRequest({ instance: 'mail@1.0#4' }), never);
    const found = (await runtime.inspect('mail')).instances.map(({ instance, state }) => [instance.slice(-1), state]);
    expect(found).toEqual([
      ['0', 'running'],
      ['3', 'exited'],
      ['4', 'running'],
    ]);
    await stopAll(runtime);
  });
});

describe('a process that is not ours', () => {
  it('but has the pid of a record is reported and never signalled', async () => {
    const root = newRoot();
    const runtime = await openProcessRuntime(options(root));
    await runtime.start(startRequest(), never);
    const { nonce } = readRecord(root, 'mail@1.0#a');
    await runtime.stop('mail@1.0#a', { graceMs: 2_000 });
    const stranger = spawn('sleep', ['1000'], { stdio: 'ignore', detached: true });
    const pid = stranger.pid ?? NaN;
    try {
      // What a reused pid looks like: the record and the claim name a process that somebody else started.
      changeRecord(root, 'mail@1.0#a', { pid });
      writeFileSync(join(root, encodeURIComponent('mail@1.0#a'), nonce, 'claim'), `${pid}\n`);
      for (const startTicks of [readRecord(root, 'mail@1.0#a').startTicks, processFacts(pid)?.startTicks ?? '', null]) {
        changeRecord(root, 'mail@1.0#a', { startTicks });
        const found = await runtime.inspect('mail');
        expect(found.instances).toMatchObject([{ state: 'exited' }]);
        expect(found.foreign).toMatchObject([{ what: `process ${pid}` }]);
        expect(await runtime.stop('mail@1.0#a', { graceMs: 100 })).toMatchObject({ outcome: 'absent' });
        expect(processFacts(pid)).not.toBeNull();
      }
    } finally {
      stranger.kill('SIGKILL');
    }
  });

  it('is what a record of another boot names', async () => {
    const root = newRoot();
    const runtime = await openProcessRuntime(options(root));
    await runtime.start(startRequest(), never);
    changeRecord(root, 'mail@1.0#a', { bootId: '00000000-0000-0000-0000-000000000000' });
    expect((await runtime.inspect('mail')).instances).toMatchObject([
      { state: 'exited', exit: { code: 'lost: the host was restarted' } },
    ]);
    expect((await runtime.stop('mail@1.0#a', { graceMs: 100 })).outcome).toBe('absent');
    expect(serversOf(root)).toHaveLength(1);
    changeRecord(root, 'mail@1.0#a', { bootId: bootId() ?? '' });
    await stopAll(runtime);
    expect(serversOf(root)).toEqual([]);
  });

  it('is what an unreadable record stands for: reported, not stopped, not replaced', async () => {
    const root = newRoot();
    const runtime = await openProcessRuntime(options(root));
    await runtime.start(startRequest(), never);
    const good = readFileSync(recordPath(root, 'mail@1.0#a'), 'utf8');
    writeFileSync(recordPath(root, 'mail@1.0#a'), good.slice(0, 40));
    expect((await runtime.inspect('mail')).foreign).toMatchObject([
      { what: 'mail@1.0#a', why: expect.stringContaining('no JSON') as string },
    ]);
    expect((await runtime.stop('mail@1.0#a', { graceMs: 100 })).outcome).toBe('refused');
    await expect(runtime.start(startRequest(), never)).rejects.toThrow(/no JSON/);
    expect(serversOf(root)).toHaveLength(1);
    writeFileSync(recordPath(root, 'mail@1.0#a'), good);
    await stopAll(runtime);
  });
});

describe('a start whose author died', () => {
  it('between the process and the record is completed by the next start', async () => {
    const root = newRoot();
    const runtime = await openProcessRuntime(options(root));
    const state = await runtime.start(startRequest(), never);
    changeRecord(root, 'mail@1.0#a', { pid: null, startTicks: null });
    expect((await runtime.start(startRequest(), never)).address).toBe(state.address);
    expect(readRecord(root, 'mail@1.0#a').pid).toBe(Number(readFileSync(claimPath(root), 'utf8')));
    expect(serversOf(root)).toHaveLength(1);
    await stopAll(runtime);
  });

  it('between the record and the process is given up for good: that launch cannot happen later', async () => {
    const root = newRoot();
    const runtime = await openProcessRuntime(options(root));
    await runtime.start(startRequest(), never);
    await runtime.stop('mail@1.0#a', { graceMs: 2_000 });
    const nonce = 'f'.repeat(32);
    changeRecord(root, 'mail@1.0#a', { nonce, pid: null, startTicks: null });
    const run = join(root, encodeURIComponent('mail@1.0#a'), nonce);
    mkdirSync(run);
    await runtime.start(startRequest(), never);
    expect(readFileSync(join(run, 'claim'), 'utf8').trim()).toBe('revoked');
    expect(serversOf(root)).toHaveLength(1);
    await stopAll(runtime);
  });

  it.each([0, 1, 3, 6, 10, 20, 40, 80, 150])(
    'by SIGKILL %i ms into the start leaves one copy after the next start',
    async (afterMs) => {
      const root = newRoot();
      const parent = spawnStarter(root);
      const lock = join(root, `${encodeURIComponent('mail@1.0#a')}.lock`);
      await until('the begin', () => existsSync(lock) || parent.output() || null, 20_000);
      // A start that ended between two looks is one whose author died after it; anything else it says is a fault.
      expect(parent.output()).toMatch(/^(started .*\n)?$/);
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      parent.kill();
      const runtime = await openProcessRuntime(options(root));
      const { address } = await runtime.start(startRequest(), never);
      expect(await engine.ready(address ?? '', 'mail', { timeoutMs: 2_000 })).toMatchObject({ ready: true });
      expect(serversOf(root)).toHaveLength(1);
      await stopAll(runtime);
      expect(livingOf(root)).toEqual([]);
    },
  );
});

describe('a process runtime', () => {
  it.each([
    [[], 'command: empty'],
    [['server', '--port'], 'neither {report} nor {port}'],
    [['server', '{prot}', '{report}'], 'command[1]: unknown placeholder {prot}'],
  ])('refuses the template %j', async (command, message) => {
    await expect(openProcessRuntime({ directory: newRoot(), template: { command } })).rejects.toThrow(message);
  });

  it.each(['../x', 'a/b', '', '.hidden', 'a b', `a${'x'.repeat(300)}`])(
    'refuses the instance name %j',
    async (instance) => {
      const root = newRoot();
      const runtime = await openProcessRuntime(options(root));
      await expect(runtime.start(startRequest({ instance }), never)).rejects.toThrow(/not an instance name/);
      expect(readdirSync(root)).toEqual([]);
    },
  );

  it('says in one sentence that a program could not be started', async () => {
    const runtime = await openProcessRuntime({
      directory: newRoot(),
      template: { command: ['/nonexistent/server', '{report}'] },
    });
    await expect(runtime.start(startRequest(), never)).rejects.toMatchObject({
      logTail: expect.stringContaining('not found') as string,
    });
  });
});

function claimPath(root: string): string {
  const { nonce } = readRecord(root, 'mail@1.0#a');
  return join(root, encodeURIComponent('mail@1.0#a'), nonce, 'claim');
}

/** Another process that starts the same instance in the same directory. */
function spawnStarter(root: string): { output: () => string; kill: () => void } {
  const script = `
    const { openProcessRuntime } = require('${ROOT}/adapters/serving/process-runtime.ts');
    const request = ${JSON.stringify(startRequest())};
    openProcessRuntime(${JSON.stringify({ directory: root, template: options(root).template })})
      .then((runtime) => runtime.start(request, new AbortController().signal))
      .then((state) => { console.log('started ' + state.address); setInterval(() => {}, 1000); });`;
  const child = spawn(process.execPath, ['-r', join(ROOT, 'test/support/typescript-register.cjs'), '-e', script]);
  let output = '';
  child.stdout.on('data', (part: Buffer) => (output += part.toString()));
  child.stderr.on('data', (part: Buffer) => (output += part.toString()));
  return { output: () => output, kill: () => void child.kill('SIGKILL') };
}
