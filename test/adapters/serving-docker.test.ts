import { AsyncLocalStorage } from 'node:async_hooks';
import { execFileSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { inspect } from 'node:util';
import type { InstanceEvent, ServingRuntime } from '../../activities/ports';
import { label } from '../../adapters/serving/docker/labels';
import { containerName } from '../../adapters/serving/docker/container-spec';
import { openDockerRuntime, type DockerRuntimeOptions } from '../../adapters/serving/docker/docker-runtime';
import { askEngine } from '../../adapters/serving/docker/engine-facts';
import { servingRuntimeContract, startRequest } from '../support/contracts/serving-runtime';
import { fakeModelImage, needsDocker, PrivateEngine } from '../support/docker-engine';
import { certificates, dockerOptions, dockerTemplate, freePort } from '../support/docker-runtime';
import { startRegistry } from '../support/image-registry';
import { until } from '../support/poll';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

const never = new AbortController().signal;
const MAIL = 'mail@1.0#a';

let engine: PrivateEngine;
let image: string;

const options = (
  change: Parameters<typeof dockerTemplate>[1] = {},
  more: Partial<DockerRuntimeOptions> = {},
): DockerRuntimeOptions => dockerOptions(engine, dockerTemplate(image, change), more);

async function containersOf(instance: string): Promise<string[]> {
  const filters = { label: [`${label.instance}=${instance}`] };
  return (await engine.docker.listContainers({ all: true, filters })).map(({ Id }) => Id);
}

async function containerOf(instance: string): Promise<string> {
  const [found] = await containersOf(instance);
  if (found === undefined) throw new Error(`no container of ${instance}`);
  return found;
}

async function everyContainer(): Promise<string[]> {
  return (await engine.docker.listContainers({ all: true })).map(({ Id }) => Id);
}

async function kill(instance: string): Promise<void> {
  const container = engine.docker.getContainer(await containerOf(instance));
  await container.kill();
  await until('its end', async () => !(await container.inspect()).State.Running);
}

async function stateOf(runtime: ServingRuntime, instance = MAIL) {
  return (await runtime.inspect('mail')).instances.find((one) => one.instance === instance);
}

needsDocker('with a private dockerd', () => {
  beforeAll(async () => {
    engine = await PrivateEngine.start();
    image = await fakeModelImage(engine);
  }, 60_000);
  afterEach(() => engine.removeContainers());
  afterAll(async () => {
    await engine?.close();
    removeTemporary();
  }, 60_000);

  servingRuntimeContract('the Docker runtime', async () => ({
    runtime: await openDockerRuntime(options()),
    kill,
    close: () => engine.removeContainers(),
  }));

  describe('whose containers are whose', () => {
    it('tells by the labels and the image, whatever a container is called', async () => {
      const runtime = await openDockerRuntime(options());
      const { address } = await runtime.start(startRequest(), never);
      await engine.docker.getContainer(await containerOf(MAIL)).rename({ name: 'somebody-renamed-it' });
      expect(await stateOf(runtime)).toMatchObject({ state: 'running', address });
      expect((await runtime.start(startRequest(), never)).address).toBe(address);
      expect((await runtime.stop(MAIL, { graceMs: 2_000 })).outcome).toBe('stopped');
    });

    it('finds the copies that another process started from the same directory', async () => {
      const given = options();
      const first = await openDockerRuntime(given);
      const { address } = await first.start(startRequest(), never);
      const second = await openDockerRuntime({ ...given });
      expect(await stateOf(second)).toMatchObject({ state: 'running', address, digest: startRequest().digest });
      expect((await second.start(startRequest(), never)).address).toBe(address);
      expect(await everyContainer()).toHaveLength(1);
    });

    it('reports the copy of another installation, and neither takes it for its own nor stops it', async () => {
      const theirs = await openDockerRuntime(options());
      await theirs.start(startRequest(), never);
      const ours = await openDockerRuntime(options());
      const { instances, foreign } = await ours.inspect('mail');
      expect(instances).toEqual([]);
      expect(foreign).toEqual([
        {
          what: expect.stringMatching(/^container lastgood-mail_1\.0_a-/) as string,
          why: expect.stringMatching(/another installation/) as string,
        },
      ]);
      expect(await ours.stop(MAIL, { graceMs: 0 })).toMatchObject({ outcome: 'refused' });
      await expect(ours.start(startRequest(), never)).rejects.toThrow(/another installation of lastgood owns it/);
      expect(await stateOf(theirs)).toMatchObject({ state: 'running' });
    });

    it('does not believe labels that were copied onto another image', async () => {
      const runtime = await openDockerRuntime(options());
      await runtime.start(startRequest(), never);
      const original = await engine.docker.getContainer(await containerOf(MAIL)).inspect();
      await runtime.stop(MAIL, { graceMs: 0 });
      const other = await engine.variant(image, 'ENV OTHER=1');
      const forged = await engine.docker.createContainer({ Image: other, Labels: original.Config.Labels });
      await forged.start();
      const { foreign } = await runtime.inspect('mail');
      expect(foreign[0]?.why).toContain(`its labels name the image ${image}, it runs ${other}`);
      expect(await runtime.stop(MAIL, { graceMs: 0 })).toMatchObject({ outcome: 'refused' });
      expect((await forged.inspect()).State.Running).toBe(true);
    });

    it('refuses to start beside a stranger that has the name, and leaves it alone', async () => {
      const given = options();
      const runtime = await openDockerRuntime(given);
      await runtime.start(startRequest(), never);
      const { Name } = await engine.docker.getContainer(await containerOf(MAIL)).inspect();
      await runtime.stop(MAIL, { graceMs: 0 });
      const stranger = await engine.docker.createContainer({ Image: image, name: Name.slice(1) });
      await expect(runtime.start(startRequest(), never)).rejects.toThrow(
        /has the name that its container needs: it has no label lastgood.owner/,
      );
      expect((await stranger.inspect()).State.Status).toBe('created');
    });
  });

  describe('a start', () => {
    it('goes on with the container of an attempt that died between creating and starting it', async () => {
      const runtime = await openDockerRuntime(options());
      await runtime.start(startRequest(), never);
      const before = await engine.docker.getContainer(await containerOf(MAIL)).inspect();
      await engine.docker.getContainer(before.Id).remove({ force: true });
      // The same container as that attempt would have made it, and no more.
      const { Image, Labels, Cmd, Env } = before.Config;
      const name = before.Name.slice(1);
      await engine.docker.createContainer({ name, Image, Labels, Cmd, Env, HostConfig: before.HostConfig });
      expect(await stateOf(runtime)).toMatchObject({ state: 'starting', address: null });
      expect(await runtime.start(startRequest(), never)).toMatchObject({ state: 'running' });
      expect(await containersOf(MAIL)).toHaveLength(1);
    });

    it('is one start where two processes race for it without a lock between them', async () => {
      const given = options();
      const directories = [given.directory, temporaryDirectory('docker-runtime')];
      await openDockerRuntime(given);
      // The same owner, but locks of their own: as on two hosts that share an engine.
      writeFileSync(join(directories[1] ?? '', 'owner'), execFileSync('cat', [join(given.directory, 'owner')]));
      const racers = await Promise.all(directories.map((directory) => openDockerRuntime({ ...given, directory })));
      const states = await Promise.all(racers.map((runtime) => runtime.start(startRequest(), never)));
      expect(new Set(states.map(({ address }) => address)).size).toBe(1);
      expect(await everyContainer()).toHaveLength(1);
    });

    it('starts an ended instance again, and keeps how it had ended only until then', async () => {
      const runtime = await openDockerRuntime(options());
      const first = await runtime.start(startRequest(), never);
      await kill(MAIL);
      expect(await stateOf(runtime)).toMatchObject({ state: 'exited', exit: { code: 'SIGKILL' } });
      const second = await runtime.start(startRequest(), never);
      expect(second.startedAt).toBeGreaterThan(first.startedAt);
      expect(await stateOf(runtime)).toMatchObject({ state: 'running' });
      expect(await everyContainer()).toHaveLength(1);
    });

    it('says what a copy wrote before it ended without an address', async () => {
      const command = [
        '--print',
        'cannot load the weights',
        '--port',
        '{port}',
        '--digest',
        '{digest}',
        '--slow-start',
        '300000',
      ];
      const runtime = await openDockerRuntime(options({ command }, { startTimeoutMs: 30_000 }));
      const starting = runtime.start(startRequest(), never);
      starting.catch(() => undefined);
      await until('its line', async () => (await runtime.logs(MAIL, 100).catch(() => '')).includes('weights'));
      await kill(MAIL);
      await expect(starting).rejects.toMatchObject({
        name: 'InstanceFailed',
        message: `${MAIL} ended (SIGKILL) before it had an address`,
        logTail: expect.stringContaining('cannot load the weights') as string,
      });
    });

    it('stops a copy that gets no address in time', async () => {
      const command = ['--port', '{port}', '--slow-start', '300000'];
      const runtime = await openDockerRuntime(options({ command }, { startTimeoutMs: 300 }));
      await expect(runtime.start(startRequest(), never)).rejects.toThrow(
        /had no address within 300 ms and was stopped/,
      );
      expect((await stateOf(runtime))?.state).toBe('exited');
    });

    it('leaves no container behind where the engine cannot start it, and quotes the engine', async () => {
      const entrypoint = ['/bin/no-such-program', '{port}'];
      const runtime = await openDockerRuntime(options({ entrypoint, init: false }));
      await expect(runtime.start(startRequest(), never)).rejects.toThrow(/no-such-program.*no such file.*HTTP 400/s);
      expect(await everyContainer()).toEqual([]);
      const gpus = await openDockerRuntime(options({ gpus: 'all' }));
      await expect(gpus.start(startRequest(), never)).rejects.toThrow(
        /could not select device driver "" with capabilities: \[\[gpu\]\]/,
      );
      expect(await everyContainer()).toEqual([]);
    });

    it('is refused, and makes nothing, where the artifact is not on the host of the engine', async () => {
      const runtime = await openDockerRuntime(options());
      const gone = startRequest({ artifact: join(temporaryDirectory('nothing'), 'here') });
      await expect(runtime.start(gone, never)).rejects.toThrow(/bind source path does not exist/);
      expect(await everyContainer()).toEqual([]);
    });

    it('gets a copy the port that a route names, and refuses one where somebody else listens', async () => {
      const runtime = await openDockerRuntime(options());
      const port = await freePort();
      expect((await runtime.start(startRequest({ port }), never)).address).toBe(`http://127.0.0.1:${port}`);
      const other = startRequest({ instance: 'mail@1.0#b', port });
      await expect(runtime.start(other, never)).rejects.toThrow(`somebody else listens at port ${port}`);
      expect(await everyContainer()).toHaveLength(1);
    });
  });

  it('publishes the port of a copy on loopback alone, and says the new one after somebody started it again', async () => {
    const network = await engine.docker.createNetwork({ Name: 'lastgood-test', Driver: 'bridge' });
    try {
      const command = ['--digest', '{digest}', '--port', '{port}', '--host', '0.0.0.0'];
      const runtime = await openDockerRuntime(options({ network: 'lastgood-test', port: 8000, command }));
      const { address } = await runtime.start(startRequest(), never);
      await until('an answer', async () => (await stateOf(runtime))?.digest === startRequest().digest);
      const container = engine.docker.getContainer(await containerOf(MAIL));
      expect((await container.inspect()).HostConfig.PortBindings).toEqual({
        '8000/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }],
      });
      await container.restart({ t: 1 });
      const again = await stateOf(runtime);
      expect(again).toMatchObject({ state: 'running' });
      expect(again?.address).not.toBe(address);
      await engine.removeContainers();
      const port = await freePort();
      expect((await runtime.start(startRequest({ port }), never)).address).toBe(`http://127.0.0.1:${port}`);
    } finally {
      await engine.removeContainers();
      await network.remove();
    }
  });

  it('gives a copy its artifact read-only, no capability, no swap, no restart by the engine, and nothing else of the host', async () => {
    const memoryLimitBytes = 200 * 1024 ** 2;
    const runtime = await openDockerRuntime(
      options({ memoryLimitBytes, cpus: 1.5, sharedMemoryBytes: 64 * 1024 ** 2 }),
    );
    const artifact = temporaryDirectory('artifact');
    const state = await runtime.start(startRequest({ artifact }), never);
    expect(state.memoryLimit).toEqual({ bytes: memoryLimitBytes, of: 'the memory limit of its container' });
    expect(state.memoryBytes).toBeGreaterThan(1024 ** 2);
    expect(state.memoryBytes).toBeLessThan(memoryLimitBytes);
    const { HostConfig, Mounts, Config } = await engine.docker.getContainer(await containerOf(MAIL)).inspect();
    expect(Mounts.map(({ Type, Source, Destination, RW }) => [Type, Source, Destination, RW])).toEqual([
      ['bind', artifact, '/artifact', false],
    ]);
    expect(Config.User).toBe('1000:1000');
    expect(HostConfig).toMatchObject({
      Privileged: false,
      CapDrop: ['ALL'],
      CapAdd: [],
      SecurityOpt: ['no-new-privileges'],
      ReadonlyRootfs: true,
      RestartPolicy: { Name: 'no' },
      Memory: memoryLimitBytes,
      MemorySwap: memoryLimitBytes,
      NanoCpus: 1_500_000_000,
      ShmSize: 64 * 1024 ** 2,
      PidMode: '',
    });
  });

  it('stops gracefully within the time, ends a copy that does not listen, and says which of both', async () => {
    const runtime = await openDockerRuntime(options());
    await runtime.start(startRequest(), never);
    expect((await runtime.stop(MAIL, { graceMs: 5_000 })).why).toMatch(/^0, ended after \d+ ms$/);
    expect(await runtime.logs(MAIL, 1_000)).toContain('SIGTERM: stopping');
    const command = ['--digest', '{digest}', '--port', '{port}', '--ignore-sigterm'];
    const deaf = await openDockerRuntime(options({ command }));
    await deaf.start(startRequest(), never);
    const began = performance.now();
    expect((await deaf.stop(MAIL, { graceMs: 1_000 })).why).toMatch(/^SIGKILL, ended after \d+ ms$/);
    expect(performance.now() - began).toBeGreaterThan(900);
    expect(await everyContainer()).toEqual([]);
  });

  it('keeps how a copy ended and its log after the container is gone, of the newest few', async () => {
    const runtime = await openDockerRuntime(options({}, { keepEnded: 1 }));
    for (const id of ['a', 'b']) {
      await runtime.start(startRequest({ instance: `mail@1.0#${id}` }), never);
      await runtime.stop(`mail@1.0#${id}`, { graceMs: 2_000 });
    }
    expect(await everyContainer()).toEqual([]);
    expect(await stateOf(runtime, 'mail@1.0#b')).toMatchObject({
      state: 'exited',
      exit: { code: '0', logTail: expect.stringContaining('listening on') as string },
    });
    await runtime.start(startRequest({ instance: 'mail@1.0#c' }), never);
    const { instances } = await runtime.inspect('mail');
    expect(instances.map(({ instance }) => instance).sort()).toEqual(['mail@1.0#b', 'mail@1.0#c']);
  });

  it('tells of deaths, memory kills and health as they happen, and of a copy of nobody else', async () => {
    const told: InstanceEvent[] = [];
    const ending = new AbortController();
    const runtime = await openDockerRuntime(options({ memoryLimitBytes: 64 * 1024 ** 2 }));
    const stranger = await openDockerRuntime(options());
    const following = (async () => {
      for await (const event of runtime.events?.('mail', ending.signal) ?? []) told.push(event);
    })();
    await pause(300);
    await runtime.start(startRequest(), never);
    await stranger.start(startRequest({ instance: 'mail@1.0#stranger' }), never);
    await stranger.stop('mail@1.0#stranger', { graceMs: 0 });
    const { address } = (await stateOf(runtime)) ?? {};
    // Held in one piece: the fake model reads the whole body before it answers.
    await fetch(`${address}/predict`, { method: 'POST', body: 'x'.repeat(120 * 1024 ** 2) }).catch(() => undefined);
    const isTold = (one: InstanceEvent['event']): boolean => told.some(({ event }) => event === one);
    await until('its death and why', () => isTold('died') && isTold('out-of-memory'), 20_000);
    ending.abort();
    await following;
    expect(told.map(({ event }) => event)).toEqual(expect.arrayContaining(['started', 'out-of-memory', 'died']));
    expect(new Set(told.map(({ instance }) => instance))).toEqual(new Set([MAIL]));
    expect((await stateOf(runtime))?.exit?.code).toMatch(/^out of memory/);
  });

  it('tells what the check of the image says of the health of a copy', async () => {
    const check = `HEALTHCHECK --interval=1s --retries=1 CMD ["/bin/node","-e","process.exit(1)"]`;
    const sick = await engine.variant(image, check);
    const runtime = await openDockerRuntime(options({ image: { reference: sick, archive: null } }));
    const ending = new AbortController();
    const told: string[] = [];
    const following = (async () => {
      for await (const { event } of runtime.events?.('mail', ending.signal) ?? []) told.push(event);
    })();
    await runtime.start(startRequest(), never);
    await until('what the check says', () => told.includes('unhealthy'), 20_000);
    ending.abort();
    await following;
    // A hint: the copy runs, and whether it is ready is asked of itself.
    expect(await stateOf(runtime)).toMatchObject({ state: 'running' });
  });

  it('refuses an owner file that is none, instead of disowning its containers in silence', async () => {
    const given = options();
    writeFileSync(join(given.directory, 'owner'), 'half');
    await expect(openDockerRuntime(given)).rejects.toThrow(/owner: found 4 characters.*lastgood\.owner/s);
  });

  describe('the image', () => {
    it('is loaded from its archive where the engine does not have it, and said to be another one where it is', async () => {
      const archive = join(temporaryDirectory('archive'), 'image.tar');
      const saved = await engine.variant(image, 'ENV SAVED=1');
      await engine.save(saved, archive);
      await engine.docker.getImage(saved).remove({ noprune: true });
      const words: string[] = [];
      const given = { image: { reference: saved, archive } };
      const runtime = await openDockerRuntime(options(given));
      await runtime.start(startRequest(), never, (said) => words.push(said));
      expect(words.join('\n')).toContain(`load ${archive}`);
      const wrong = `sha256:${'0'.repeat(64)}`;
      const other = await openDockerRuntime(options({ image: { reference: wrong, archive } }));
      await expect(other.start(startRequest(), never)).rejects.toThrow(
        new RegExp(`does not hold ${wrong}: .*${saved}`),
      );
      const nothing = await openDockerRuntime(options({ image: { reference: wrong, archive: null } }));
      await expect(nothing.start(startRequest(), never)).rejects.toThrow(/cannot be pulled by its id/);
    });

    it('is pulled by its digest, with progress; a registry that is down is told apart from one that says no', async () => {
      const offered = await engine.variant(image, 'ENV OFFERED=1');
      const registry = await startRegistry(engine, offered);
      await engine.docker.getImage(offered).remove({ noprune: true });
      try {
        const words: string[] = [];
        const given = { image: { reference: registry.reference, archive: null } };
        const runtime = await openDockerRuntime(options(given));
        await runtime.start(startRequest(), never, (said) => words.push(said));
        expect(words.join('\n')).toContain(`pull ${registry.reference}`);
        const name = registry.reference.split('@')[0] ?? '';
        const unknown = { image: { reference: `${name}@sha256:${'1'.repeat(64)}`, archive: null } };
        await expect((await openDockerRuntime(options(unknown))).start(startRequest(), never)).rejects.toMatchObject({
          name: expect.stringMatching(/DockerRefused|ImageUnavailable/) as string,
          message: expect.stringMatching(/manifest.*unknown|not found/) as string,
        });
      } finally {
        await registry.close();
      }
      const gone = {
        image: { reference: `127.0.0.1:${await freePort()}/model@sha256:${'2'.repeat(64)}`, archive: null },
      };
      const runtime = await openDockerRuntime(options(gone, { engineWaitMs: 0 }));
      await expect(runtime.start(startRequest(), never)).rejects.toThrow(/connection refused/);
    }, 60_000);
  });

  it('does not make the library describe whatever the caller holds: in an activity that is the whole worker', async () => {
    let described = 0;
    const held = { [inspect.custom]: () => `described ${++described} times` };
    const runtime = await openDockerRuntime(options());
    await new AsyncLocalStorage().run(held, async () => {
      const ending = new AbortController();
      Object.assign(ending.signal, { held });
      await runtime.start(startRequest(), ending.signal);
      await Promise.all(Array.from({ length: 5 }, () => runtime.inspect('mail')));
    });
    expect(described).toBe(0);
  });

  it('says of itself what `doctor` asks', async () => {
    const facts = await askEngine({ socket: engine.socket }, dockerTemplate(image));
    expect(facts).toMatchObject({ liveRestore: false, rootless: false, images: [{ reference: image, there: true }] });
    expect(facts.freeBytes).toBeGreaterThan(0);
  });

  it('says who was asked, and what to do, where no engine listens', async () => {
    const socket = join(temporaryDirectory('nobody'), 'docker.sock');
    const runtime = await openDockerRuntime({ ...options({}, { engineWaitMs: 0 }), connection: { socket } });
    const words = `the Docker engine at ${socket} cannot be asked: list containers: ENOENT`;
    await expect(runtime.inspect('mail')).rejects.toMatchObject({
      name: 'DockerUnreachable',
      message: expect.stringContaining(words) as string,
    });
  });
});

needsDocker('a restart of dockerd', () => {
  afterAll(removeTemporary);

  it.each([
    ['goes on with every copy where it has live-restore', true],
    ['ends every copy where it has not; they are found as ended, and started again once', false],
  ] as const)(
    '%s, whether it is stopped or killed',
    async (_title, liveRestore) => {
      engine = await PrivateEngine.start({ liveRestore });
      const ending = new AbortController();
      const told: InstanceEvent[] = [];
      const isTold = (one: InstanceEvent['event']): InstanceEvent[] => told.filter(({ event }) => event === one);
      let following: Promise<void> | null = null;
      try {
        image = await fakeModelImage(engine);
        const runtime = await openDockerRuntime(options());
        following = (async () => {
          for await (const event of runtime.events?.('mail', ending.signal) ?? []) told.push(event);
        })();
        const { address } = await runtime.start(startRequest(), never);
        let ready = address;
        for (const [round, signal] of (['SIGTERM', 'SIGKILL'] as const).entries()) {
          await engine.end(signal);
          if (liveRestore) expect((await fetch(`${ready}/v2/health/ready`)).status).toBe(200);
          // In mid-swap: asked while the engine is away, done when it is back.
          const other = startRequest({ instance: `mail@1.0#b${round}` });
          const starting = runtime.start(other, never);
          await pause(300);
          await engine.run();
          expect(await starting).toMatchObject({ state: 'running' });
          const first = await stateOf(runtime);
          if (liveRestore) expect(first).toMatchObject({ state: 'running', address, digest: startRequest().digest });
          else expect(first).toMatchObject({ state: 'exited', address: null });
          ready = (await runtime.start(startRequest(), never)).address;
          expect(await containersOf(MAIL)).toHaveLength(1);
          expect(await runtime.stop(other.instance, { graceMs: 2_000 })).toMatchObject({ outcome: 'stopped' });
          await until('the engine to be back', () => isTold('engine-back').length > round);
        }
        expect(isTold('died').some(({ instance }) => instance === MAIL)).toBe(!liveRestore);
      } finally {
        ending.abort();
        await following;
        await engine.close();
      }
    },
    90_000,
  );
});

needsDocker('an engine without room', () => {
  afterAll(removeTemporary);

  it('refuses an image that does not fit, and a copy where nothing is left, with nothing half made', async () => {
    const archive = join(temporaryDirectory('archive'), 'image.tar');
    engine = await PrivateEngine.start({ dataBytes: 420 * 1024 ** 2 });
    try {
      image = await fakeModelImage(engine);
      const runtime = await openDockerRuntime(options());
      await runtime.start(startRequest(), never);
      await runtime.stop(MAIL, { graceMs: 2_000 });
      await engine.save(image, archive);
      await engine.docker.getImage(image).remove();
      const before = engine.usedBytes();
      const taken = engine.fill(50 * 1024 ** 2);
      const loading = await openDockerRuntime(options({ image: { reference: image, archive } }));
      await expect(loading.start(startRequest(), never)).rejects.toMatchObject({
        name: 'DockerDiskFull',
        message: expect.stringMatching(/has no room left: load .*docker system df/s) as string,
      });
      expect(await everyContainer()).toEqual([]);
      expect((await engine.docker.listImages({ all: true })).length).toBe(0);
      taken();
      expect(engine.usedBytes() - before).toBeLessThan(2 * 1024 ** 2);
      await loading.start(startRequest(), never);
      await loading.stop(MAIL, { graceMs: 2_000 });
      const full = engine.fill(0);
      await expect(loading.start(startRequest(), never)).rejects.toMatchObject({ name: 'DockerDiskFull' });
      expect(await everyContainer()).toEqual([]);
      full();
      expect(await loading.start(startRequest(), never)).toMatchObject({ state: 'running' });
    } finally {
      await engine.close();
    }
  }, 60_000);
});

needsDocker('an engine elsewhere', () => {
  afterAll(removeTemporary);

  it('is reached by TLS both ways, has the artifacts at its own place, and lets in nobody without a certificate', async () => {
    const here = temporaryDirectory('artifacts-here');
    const there = temporaryDirectory('artifacts-there');
    for (const root of [here, there]) execFileSync('mkdir', ['-p', join(root, 'objects', 'one')]);
    const { server, client, stranger } = certificates();
    const port = await freePort();
    engine = await PrivateEngine.start({ tls: { port, ...server } });
    try {
      image = await fakeModelImage(engine);
      const network = await engine.docker.createNetwork({ Name: 'lastgood-test', Driver: 'bridge' });
      const command = ['--digest', '{digest}', '--port', '{port}', '--host', '0.0.0.0'];
      const given = options(
        { network: 'lastgood-test', port: 8000, command },
        { connection: { host: '127.0.0.1', port, tls: client }, artifacts: { here, there }, engineWaitMs: 0 },
      );
      const runtime = await openDockerRuntime(given);
      const artifact = join(here, 'objects', 'one');
      expect(await runtime.start(startRequest({ artifact }), never)).toMatchObject({ state: 'running' });
      const { Mounts } = await engine.docker.getContainer(await containerOf(MAIL)).inspect();
      expect(Mounts[0]?.Source).toBe(join(there, 'objects', 'one'));
      const outside = startRequest({ instance: 'mail@1.0#b', artifact: '/etc' });
      await expect(runtime.start(outside, never)).rejects.toThrow(`/etc is not below ${here}`);
      const unknown = await openDockerRuntime({ ...given, connection: { host: '127.0.0.1', port, tls: stranger } });
      await expect(unknown.inspect('mail')).rejects.toMatchObject({ name: 'DockerUnreachable' });
      await engine.removeContainers();
      await network.remove();
      expect(readdirSync(given.directory)).toContain('owner');
      expect(containerName('a', MAIL)).not.toBe(containerName('b', MAIL));
    } finally {
      await engine.close();
    }
  }, 60_000);
});
