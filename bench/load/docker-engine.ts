import { spawn, spawnSync, execFileSync, type ChildProcess } from 'node:child_process';
import {
  accessSync,
  constants,
  cpSync,
  createWriteStream,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import Docker from 'dockerode';
import { allPids, processFacts } from '../../adapters/disk/proc';

export interface EngineOptions {
  /** Where it keeps everything; default a new directory, which stays. */
  readonly directory?: string;
  readonly liveRestore?: boolean;
  /** Data root on a file system of this size, in memory. */
  readonly dataBytes?: number;
  readonly tls?: {
    readonly port: number;
    readonly caFile: string;
    readonly certFile: string;
    readonly keyFile: string;
  };
}

/** Why no private engine can be had here; null where one can. */
export function whyNoEngine(): string | null {
  if (process.getuid?.() !== 0) return 'dockerd needs root';
  if (!onPath('dockerd')) return 'no dockerd on PATH (scripts/test-deps/docker.sh installs it)';
  return null;
}

function onPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * A real dockerd, with a data root, socket and pid file of its own. It has no network but the host's (and those
 * that a test makes), and changes neither the firewall nor the forwarding of this machine.
 */
export class PrivateEngine {
  readonly directory: string;
  readonly socket: string;
  readonly docker: Docker;
  private child: ChildProcess | null = null;

  private constructor(private readonly options: EngineOptions) {
    this.directory = options.directory ?? mkdtempSync(join(tmpdir(), 'lastgood-docker-'));
    this.socket = join(this.directory, 'docker.sock');
    this.docker = new Docker({ socketPath: this.socket, host: undefined } as Docker.DockerOptions);
  }

