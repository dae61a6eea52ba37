import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readTokenFile } from '../../api/identity/token-file';
import { openDockerRuntime } from '../../adapters/serving/docker/docker-runtime';
import { HostileServer } from '../../bench/security/hostile-server';
import { plans } from '../../bench/security/plans';
import { runSurfaces } from '../../bench/security/runner';
import { Site } from '../../bench/security/site';
import { rawRequest, sendRaw } from '../../bench/security/wire';
import { readExperiment } from '../../workers/chaos/experiment-schema';
import { ConfigurationError } from '../../workers/configuration/configuration';

/** Printed, so that a run that finds something can be made again: `npm run -s bench -- security --seed N`. */
const seed = Math.floor(Date.now() / 86_400_000);
const inputs = 500;

jest.setTimeout(60_000);

test(`hostile input of every kind crashes nothing and gets nothing done without the right to it (seed ${seed})`, async () => {
  const all = await runSurfaces(plans, { inputs, seed });
  expect(all.flatMap(({ found }) => found)).toEqual([]);
  expect(all.reduce((sum, met) => sum + met.inputs, 0)).toBeGreaterThanOrEqual(inputs);
  // Every person at every route is tried, however few the inputs are: seconds, and minutes on a machine that does much else.
}, 240_000);

describe('what fuzzing has found', () => {
  let directory: string;
  beforeAll(() => (directory = mkdtempSync(join(tmpdir(), 'lastgood-found-'))));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  function problemsOf(text: string): readonly string[] {
    const file = join(directory, 'x.yaml');
    writeFileSync(file, text);
    try {
      readExperiment(file, 'mail');
    } catch (error) {
      if (error instanceof ConfigurationError) return error.problems;
      throw error;
    }
    throw new Error('it was accepted');
  }

  it('a key __proto__ is an unknown key and no fault', () => {
    const problems = problemsOf('name: x\nfault: { kind: fill-disk, __proto__: [] }\n');
    expect(problems).toContainEqual(expect.stringMatching(/fault\.__proto__: unknown key/));
  });

  it('a file with a problem in each line is not told line by line for ever', () => {
    const problems = problemsOf(`{${Array.from({ length: 500 }, (_, at) => `k${at}: 1`).join(', ')}}`);
    expect(problems).toHaveLength(101);
    expect(problems.at(-1)).toMatch(/and \d+ more problems$/);
  });

  it('a token file that is no YAML is named, and its lines are not quoted', () => {
    const file = join(directory, 'tokens.yaml');
    writeFileSync(file, 'tokens:\n  - name: alice\n    secret-looking\n  x');
    expect(() => readTokenFile(file)).toThrow(new RegExp(`^${file}: not YAML: [^\\n]*$`));
  });

  it('a Docker engine that lists no containers but something else is refused in words', async () => {
    const server = await HostileServer.start();
    server.says = Buffer.from('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}');
    const image = { reference: `sha256:${'0'.repeat(64)}`, archive: null };
    const runtime = await openDockerRuntime({
      connection: { socket: server.socket },
      directory: join(directory, 'docker'),
      template: {
        ...{ image, images: {}, entrypoint: null, command: [], env: {}, user: null, network: 'bridge', port: 1 },
        ...{ artifactPath: '/a', memoryLimitBytes: null, sharedMemoryBytes: null, cpus: null, gpus: null },
        ...{ capabilities: [], readOnlyRoot: false, tmpfs: [], init: true, registryAuthFile: null },
      },
    });
    await expect(runtime.inspect('mail')).rejects.toThrow(/lists containers otherwise than its API says/);
    await server.stop();
  });

  describe('at the listeners', () => {
    let site: Site;
    let api: string;
    beforeAll(async () => {
      site = await Site.open();
      ({ path: api } = await site.api({ kind: 'socket', user: 'ada' }));
    });
    afterAll(() => site.close());

    async function statusAt(path: string, method: string, target: string, body = ''): Promise<number | null> {
      const headers = { 'content-type': 'application/json' };
      return (await sendRaw({ path }, rawRequest({ method, target, headers, body: Buffer.from(body) }))).status;
    }

    it('half a row, and a path that is no address, are bad requests and no faults of the gateway', async () => {
      const { socket } = site.paths.gatewayControl;
      const at = '/control/v1/services/mail';
      expect(await statusAt(socket, 'GET', `${at}/samples?limit=0.5`)).toBe(200);
      expect(await statusAt(socket, 'GET', `${at}/telemetry?after=0.5&limit=2.9`)).toBe(200);
      expect(await statusAt(socket, 'GET', '//')).toBe(400);
      expect(await statusAt(socket, 'GET', `${at}/answers?at=9007199254740991`)).toBe(400);
    });

    it('a version with a name that every object has is refused, and the route stays as it was', async () => {
      const { socket } = site.paths.gatewayControl;
      const backend = { address: 'http://127.0.0.1:1', instance: 'i', digest: 'd' };
      for (const primary of ['constructor', 'toString', 'hasOwnProperty']) {
        const record = { service: 'mail', epoch: 9, primary, pins: [], backends: { '1.0': [backend] } };
        const target = '/control/v1/services/mail/route';
        expect(await statusAt(socket, 'PUT', target, JSON.stringify(record))).toBe(409);
      }
    });

    it('an incident whose name leads elsewhere is a bad request', async () => {
      const digest = `sha256:${'0'.repeat(64)}`;
      expect(await statusAt(api, 'GET', `/v1/services/mail/items/%2e%2e%2f/lists/${digest}`)).toBe(400);
      expect(site.errors).toEqual([]);
    });
  });
});
