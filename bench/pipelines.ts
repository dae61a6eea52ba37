import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { gatewayRouter } from '../adapters/traffic/gateway';
import { readEnvironment } from '../workers/environment';
import { requireBinary } from '../workers/temporal/binary';
import { startDevServer } from '../workers/temporal/dev-server';
import { CONTROL_QUEUE, itemsWorkflowId } from '../workflows/contract/ids';
import { itemsQueryName, type ItemsInput, type ItemsStatus } from '../workflows/contract/items';
import { Child, rssMib } from './gateway-parts/processes';
import { Database } from './pipelines/database';
import type { WorkerOrder } from './pipelines/worker';
import { BadUse, NotMeasured, row, type Bench, type Row } from './report';

const ITEMS = 100_000;
const ITEMS_MIN = 1_000;
const CONCURRENCY = 16;
const KILLS = 6;
const LOOK_MS = 200;
const RSS_MAX_MIB = 300;
/** Of the worker: what it needs is bounded, not only what it happens to use on a machine with much memory. */
const HEAP = ['--max-old-space-size=128', '--max-semi-space-size=4'];
const NAMESPACE = 'lastgood';
const SERVICE = 'mail';
const INCIDENT = '2026-05-01-1';

/**
 * Items of a degraded version are redone from a table of PostgreSQL through the gateway into an outbox without any rule that
 * would hide a second effect, while worker and database are killed in turns. `--items N`, `--kills N`.
 */
export const bench: Bench = async ({ more, say }) => {
  const known = ['items', 'kills'];
  for (const name of Object.keys(more))
    if (!known.includes(name)) throw new BadUse(`--${name}: unknown, expected --items or --kills`);
  const items = numberOf(more['items'], 'items', ITEMS, ITEMS_MIN);
  const kills = numberOf(more['kills'], 'kills', KILLS, 0);
  const site = await Site.start();
  try {
    return {
      policy: { items, kills, concurrency: CONCURRENCY, worker: HEAP },
      rows: await measured(site, items, kills, say),
    };
  } finally {
    await site.stop();
  }
};

function numberOf(text: string | undefined, name: string, standard: number, min: number): number {
  const value = Number(text ?? standard);
  if (Number.isInteger(value) && value >= min) return value;
  throw new BadUse(`--${name}: found ${text}, expected a whole number from ${min} on`);
}

async function measured(site: Site, items: number, kills: number, say: (line: string) => void): Promise<Row[]> {
  const { database } = site;
  await database.sql(`create table mails (id text primary key, model text not null, handled timestamptz not null, request jsonb not null);
    create table outbox (n bigserial, item text, label text, model text, key text);
    create index on mails (model, handled, id);
    insert into mails select 'mail-' || n, '1.3', now() - interval '1 hour' + n * interval '1 millisecond',
      '{"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":["please send the report by noon"]}]}'
      from generate_series(1, ${items}) as n;
    analyze mails`);
  await site.startWorker();
  const began = performance.now();
  const handle = await site.begin();
  let done = false;
  const ended = handle.result().finally(() => (done = true));
  ended.catch(() => undefined);
  const seen: number[] = [];
  let killed = 0;
  while (!done) {
    await pause(LOOK_MS);
    seen.push(rssMib(site.workerPid));
    const due = Math.floor((items * (killed + 1)) / (kills + 1));
    const redone = await effectsSoFar(database);
    if (killed >= kills || redone < due || done) continue;
    killed += 1;
    const victim = killed % 3 === 0 ? 'database' : 'worker';
    say(`${redone} of ${items} redone after ${Math.round((performance.now() - began) / 1000)} s: kills the ${victim}`);
    if (victim === 'worker') await site.restartWorker();
    else await site.restartDatabase();
  }
  await ended;
  const seconds = (performance.now() - began) / 1000;
  const [counted] = await database.sql<{ lost: string; twice: string; found: string }>(
    `select (select count(*) from mails m where not exists (select 1 from outbox o where o.item = m.id)) as lost,
            (select count(*) from (select item from outbox group by item having count(*) > 1) t) as twice,
            (select count(*) from outbox) as found`,
  );
  const status = await handle.query<ItemsStatus>(itemsQueryName);
  say(`${counted?.found ?? '?'} effects; as told: ${JSON.stringify(status.pipelines[0]?.counts)}`);
  const redone = status.pipelines[0]?.counts.redone ?? 0;
  return [
    row('items', 'items', redone, [redone], { better: 'higher', target: items }),
    row('lost', 'items', Number(counted?.lost ?? NaN), [Number(counted?.lost)], { better: 'zero' }),
    row('twice', 'items', Number(counted?.twice ?? NaN), [Number(counted?.twice)], { better: 'zero' }),
    row('rate', 'items/s', redone / seconds, [redone / seconds], { better: 'higher' }),
    row('rss', 'MiB', Math.max(...seen), seen, { target: RSS_MAX_MIB }),
    row('kills', 'kills', killed, [killed], { better: 'higher', target: kills }),
  ].map((each) => (each.name === 'rss' ? { ...each, name: 'rss.mib' } : each));
}

