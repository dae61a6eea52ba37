import { readFileSync } from 'node:fs';
import { NativeConnection, Worker } from '@temporalio/worker';
import { itemsActivities } from '../../activities/items';
import { directoryEvidence } from '../../adapters/evidence/directory-evidence';
import { modelCalls } from '../../adapters/pipelines/model-calls';
import { postgresPipeline } from '../../adapters/pipelines/postgres';
import { openInferenceEngine } from '../../adapters/serving/open-inference';
import { gatewayRouter } from '../../adapters/traffic/gateway';
import { CONTROL_QUEUE } from '../../workflows/contract/ids';

/** What the benchmark tells its worker; killed and started again, it is told the same. */
export interface WorkerOrder {
  readonly temporal: string;
  readonly namespace: string;
  readonly bundle: string;
  readonly control: string;
  readonly port: number;
  readonly evidence: string;
  readonly concurrency: number;
}

const MODEL_MS = 30_000;

/** The activities of items as the controller has them; ledger and alerts, which nothing here is about, take everything. */
async function main(): Promise<void> {
  const order = JSON.parse(process.argv[2] ?? '{}') as WorkerOrder;
  const models = modelCalls({
    router: gatewayRouter({ address: { socket: order.control } }),
    engine: () => openInferenceEngine({}),
    model: () => 'mail',
    timeoutMs: () => MODEL_MS,
  });
  const pipeline = postgresPipeline({
    host: '127.0.0.1',
    port: order.port,
    database: 'postgres',
    user: 'postgres',
    tls: null,
    source: { table: 'mails', id: 'id', version: 'model', handledAt: 'handled', request: 'request', batch: null },
    sink: {
      kind: 'insert',
      table: 'outbox',
      columns: { item: 'item', label: { output: 'label' }, model: 'version', key: 'key' },
    },
    flush: null,
    marks: 'lastgood_redone',
    concurrency: order.concurrency,
    unit: 'item',
    models,
  });
  const evidence = directoryEvidence(order.evidence);
  const worker = await Worker.create({
    connection: await NativeConnection.connect({ address: order.temporal }),
    namespace: order.namespace,
    taskQueue: CONTROL_QUEUE,
    workflowBundle: { code: readFileSync(order.bundle, 'utf8') },
    activities: {
      ...itemsActivities({ pipelines: { of: () => pipeline }, evidence }),
      recordDecisions: () => Promise.resolve({ lastSeq: 0 }),
      sendAlert: () => Promise.resolve(),
    },
    stickyQueueScheduleToStartTimeout: 2_000,
    maxConcurrentActivityTaskExecutions: 8,
    maxCachedWorkflows: 2,
  });
  process.stdout.write(`${JSON.stringify({ running: true })}\n`);
  await worker.run();
}

void main();
