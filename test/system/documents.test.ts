import { spawn } from 'node:child_process';
import { appendFileSync, mkdirSync, existsSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ServiceView } from '../../api/types';
import { compiled } from '../support/compiled';
import { artifactFiles, writeArtifact } from '../support/artifact-directory';
import { session, type SessionStep } from '../support/documented-session';
import { compiledProduct, UpProcess } from '../support/embedded';
import { startFakeModel, type FakeModel } from '../support/fake-model';
import { until } from '../support/poll';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

const folders = ['cli', 'workers', 'adapters', 'activities', 'domain', 'gateway', 'api', 'workflows'];
const dir = temporaryDirectory('documents');
const config = join(dir, 'lastgood.yaml');
let program: string;
let model: FakeModel;
let up: UpProcess;
/** A file for the time of each command, where somebody wants to know what is slow. */
const timesFile = process.env['DOCUMENTS_TIMES'];
/** What `$NAME` of a step stands for. */
const values: Record<string, string> = { BUILD: '17' };

beforeAll(async () => {
  const directory = compiled(folders);
  for (const beside of ['package.json', 'experiments'])
    if (!existsSync(join(directory, beside))) symlinkSync(join(__dirname, '..', '..', beside), join(directory, beside));
  program = join(directory, 'cli', 'lastgood.js');
  up = new UpProcess(await compiledProduct(), dir, config);
  model = await startFakeModel({ model: 'my-model', digest: `sha256:${'a'.repeat(64)}` });
  values['URL'] = model.address;
}, 120_000);

afterAll(async () => {
  await up.cleanUp();
  await model.close();
  removeTemporary();
});

/** The line as a shell runs it in the directory of the configuration. */
function typed(line: string): Promise<{ code: number | null; said: string }> {
  const script = `set -o pipefail; lastgood() { '${process.execPath}' '${program}' "$@"; }; ${line}`;
  return new Promise((resolve, reject) => {
    const child = spawn('bash', ['-c', script], {
      cwd: dir,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...values },
      // None of them waits for a person; a busy machine may need long for the start of a program.
      timeout: 60_000,
    });
    let said = '';
    child.stdout.on('data', (piece: Buffer) => (said += piece.toString()));
    child.stderr.on('data', (piece: Buffer) => (said += piece.toString()));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, said }));
  });
}

const view = async (): Promise<ServiceView> => (await up.api('GET', '/v1/services/my-service')).json as ServiceView;

const preparations: Readonly<Record<NonNullable<SessionStep['first']>, () => Promise<void> | void>> = {
  configuration() {
    // Steps 3 and 4 of getting started: copies that lastgood starts, classes, metrics that are pushed.
    const server = join(__dirname, '..', 'support', 'fake-model.js');
    writeFileSync(
      config,
      `api: { listen: '127.0.0.1:0' }
gateway: { metrics: '127.0.0.1:0' }
services:
  my-service:
    model: my-model
    serving:
      runtime: process
      command: [node, ${server}, --digest, '{digest}', --model, my-model, --label, spam, --port, '{port}', --report, '{report}']
    answer: { class: 'outputs[name=label].data[0]' }
    rollbackWebhooks: { pipeline: { secretFile: webhook.secret } }
    caches: { answers: { kind: gateway, memory: 8MiB, ttl: 5m } }
    metrics:
      groundedness: { kind: mean, unit: points, direction: down, practicalMargin: 3 }
      age-drift: { kind: distribution, practicalMargin: 3, window: 12h, source: { report: evidently, column: age, method: K-S p_value } }
    policy: { mode: observe, verify: { max: 2s }, detection: { shortWindow: { every: 2s, window: 10s } } }
`,
    );
    for (const version of ['1.1', '1.2', '1.3']) {
      const directory = join(dir, 'versions', version);
      mkdirSync(directory, { recursive: true });
      writeArtifact(directory, {
        service: 'my-service',
        version,
        files: artifactFiles(version),
        manifest: (manifest) => ({ ...manifest, model: 'my-model', external: [] }),
      });
    }
    // The page has it written.
    rmSync(join(dir, 'versions', '1.2', 'manifest.json'));
  },
  'requests.jsonl'() {
    const line = (n: number): string => JSON.stringify({ text: `mail ${n}`, age: n % 50 });
    writeFileSync(join(dir, 'requests.jsonl'), Array.from({ length: 200 }, (_unused, n) => `${line(n)}\n`).join(''));
  },
  async up() {
    await up.start();
    values['SOCKET'] = up.paths.apiSocket;
    values['API'] = (JSON.parse(readFileSync(up.paths.controllerReport, 'utf8')) as { api: string }).api;
    await until('the version in the status', async () =>
      (await view().catch(() => null))?.status?.state.versions.some(({ version }) => version === '1.2'),
    );
  },
  async traffic() {
    const { entrance } = await until('an entrance', async () => {
      const seen = await view();
      return seen.entrance === null ? undefined : seen;
    });
    for (let n = 0; n < 20; n += 1) {
      const answer = await fetch(`${entrance}/v2/models/my-model/infer`, {
        method: 'POST',
        body: JSON.stringify({ inputs: [{ name: 'text', shape: [1], datatype: 'BYTES', data: [`mail ${n}`] }] }),
      });
      expect(answer.status).toBe(200);
      await answer.arrayBuffer();
      values['REQUEST'] = answer.headers.get('x-request-id') ?? '';
    }
    // The gateway writes the answer record beside the answers.
    await until('the answer on record', async () => {
      const { json } = await up.api('GET', `/v1/answers/${values['REQUEST']}`);
      return (json as { known: boolean }).known ? true : undefined;
    });
  },
  async measured() {
    let said = '';
    const open = async (): Promise<true | undefined> => {
      await preparations.traffic();
      const gate = await typed('lastgood gate my-service@1.2');
      said = gate.said;
      return gate.code === 0 ? true : undefined;
    };
    await until('an open gate', open, 30_000).catch((error: unknown) => {
      throw new Error(said, { cause: error });
    });
  },
  'report.json'() {
    const config = { type: 'evidently:metric_v2:ValueDrift', column: 'age', method: 'K-S p_value', threshold: 0.05 };
    const metrics = [{ id: 'x', metric_name: 'ValueDrift(column=age)', config, value: 0.4 }];
    writeFileSync(join(dir, 'report.json'), JSON.stringify({ metrics, tests: [] }));
  },
  'policy.yaml'() {
    writeFileSync(join(dir, 'policy.yaml'), 'services: { my-service: { policy: { mode: act } } }\n');
  },
};

test('the commands of the documents, run in their order against one installation, end as the documents say', async () => {
  const wrong: string[] = [];
  for (const { text, typed: other, exits = [0], first } of session) {
    if (first !== undefined) await preparations[first]();
    const line = (other ?? text)
      .replace(/\bSERVICE\b/g, 'my-service')
      .replace(/\$([A-Z]+)\b/g, (all, name: string) => values[name] ?? all);
    const began = performance.now();
    const { code, said } = await typed(line);
    if (timesFile)
      appendFileSync(timesFile, `${Math.round(performance.now() - began)} ms, ended with ${code}: ${line}\n`);
    if (code === null || !exits.includes(code))
      wrong.push(`${line}\n  ended with ${code}, expected ${exits.join(' or ')}: ${said}`);
  }
  expect(wrong).toEqual([]);
  expect(await up.end('SIGTERM')).toBe('0');
}, 300_000);