/** −1 while the database is away. */
async function effectsSoFar(database: Database): Promise<number> {
  const rows = await database
    .sql<{ n: string }>('select coalesce(max(n), 0) as n from outbox')
    .catch(() => [{ n: '-1' }]);
  return Number(rows[0]?.n ?? -1);
}

/** Everything around the worker: Temporal, a model behind the gateway, the database. */
class Site {
  private worker: Child | null = null;

  private constructor(
    readonly database: Database,
    private readonly directory: string,
    private readonly parts: readonly { stop(): Promise<void> | void }[],
    private readonly order: WorkerOrder,
    private readonly client: Client,
  ) {}

  static async start(): Promise<Site> {
    const directory = mkdtempSync(join(tmpdir(), 'lastgood-bench-items-'));
    const environment = readEnvironment();
    const database = await Database.start();
    const temporal = await startDevServer({
      binary: await requireBinary('dev-server', { environment }),
      environment,
      logFile: join(directory, 'temporal.log'),
      namespace: NAMESPACE,
      searchAttributes: [],
    });
    const model = new Child([join(__dirname, 'gateway-parts', 'upstream.js')]);
    const { port } = await model.next<{ port: number }>();
    const socket = join(directory, 'control.sock');
    const gateway = await startGateway(directory, socket);
    const router = gatewayRouter({ address: { socket } });
    await routed(router, `http://127.0.0.1:${port}`);
    await router.close();
    const connection = await Connection.connect({ address: temporal.address });
    const parts = [
      { stop: () => connection.close() },
      { stop: () => gateway.end() },
      { stop: () => model.end() },
      { stop: () => temporal.stop() },
      { stop: () => database.stop() },
    ];
    const order: WorkerOrder = {
      temporal: temporal.address,
      namespace: NAMESPACE,
      bundle: join(__dirname, '..', 'workflow-bundle.js'),
      control: socket,
      port: database.port,
      evidence: join(directory, 'evidence'),
      concurrency: CONCURRENCY,
    };
    return new Site(database, directory, parts, order, new Client({ connection, namespace: NAMESPACE }));
  }

  get workerPid(): number {
    return this.worker?.pid ?? 0;
  }

  async startWorker(): Promise<void> {
    this.worker = new Child([...HEAP, join(__dirname, 'pipelines', 'worker.js'), JSON.stringify(this.order)]);
    await this.worker.next();
  }

  async restartWorker(): Promise<void> {
    this.worker?.end();
    await this.startWorker();
  }

  async restartDatabase(): Promise<void> {
    await this.database.crash();
    await this.database.run();
  }

  async begin(): Promise<WorkflowHandle> {
    const now = Date.now();
    const input: ItemsInput = {
      service: SERVICE,
      incident: INCIDENT,
      version: '1.3',
      target: '1.2',
      onsetAt: now - 2 * 3_600_000,
      shiftedAt: now - 60_000,
      pipelines: [{ name: 'triage', action: 'reprocess', afterMs: 0 }],
      unverified: 'refuse',
    };
    return await this.client.workflow.start('itemsWorkflow', {
      workflowId: itemsWorkflowId(SERVICE, INCIDENT),
      taskQueue: CONTROL_QUEUE,
      args: [input],
    });
  }

  async stop(): Promise<void> {
    this.worker?.end();
    for (const part of this.parts) await part.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

async function startGateway(directory: string, socket: string): Promise<Child> {
  const file = join(directory, 'gateway.json');
  const dataDir = join(directory, 'gateway');
  const config = {
    dataDir,
    control: { socket },
    metrics: { host: '127.0.0.1', port: 0 },
    reportFile: join(directory, 'report.json'),
    services: [
      {
        name: SERVICE,
        listen: { host: '127.0.0.1', port: 0 },
        sessionHeader: 'x-session-id',
        sessionMaxMs: 60_000,
        firstByteMs: 10_000,
        requestMaxMs: 30_000,
        repeatable: true,
        replayLimitBytes: 65_536,
        answer: { classPath: 'outputs[name=label].data[0]', scorePath: 'outputs[name=score].data[0]' },
        samples: { share: 0, maxCount: 100, maxAgeMs: 86_400_000, redactFields: [] },
        feedbackHorizonMs: 86_400_000,
        answerRetentionDays: 90,
      },
    ],
  };
  writeFileSync(file, JSON.stringify(config));
  return Promise.resolve(new Child([join(__dirname, '..', 'gateway', 'main.js'), '--config', file]));
}

async function routed(router: ReturnType<typeof gatewayRouter>, address: string): Promise<void> {
  const backend = { address, instance: `${SERVICE}@1.2#bench`, digest: 'sha256:bench' };
  const record = { service: SERVICE, epoch: 1, primary: '1.2', pins: [], backends: { '1.2': [backend] } };
  const began = performance.now();
  for (;;) {
    try {
      const applied = await router.apply(record);
      if (applied.applied) return;
      throw new NotMeasured(`the gateway refused the route: ${applied.detail}`);
    } catch (error) {
      if (error instanceof NotMeasured || performance.now() - began > 60_000) throw error;
      await pause(100);
    }
  }
}
