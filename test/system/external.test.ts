import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LedgerPage, ServiceView } from '../../api/types';
import { compiled } from '../support/compiled';
import { compiledProduct, UpProcess } from '../support/embedded';
import { startFakeModel, type FakeModel, type FakeModelOptions } from '../support/fake-model';
import { until } from '../support/poll';
import { removeTemporary, temporaryDirectory } from '../support/temporary';

const cliFolders = ['cli', 'workers', 'adapters', 'activities', 'domain', 'gateway', 'api', 'workflows'];
const digest = (letter: string): string => `sha256:${letter.repeat(64)}`;
const started: UpProcess[] = [];
const models: FakeModel[] = [];
let dist: string;

beforeAll(async () => {
  dist = await compiledProduct();
}, 120_000);

afterAll(async () => {
  for (const up of started) await up.cleanUp();
  for (const model of models) await model.close();
  removeTemporary();
});

async function serve(options: FakeModelOptions): Promise<FakeModel> {
  const model = await startFakeModel({ model: 'mail', ...options });
  models.push(model);
  return model;
}

function lastgood(args: readonly string[]): Promise<{ code: number | null; out: string }> {
  const program = join(compiled(cliFolders), 'cli', 'lastgood.js');
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    child.stdout.on('data', (piece: Buffer) => (out += piece.toString()));
    child.stderr.on('data', (piece: Buffer) => (out += piece.toString()));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out }));
  });
}

/** Free ports, because other tests run on this machine. */
const freePorts = `api: { listen: '127.0.0.1:0' }
gateway: { metrics: '127.0.0.1:0' }
`;

async function upOn(dir: string, config: string): Promise<UpProcess> {
  const up = new UpProcess(dist, dir, config);
  started.push(up);
  await up.start();
  return up;
}

async function view(up: UpProcess): Promise<ServiceView> {
  return (await up.api('GET', '/v1/services/mail')).json as ServiceView;
}

async function live(up: UpProcess, version: string): Promise<ServiceView> {
  return await until(
    `${version} in the gateway`,
    async () => {
      const seen = await view(up).catch(() => null);
      return seen?.gateway?.record?.primary === version && seen.status?.state.declared?.primary === version
        ? seen
        : undefined;
    },
    60_000,
  );
}

interface Answered {
  readonly at: number;
  readonly status: number;
  readonly version: string | null;
}

