import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../adapters/serving/process-launch';
import { NotMeasured } from '../report';
import { MODEL } from './artifact';
import { PrivateEngine, whyNoEngine, writeImageRoot } from './docker-engine';
import { hasTriton, tritonFiles, tritonRepository, TritonServerProcess } from './triton-server';

export const GROUNDS = ['process', 'docker', 'triton'] as const;
export type GroundName = (typeof GROUNDS)[number];

/** What runs the versions. */
export interface Ground {
  readonly name: GroundName;
  /** `serving` of the configuration. */
  readonly serving: object;
  /** Files of a version beside those that every version has. */
  files(version: string): Record<string, string>;
  /** Starts the version in this directory without lastgood and ends it; milliseconds from the command until it is ready. */
  bare(artifact: string, number: number): Promise<number>;
  close(): Promise<void>;
}

const SERVER = join(__dirname, 'model-server.js');
const POLL_MS = 5;
const LIMIT_MS = 60_000;

/** A text says why it cannot be had. */
export function groundOf(name: GroundName): (() => Promise<Ground>) | string {
  switch (name) {
    case 'process':
      return () => Promise.resolve(processGround());
    case 'docker':
      return whyNoEngine() ?? dockerGround;
    case 'triton':
      return hasTriton ? tritonGround : 'no Triton (scripts/test-deps/triton.sh installs it)';
  }
}

function processGround(): Ground {
  return {
    name: 'process',
    serving: {
      runtime: 'process',
      command: [process.execPath, SERVER, '--artifact', '{artifact}', '--digest', '{digest}', '--report', '{report}'],
    },
    files: (version) => ({ 'light.json': JSON.stringify({ version }) }),
    async bare(artifact) {
      const directory = mkdtempSync(join(tmpdir(), 'lastgood-bench-load-'));
      const report = join(directory, 'report.json');
      const began = performance.now();
      const args = [SERVER, '--artifact', artifact, '--digest', 'sha256:bare', '--report', report];
      const child = spawn(process.execPath, args, { stdio: 'ignore' });
      try {
        await until('the process', () => Promise.resolve(existsSync(report)));
        const { port } = JSON.parse(readFileSync(report, 'utf8')) as { port: number };
        await untilReady(`http://127.0.0.1:${port}/v2/models/${MODEL}/ready`);
        return performance.now() - began;
      } finally {
        child.kill('SIGKILL');
        rmSync(directory, { recursive: true, force: true });
      }
    },
    close: () => Promise.resolve(),
  };
}

async function dockerGround(): Promise<Ground> {
  const root = mkdtempSync(join(tmpdir(), 'lastgood-bench-docker-'));
  const engine = await PrivateEngine.start({ directory: root });
  const files = join(root, 'image');
  mkdirSync(files);
  writeImageRoot(files, [SERVER]);
  const tar = execFileSync('tar', ['-C', files, '-c', '.'], { maxBuffer: 1024 ** 3 });
  const image = await engine.import(tar, ['USER 1000:1000']);
  const entrypoint = ['/bin/node', '/app/model-server.js'];
  const args = (artifact: string, port: string): string[] => [
    ...['--artifact', artifact, '--digest', 'sha256:bare', '--port', port],
  ];
  return {
    name: 'docker',
    serving: {
      runtime: 'docker',
      docker: { socket: engine.socket },
      image,
      network: 'host',
      entrypoint,
      command: ['--artifact', '{artifact}', '--digest', '{digest}', '--port', '{port}'],
      readOnlyRoot: true,
    },
    files: (version) => ({ 'light.json': JSON.stringify({ version }) }),
    async bare(artifact) {
      const port = await freePort();
      const began = performance.now();
      const container = await engine.docker.createContainer({
        Image: image,
        Entrypoint: entrypoint,
        Cmd: args('/artifact', String(port)),
        HostConfig: { NetworkMode: 'host', Binds: [`${artifact}:/artifact:ro`], ReadonlyRootfs: true, Init: true },
      });
      try {
        await container.start();
        await untilReady(`http://127.0.0.1:${port}/v2/models/${MODEL}/ready`);
        return performance.now() - began;
      } finally {
        await container.remove({ force: true });
      }
    },
    async close() {
      await engine.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** Two servers: what is timed without lastgood must not change the repository of the one that lastgood loads into. */
async function tritonGround(): Promise<Ground> {
  const root = mkdtempSync(join(tmpdir(), 'lastgood-bench-triton-'));
  const [ours, plain] = [join(root, 'ours'), join(root, 'plain')];
  mkdirSync(ours);
  mkdirSync(plain);
  const repositories = [tritonRepository(ours), tritonRepository(plain)] as const;
  const servers = [
    await TritonServerProcess.start(repositories[0]),
    await TritonServerProcess.start(repositories[1]),
  ] as const;
  const model = join(repositories[1], MODEL);
  const config = readFileSync(join(model, 'config.pbtxt'), 'utf8');
  const files = tritonFiles({ label: 'spam' });
  return {
    name: 'triton',
    serving: { runtime: 'triton', address: servers[0].address, repository: repositories[0] },
    files: () => files,
    async bare(_artifact, number) {
      mkdirSync(join(model, String(number)));
      for (const [path, content] of Object.entries(files)) writeFileSync(join(model, String(number), path), content);
      // A directory of that name, so that no load of the next version is one of this as well; lastgood does the same.
      writeFileSync(join(model, String(number), '__pycache__'), '');
      writeFileSync(join(model, 'config.pbtxt'), `${config}version_policy: { specific: { versions: [${number}] } }\n`);
      const began = performance.now();
      const { status, text } = await servers[1].post(`/v2/repository/models/${MODEL}/load`);
      if (status !== 200) throw new NotMeasured(`Triton did not load: ${text}`);
      await untilReady(`${servers[1].address}/v2/models/${MODEL}/versions/${number}/ready`);
      return performance.now() - began;
    },
    async close() {
      await Promise.all(servers.map((server) => server.kill()));
      rmSync(root, { recursive: true, force: true });
    },
  };
}

async function untilReady(url: string): Promise<void> {
  const asked = (): Promise<boolean> =>
    fetch(url).then(
      async (answer) => {
        await answer.arrayBuffer();
        return answer.status === 200;
      },
      () => false,
    );
  await until(url, asked);
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + LIMIT_MS; performance.now() < deadline;) {
    if (await holds()) return;
    await new Promise((resume) => setTimeout(resume, POLL_MS));
  }
  throw new NotMeasured(`${what} was not ready within ${LIMIT_MS / 1_000} s`);
}