  static async start(options: EngineOptions = {}): Promise<PrivateEngine> {
    const engine = new PrivateEngine(options);
    mkdirSync(engine.dataRoot);
    if (options.dataBytes !== undefined)
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${options.dataBytes}`, 'lastgood-test', engine.dataRoot]);
    const { tls } = options;
    const tlsOptions = tls && { tlsverify: true, tlscacert: tls.caFile, tlscert: tls.certFile, tlskey: tls.keyFile };
    engine.configure({ 'live-restore': options.liveRestore ?? false, ...tlsOptions });
    await engine.run();
    return engine;
  }

  get dataRoot(): string {
    return join(this.directory, 'data');
  }

  get pid(): number {
    return this.child?.pid ?? 0;
  }

  private configure(settings: object): void {
    writeFileSync(join(this.directory, 'daemon.json'), JSON.stringify(settings));
  }

  /** Changes the setting as `systemctl reload docker` does. */
  async setLiveRestore(on: boolean): Promise<void> {
    this.configure({ 'live-restore': on });
    this.child?.kill('SIGHUP');
    await until('the new setting', async () => {
      const info = (await this.docker.info()) as { LiveRestoreEnabled: boolean };
      return info.LiveRestoreEnabled === on;
    });
  }

  /** Starts dockerd (again) and resolves when it answers. */
  async run(): Promise<void> {
    const log = openSync(join(this.directory, 'dockerd.log'), 'a');
    const { tls } = this.options;
    const child = spawn(
      'dockerd',
      [
        `--config-file=${join(this.directory, 'daemon.json')}`,
        `--data-root=${this.dataRoot}`,
        `--exec-root=${join(this.directory, 'exec')}`,
        `--pidfile=${join(this.directory, 'dockerd.pid')}`,
        `--host=unix://${this.socket}`,
        ...(tls === undefined ? [] : [`--host=tcp://127.0.0.1:${tls.port}`]),
        ...['--bridge=none', '--iptables=false', '--ip6tables=false', '--ip-forward=false', '--ip-masq=false'],
        '--log-level=warn',
      ],
      { stdio: ['ignore', log, log], detached: true },
    );
    this.child = child;
    await until(
      'the answer of a private dockerd',
      async () => {
        if (child.exitCode !== null || child.signalCode !== null) throw new Error(`dockerd ended: ${this.log()}`);
        return this.docker.ping().then(
          () => true,
          () => false,
        );
      },
      30_000,
    );
  }

  /** Ends dockerd alone; what it does with the containers is up to its settings. */
  async end(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await until('the end of dockerd', () => child.exitCode !== null || child.signalCode !== null, 30_000);
    // Its containerd dies with it. Where nobody reaps that, dockerd would take it for alive and wait for it.
    const left = this.containerdPid();
    if (left !== null && (await until('the end of containerd', () => processFacts(left) === null).catch(() => false)))
      rmSync(this.containerdPidFile, { force: true });
  }

  /** Another image with the same content but for its settings; resolves to its id. */
  async variant(image: string, change: string): Promise<string> {
    const container = await this.docker.createContainer({ Image: image });
    const { Id } = (await container.commit({ changes: change })) as { Id: string };
    await container.remove();
    return Id;
  }

  async removeContainers(): Promise<void> {
    const all = await this.docker.listContainers({ all: true });
    const removed = (id: string): Promise<unknown> => this.docker.getContainer(id).remove({ force: true });
    await Promise.all(all.map(({ Id }) => removed(Id).catch(() => undefined)));
  }

  /** Writes an image as `docker save` does. */
  async save(image: string, file: string): Promise<void> {
    await pipeline(await this.docker.getImage(image).get(), createWriteStream(file));
  }

  /** Bytes in use below its data root, where that is a file system of its own. */
  usedBytes(): number {
    const { blocks, bfree, bsize } = statfsSync(this.dataRoot);
    return (blocks - bfree) * bsize;
  }

  /** Takes room from it, all but `leftBytes`; the answer gives it back. */
  fill(leftBytes: number): () => void {
    const { bfree, bsize } = statfsSync(this.dataRoot);
    const file = join(this.dataRoot, 'ballast');
    // With nothing to be left over the end on purpose: the last page is taken too.
    const blocks = Math.ceil((bfree * bsize - leftBytes) / 65_536) + (leftBytes === 0 ? 1 : 0);
    spawnSync('dd', ['if=/dev/zero', `of=${file}`, 'bs=65536', `count=${blocks}`]);
    return () => rmSync(file);
  }

  /** Every container, dockerd, its containerd, its mounts. */
  async close(): Promise<void> {
    await this.removeContainers().catch(() => undefined);
    await this.end('SIGTERM');
    // What a dockerd that was killed left: only what runs in its own containers, or was started with its own directory.
    for (const pid of allPids().filter((one) => this.isOurs(one))) process.kill(pid, 'SIGKILL');
    for (const mount of this.mounts()) spawnSync('umount', ['-l', mount]);
  }

  async import(tar: Buffer, changes: readonly string[]): Promise<string> {
    const stream = await this.docker.importImage(Readable.from([tar]) as unknown as NodeJS.ReadableStream, {
      changes: [...changes],
    });
    let said = '';
    for await (const piece of stream) said += String(piece);
    const id = /sha256:[0-9a-f]{64}/.exec(said)?.[0];
    if (id === undefined) throw new Error(`no image was imported: ${said}`);
    return id;
  }

  log(): string {
    return readFileSync(join(this.directory, 'dockerd.log'), 'utf8').slice(-3_000);
  }

  private isOurs(pid: number): boolean {
    if (pid === process.pid || processFacts(pid) === null) return false;
    try {
      const containers = readdirSync(join(this.dataRoot, 'containers'));
      const group = readFileSync(`/proc/${pid}/cgroup`, 'utf8');
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      return command.includes(this.directory) || containers.some((id) => group.includes(id));
    } catch {
      // It ended between two looks.
      return false;
    }
  }

  private get containerdPidFile(): string {
    return join(this.directory, 'exec', 'containerd', 'containerd.pid');
  }

  private containerdPid(): number | null {
    try {
      return Number(readFileSync(this.containerdPidFile, 'utf8'));
    } catch {
      return null;
    }
  }

  private mounts(): string[] {
    return readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[1] ?? '')
      .filter((path) => path.startsWith(this.directory))
      .reverse();
  }
}

/** What an image `FROM scratch` needs to run these scripts in `/app`: the node of this machine, its libraries, the scripts. */
export function writeImageRoot(root: string, scripts: readonly string[]): void {
  const put = (from: string, to: string): void => {
    mkdirSync(dirname(join(root, to)), { recursive: true });
    cpSync(from, join(root, to), { dereference: true });
  };
  put(process.execPath, 'bin/node');
  const libraries = spawnSync('ldd', [process.execPath], { encoding: 'utf8' }).stdout ?? '';
  for (const [library] of libraries.matchAll(/\/\S+/g)) put(library, library);
  for (const script of scripts) put(script, `app/${basename(script)}`);
  mkdirSync(join(root, 'tmp'));
  mkdirSync(join(root, 'etc'));
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/:/\nmodel:x:1000:1000::/:/\n');
}

async function until<T>(what: string, ask: () => T | null | false | Promise<T | null | false>, timeoutMs = 10_000) {
  for (const deadline = performance.now() + timeoutMs; performance.now() < deadline;) {
    const answer = await ask();
    if (answer !== null && answer !== false) return answer;
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
  throw new Error(`waited ${timeoutMs} ms for ${what}`);
}