/** A client that sends one request after the other until it is stopped. */
function client(entrance: string): { readonly answers: Answered[]; stop(): Promise<void> } {
  const body = JSON.stringify({ inputs: [{ name: 'text', shape: [1], datatype: 'BYTES', data: ['hello'] }] });
  const answers: Answered[] = [];
  let going = true;
  const running = (async () => {
    while (going) {
      const at = Date.now();
      const answer = await fetch(`${entrance}/v2/models/mail/infer`, { method: 'POST', body }).catch(() => null);
      await answer?.arrayBuffer().catch(() => undefined);
      answers.push({ at, status: answer?.status ?? 0, version: answer?.headers.get('x-lastgood-version') ?? null });
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  })();
  return {
    answers,
    async stop() {
      going = false;
      await running;
    },
  };
}

test('init and up are enough: traffic flows, and a server that is started again with another digest is noticed and baked', async () => {
  const first = await serve({ digest: digest('a') });
  const dir = temporaryDirectory('external');
  const config = join(dir, 'lastgood.yaml');
  const initialised = await lastgood(['init', '--url', first.address, '--model', 'mail', '--config', config]);
  expect(initialised).toMatchObject({ code: 0 });
  expect(initialised.out).toContain('its model metadata');
  writeFileSync(config, `${freePorts}${readFileSync(config, 'utf8')}`);

  const up = await upOn(dir, config);
  const { entrance, status } = await live(up, '1');
  expect(status?.state).toMatchObject({ mode: 'observe', bake: null });
  expect(status?.readiness.ready).toBe(false);
  const asking = client(entrance ?? '');
  await until('sixty answers', () => asking.answers.length >= 60);

  const downAt = Date.now();
  await first.close();
  await serve({ digest: digest('b'), port: first.port });
  const upAt = Date.now();
  const after = await live(up, '1-bbbbbbbb');
  const noticedAt = Date.now();
  await until('sixty more answers', () => asking.answers.filter(({ at }) => at > noticedAt).length >= 60);
  await asking.stop();

  expect(after.status?.state.bake).toMatchObject({ version: '1-bbbbbbbb', previous: '1' });
  const page = (await up.api('GET', '/v1/services/mail/ledger?kinds=deploy-settled,foreign-change&limit=20'))
    .json as LedgerPage;
  expect(page.entries.map(({ kind, actor, facts }) => [kind, actor.proof, facts['identity']])).toEqual([
    ['deploy-settled', 'external', digest('a')],
    ['foreign-change', 'external', digest('b')],
    ['deploy-settled', 'external', digest('b')],
  ]);
  // Every request is answered, but for those that the restart of the server itself met.
  const lost = asking.answers.filter(({ status: code, at }) => code !== 200 && (at < downAt - 50 || at > upAt + 50));
  expect(lost).toEqual([]);
  expect(asking.answers.length).toBeGreaterThanOrEqual(120);
  const versions = new Set(asking.answers.filter(({ at }) => at > noticedAt).map(({ version }) => version));
  expect([...versions]).toEqual(['1-bbbbbbbb']);

  const shown = await lastgood(['status', '--config', config]);
  expect(shown.out).toContain('its model metadata');
  expect(await up.end('SIGTERM')).toBe('0');
  expect(noticedAt - upAt).toBeLessThan(40_000);
}, 240_000);

test('between addresses without artifacts a person deploys and rolls back, and the validation says what it rests on', async () => {
  const blue = await serve({ digest: digest('c') });
  const green = await serve({ digest: digest('d') });
  const dir = temporaryDirectory('addresses');
  const config = join(dir, 'lastgood.yaml');
  writeFileSync(
    config,
    `${freePorts}services:
  mail:
    model: mail
    serving:
      runtime: external
      versions: { blue: '${blue.address}', green: '${green.address}' }
      probes: [{ id: hello, request: { inputs: [{ name: text, shape: [1], datatype: BYTES, data: [hello] }] }, expect: { output: label, value: spam } }]
    changes: external
    policy: { verify: { max: 3s } }
`,
  );
  const up = await upOn(dir, config);
  const act = async (name: string, body: object): Promise<void> => {
    const answer = await up.api('POST', `/v1/services/mail/acts/${name}`, { ...body, reason: 'a test' });
    expect(answer).toMatchObject({ status: 200, json: { decision: 'accepted' } });
  };
  await until('both addresses', async () => (await view(up)).status?.state.versions.length === 2, 60_000);
  await act('deploy', { version: 'blue' });
  const { entrance } = await live(up, 'blue');
  const asking = client(entrance ?? '');
  const idle = async (): Promise<boolean> => (await view(up)).status?.state.operation === null;
  await until('the end of the deploy', idle, 60_000);
  await act('deploy', { version: 'green' });
  await live(up, 'green');
  await until('the end of the deploy', idle, 60_000);
  await act('rollback', { to: 'blue' });
  await live(up, 'blue');
  await until('the end of the rollback', idle, 60_000);
  await until('two hundred answers', () => asking.answers.length >= 200, 60_000);
  await asking.stop();
  expect(asking.answers.filter(({ status }) => status !== 200)).toEqual([]);
  expect(new Set(asking.answers.map(({ version }) => version))).toEqual(new Set(['blue', 'green']));
  const page = (await up.api('GET', '/v1/services/mail/ledger?kinds=step-succeeded&limit=50')).json as LedgerPage;
  const validated = page.entries.filter(({ summary }) => summary.includes('this version has no artifact'));
  expect(validated).toHaveLength(3);
  expect(await up.end('SIGTERM')).toBe('0');
}, 240_000);
