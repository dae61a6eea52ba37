import { spawn } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { loadConfiguration } from '../../workers/configuration/load';
import { compiled } from '../support/compiled';
import { removeTemporary, temporaryDirectory } from '../support/temporary';
import { ApiRig } from '../unit/cli/api-rig';
import { rolledBack } from '../unit/cli/rollback-story';

const folders = ['cli', 'workers', 'adapters', 'activities', 'domain', 'gateway', 'api', 'workflows', 'package.json'];
let program: string;
const cleanups: (() => Promise<unknown>)[] = [];

beforeAll(() => {
  const directory = compiled(folders.slice(0, -1));
  const manifest = join(directory, 'package.json');
  if (!existsSync(manifest)) symlinkSync(join(__dirname, '..', '..', 'package.json'), manifest);
  program = join(directory, 'cli', 'lastgood.js');
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});
afterAll(removeTemporary);

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function lastgood(args: readonly string[], node: readonly string[] = []): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...node, program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout.on('data', (piece: Buffer) => (out += piece.toString()));
    child.stderr.on('data', (piece: Buffer) => (err += piece.toString()));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out, err }));
  });
}

/** A model server of the Open Inference Protocol that reports its digest. */
async function modelServer(digest: string): Promise<string> {
  const server: Server = createServer((request, response) => {
    const ready = request.url === '/v2/health/ready' || request.url === '/v2/models/triage/ready';
    const metadata = { name: 'triage', versions: ['7'], parameters: { digest } };
    response.writeHead(ready || request.url === '/v2/models/triage' ? 200 : 404, {
      'content-type': 'application/json',
    });
    response.end(JSON.stringify(ready ? {} : metadata));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => new Promise((resolve) => server.close(resolve)));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('the program answers over the Unix socket of a controller, with the exit codes of status', async () => {
  const rig = await new ApiRig(await rolledBack()).listen();
  cleanups.push(() => rig.close());
  const status = await lastgood(['status', '--config', rig.config]);
  expect(status).toMatchObject({ code: 1, err: '' });
  expect(status.out).toMatch(/^mail-triage: /);
  const json = await lastgood(['status', '--json', '--config', rig.config]);
  expect(JSON.parse(json.out)).toMatchObject({
    exitCode: 1,
    services: [{ service: 'mail-triage', evidence: { route: 'Observed' } }],
  });
  expect(await lastgood(['rollback', '--config', rig.config])).toMatchObject({ code: 64, out: '' });
});

test('a reader that has seen enough is no fault of the program', async () => {
  const rig = await new ApiRig(await rolledBack()).listen();
  cleanups.push(() => rig.close());
  const command = `set -o pipefail; '${process.execPath}' '${program}' history --all --config '${rig.config}' | true`;
  const child = spawn('bash', ['-c', command], { stdio: ['ignore', 'ignore', 'pipe'] });
  let err = '';
  child.stderr.on('data', (piece: Buffer) => (err += piece.toString()));
  const code = await new Promise((resolve) => child.once('close', resolve));
  expect({ code, err }).toEqual({ code: 0, err: '' });
});

test('doctor reads the ledgers of a controller that answers', async () => {
  const rig = await new ApiRig(await rolledBack()).listen();
  cleanups.push(() => rig.close());
  const { out } = await lastgood(['doctor', '--config', rig.config]);
  expect(out).toMatch(/ok {3}mail-triage: ledger: the chain of \d+ entries is whole/);
});

test('a plain status loads neither Temporal nor schemas nor web frameworks', async () => {
  const rig = await new ApiRig(await rolledBack()).listen();
  cleanups.push(() => rig.close());
  const spy = join(rig.directory, 'spy.cjs');
  const list = join(rig.directory, 'loaded.json');
  writeFileSync(
    spy,
    `process.on('exit', () => require('node:fs').writeFileSync(${JSON.stringify(list)}, JSON.stringify(Object.keys(require.cache))));`,
  );
  expect(await lastgood(['status', '--config', rig.config], ['--require', spy])).toMatchObject({ code: 1 });
  const loaded = JSON.parse(readFileSync(list, 'utf8')) as string[];
  const packages = new Set(loaded.flatMap((file) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? []));
  expect([...packages].sort()).toEqual(['commander', 'yaml']);
});

test('init asks the endpoint once and writes what validate and the loader accept: observe, changes external', async () => {
  const url = await modelServer(`sha256:${'ab'.repeat(32)}`);
  const file = join(temporaryDirectory('init'), 'lastgood.yaml');
  const wrote = await lastgood(['init', '--url', url, '--model', 'triage', '--config', file]);
  expect(wrote).toMatchObject({ code: 0, err: '' });
  expect(wrote.out).toContain('mode observe, changes: external');
  expect(wrote.out).toMatch(/Known by/);
  const [service] = loadConfiguration(file).services;
  expect(service).toMatchObject({ name: 'triage', model: 'triage', policy: { mode: 'observe', changes: 'external' } });
  expect(service?.serving).toMatchObject({ runtime: 'external', engine: 'open-inference', serves: { address: url } });
  const validated = await lastgood(['validate', '--config', file]);
  expect(validated.out).toContain(`at ${url}: ready`);
  expect(validated.code).toBe(0);
  const text = readFileSync(file, 'utf8');
  expect(await lastgood(['init', '--url', url, '--model', 'triage', '--config', file])).toMatchObject({ code: 1 });
  expect(readFileSync(file, 'utf8')).toBe(text);
});

test('init of an endpoint that is not there writes nothing and ends with 69', async () => {
  const directory = temporaryDirectory('init');
  const file = join(directory, 'lastgood.yaml');
  const { code, err } = await lastgood(['init', '--url', 'http://127.0.0.1:9', '--model', 'triage', '--config', file]);
  expect(code).toBe(69);
  expect(err).toContain('nothing was written');
  expect(existsSync(file)).toBe(false);
});

test('validate names every problem of a configuration with its place and ends with 64', async () => {
  const file = join(temporaryDirectory('validate'), 'lastgood.yaml');
  writeFileSync(file, 'servces: {}\nservices:\n  a: { model: 7 }\n');
  const { code, err } = await lastgood(['validate', '--config', file]);
  expect(code).toBe(64);
  expect(err).toContain(`${file}:1:1: servces: unknown key, did you mean services?`);
  expect(err).toContain('services.a.model');
});

test('validate ends with 69 when a version does not answer at its address', async () => {
  const file = join(temporaryDirectory('validate'), 'lastgood.yaml');
  writeFileSync(
    file,
    "services:\n  a:\n    model: m\n    serving: { runtime: external, versions: { '1': 'http://127.0.0.1:9' } }\n",
  );
  const { code, out } = await lastgood(['validate', '--config', file]);
  expect(code).toBe(69);
  expect(out).toContain('BAD  a@1 at http://127.0.0.1:9');
  expect(await lastgood(['validate', '--offline', '--config', file])).toMatchObject({ code: 0 });
});

test('the configuration of the example is one that the program accepts', async () => {
  const file = join(__dirname, '..', '..', 'examples', 'mail-triage', 'lastgood.yaml');
  expect(await lastgood(['validate', '--offline', '--config', file])).toMatchObject({ code: 0, err: '' });
});

test('doctor finds the port that something else holds, and says what was not measured', async () => {
  const url = await modelServer('sha256:0');
  const port = new URL(url).port;
  const file = join(temporaryDirectory('doctor'), 'lastgood.yaml');
  writeFileSync(
    file,
    `api: { listen: '127.0.0.1:0' }\ngateway: { metrics: '127.0.0.1:0' }\nservices:\n  a:\n    listen: 127.0.0.1:${port}\n    model: m\n    serving: { runtime: external, address: '${url}' }\n`,
  );
  const { code, out } = await lastgood(['doctor', '--config', file]);
  expect(out).toContain(`BAD  port 127.0.0.1:${port} (services.a.listen): in use by something else`);
  expect(out).toMatch(/the chain of activities is not measured|empty activities/);
  expect(code).toBe(1);
});

test('artifacts list, verify and import work without a controller; prune refuses without one', async () => {
  const directory = temporaryDirectory('artifacts');
  const file = join(directory, 'lastgood.yaml');
  writeFileSync(
    file,
    "services:\n  a:\n    model: m\n    serving: { runtime: external, address: 'http://127.0.0.1:9' }\n",
  );
  const config = ['--config', file];
  expect((await lastgood(['artifacts', 'list', ...config])).out).toContain('lastgood artifacts import DIRECTORY');
  expect(await lastgood(['artifacts', 'verify', ...config])).toMatchObject({ code: 1 });
  const refused = await lastgood(['artifacts', 'import', directory, ...config]);
  expect(refused).toMatchObject({ code: 1 });
  expect(refused.err).toContain('manifest.json: missing');
  expect(await lastgood(['artifacts', 'prune', 'a', '--dry-run', ...config])).toMatchObject({ code: 69 });
});
