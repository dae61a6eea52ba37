import { randomUUID } from 'node:crypto';
import type { WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { ApplicationFailure } from '@temporalio/activity';
import type { Alert } from '../../domain/alert';
import type { LedgerEntry } from '../../domain/ledger';
import { CONTROL_QUEUE, itemsWorkflowId } from '../../workflows/contract/ids';
import type { ItemsInput, ItemsStatus } from '../../workflows/contract/items';
import type { ItemsActivities } from '../../workflows/contract/items-activities';
import { replayHistories } from '../support/replay-histories';
import { startTimeSkipping } from '../support/temporal-servers';
import { workflowBundle, type WorkflowBundle } from '../support/workflow-bundle';

jest.setTimeout(60_000);

const quiet = new DefaultLogger('ERROR');
const HOUR_MS = 3_600_000;
const guarantee = { kind: 'exactly-once', why: 'one transaction' } as const;
let env: TestWorkflowEnvironment;
let bundle: WorkflowBundle;

beforeAll(async () => {
  Runtime.install({ logger: quiet, telemetryOptions: { logging: { filter: 'ERROR', forward: {} } } });
  env = await startTimeSkipping();
  bundle = await workflowBundle(require.resolve('../../workflows/items'));
}, 60_000);
afterAll(() => env.teardown());

/** A pipeline of so many pages of ten, which every test bends to its own story. */
class World {
  readonly ledger: LedgerEntry[] = [];
  readonly alerts: Alert[] = [];
  readonly treated: string[] = [];
  readonly listedUntil: number[] = [];
  fail: (pipeline: string) => Error | null = () => null;
  sinkIsAway: () => boolean = () => false;
  flagged = 0;

  constructor(private readonly pages: number) {}

  get activities(): ItemsActivities & { recordDecisions: unknown; sendAlert: unknown } {
    return {
      recordDecisions: async (entries: readonly LedgerEntry[]) => {
        this.ledger.push(...entries.filter(({ key }) => !this.ledger.some((one) => one.key === key)));
        return Promise.resolve({ lastSeq: 1 });
      },
      sendAlert: async (alert: Alert) => {
        if (this.sinkIsAway()) throw new Error('nobody takes alerts');
        return Promise.resolve(void this.alerts.push(alert));
      },
      listPartlyHandled: async ({ previous }) => Promise.resolve({ partly: 0, next: null, head: previous }),
      listItems: async ({ pipeline, cursor, toMs }) => {
        this.throwIfDown(pipeline);
        this.listedUntil.push(toMs);
        const page = Number(cursor ?? 0) + 1;
        const next = page < this.pages ? String(page) : null;
        const listed = { found: 10, digest: `list ${pipeline} ${page}`, next, total: this.pages * 10 };
        return Promise.resolve({ ...listed, guarantee, knowsBatches: false });
      },
      treatItems: async ({ pipeline, digest, action, part, previous }) => {
        this.throwIfDown(pipeline);
        this.treated.push(`${digest} ${action}`);
        const flagged = action === 'flag' ? 10 : part === 1 ? this.flagged : 0;
        return Promise.resolve({ counts: { redone: 10 - flagged, flagged }, head: `${previous ?? 'first'}>${part}` });
      },
    };
  }

  kinds(): string[] {
    return this.ledger.map(({ kind }) => kind);
  }

  private throwIfDown(pipeline: string): void {
    const failure = this.fail(pipeline);
    if (failure) throw failure;
  }
}

const down = (): Error =>
  ApplicationFailure.create({ type: 'PipelineRefused', message: 'no table', nonRetryable: true });

async function inputOf(change: Partial<ItemsInput> = {}): Promise<ItemsInput> {
  const now = await env.currentTimeMs();
  return {
    service: 'mail',
    incident: `i-${randomUUID().slice(0, 8)}`,
    version: '1.3',
    target: '1.2',
    onsetAt: now - HOUR_MS,
    shiftedAt: now,
    pipelines: [{ name: 'triage', action: 'reprocess' }],
    unverified: 'refuse',
    ...change,
  };
}

async function running<T>(
  world: World,
  change: Partial<ItemsInput>,
  story: (handle: WorkflowHandle, input: ItemsInput) => Promise<T>,
): Promise<T> {
  const { nativeConnection: connection, namespace = 'default' } = env;
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue: CONTROL_QUEUE,
    workflowBundle: bundle,
    activities: world.activities,
  });
  return await worker.runUntil(async () => {
    const input = await inputOf(change);
    const workflowId = itemsWorkflowId(input.service, input.incident);
    const handle = await env.client.workflow.start('itemsWorkflow', {
      workflowId,
      taskQueue: CONTROL_QUEUE,
      args: [input],
    });
    const result = await story(handle, input);
    await replayHistories(bundle, [{ id: workflowId, history: await handle.fetchHistory() }]);
    return result;
  });
}

const actor = { name: 'ada', proof: 'token', from: 'api' } as const;

describe('the items of an incident', () => {
  it('are treated page by page, and what came of it is on record with the digest of the list', async () => {
    const world = new World(3);

    await running(world, {}, (handle) => handle.result());

    expect(world.treated).toEqual(['list triage 1', 'list triage 2', 'list triage 3'].map((one) => `${one} reprocess`));
    expect(world.kinds()).toEqual(['items-began', 'items-treated', 'items-ended']);
    expect(world.ledger[1]?.facts).toMatchObject({
      counts: { found: 30, redone: 30, flagged: 0 },
      guarantee,
      list: 'first>1>2>3',
      parts: 3,
    });
    expect(world.alerts).toEqual([]);
  });

  it('go on in a new run where the history is long, without a page twice', async () => {
    const world = new World(12);

    await running(world, { maxEventsBeforeContinue: 60 }, (handle) => handle.result());

    expect(world.treated).toHaveLength(12);
    expect(new Set(world.treated).size).toBe(12);
    expect(new Set(world.ledger.map(({ key }) => key)).size).toBe(3);
  });

  it('do not wait for a place of alerts that is away, whose alert goes with the next run', async () => {
    const world = new World(12);
    let refusals = 0;
    world.fail = (pipeline) => (pipeline === 'archive' && (refusals += 1) === 1 ? down() : null);
    world.sinkIsAway = () => world.treated.length < 24;
    const pipelines = [
      { name: 'archive', action: 'reprocess' },
      { name: 'triage', action: 'reprocess' },
    ] as const;
    const began = await env.currentTimeMs();

    // By the run's own end: with nothing left to do, this server's clock runs on to whatever it finds, ten years away.
    const closed = await running(world, { pipelines, maxEventsBeforeContinue: 60 }, async (handle) => {
      await handle.result();
      return (await handle.describe()).closeTime?.getTime() ?? Infinity;
    });

    expect(world.treated).toHaveLength(24);
    expect(world.alerts.map(({ title }) => title)).toEqual(['mail: the items of archive cannot be treated']);
    expect(closed - began).toBeLessThan(HOUR_MS / 2);
  });

  it('of sessions that stay on the degraded version are looked for when these have left, whoever is impatient', async () => {
    const world = new World(1);
    const now = await env.currentTimeMs();

    await running(world, { shiftedAt: now, pinnedUntil: now + HOUR_MS }, async (handle) => {
      await env.sleep(HOUR_MS / 2);
      await handle.signal('itemsOrdered', { pipeline: 'triage', order: 'retry', reason: 'now', actor });
      await env.sleep(HOUR_MS / 4);
      expect(world.listedUntil).toEqual([]);
      expect(await handle.query<ItemsStatus>('items')).toMatchObject({ pinnedUntil: now + HOUR_MS });
      await handle.result();
    });

    expect(world.listedUntil).toEqual([now + HOUR_MS + 60_000]);
    expect(world.ledger[0]?.summary).toContain(`may stay on 1.3 until ${new Date(now + HOUR_MS).toISOString()}`);
  });

  it('are flagged where the effects cannot be undone, and a person is asked to look', async () => {
    const world = new World(1);

    await running(world, { pipelines: [{ name: 'mails', action: 'reprocess', effects: 'irreversible' }] }, (handle) =>
      handle.result(),
    );

    expect(world.treated).toEqual(['list mails 1 flag']);
    expect(world.alerts.map(({ severity, title }) => [severity, title])).toEqual([
      ['ticket', 'mail: 10 items of mails wait for review'],
    ]);
  });

  it('of a pipeline that is down wait for it alone, are asked for again, and people hear of it once', async () => {
    const world = new World(2);
    let refusals = 0;
    world.fail = (pipeline) => (pipeline === 'archive' && (refusals += 1) <= 5 ? down() : null);
    const pipelines = [
      { name: 'triage', action: 'reprocess' },
      { name: 'archive', action: 'reprocess' },
    ] as const;

    await running(world, { pipelines }, (handle) => handle.result());

    expect(world.treated.slice(0, 2)).toEqual(['list triage 1 reprocess', 'list triage 2 reprocess']);
    expect(world.treated).toHaveLength(4);
    expect(world.alerts.map(({ title }) => title)).toEqual(['mail: the items of archive cannot be treated']);
    expect(world.alerts[0]?.wrong).toContain('PipelineRefused: no table');
  });

  it('of a pipeline that stays down are told of each day, and a person may skip what is left', async () => {
    const world = new World(2);
    world.fail = down;

    await running(world, {}, async (handle) => {
      await env.sleep(26 * HOUR_MS);
      const { pipelines } = await handle.query<ItemsStatus>('items');
      expect(pipelines[0]?.down).toMatchObject({ why: 'PipelineRefused: no table' });
      await handle.signal('itemsOrdered', { pipeline: 'triage', order: 'skip', reason: 'it was replaced', actor });
      await handle.result();
    });

    expect(world.alerts).toHaveLength(2);
    expect(new Set(world.alerts.map(({ key }) => key)).size).toBe(2);
    const skipped = world.ledger.find(({ kind }) => kind === 'items-treated');
    expect(skipped).toMatchObject({ actor, facts: { skipped: true, reason: 'it was replaced' } });
  });

  it('are treated though somebody cancels the workflow in Temporal: only a skip, with a name, ends it', async () => {
    const world = new World(3);
    world.fail = () => (world.treated.length === 1 ? down() : null);

    await running(world, {}, async (handle) => {
      await env.sleep(90_000);
      await handle.cancel();
      await env.sleep(HOUR_MS / 60);
      expect((await handle.query<ItemsStatus>('items')).pipelines[0]).toMatchObject({ phase: 'items' });
      world.fail = () => null;
      await handle.result();
    });

    expect(world.treated).toHaveLength(3);
    expect(world.kinds()).toContain('items-ended');
  });

  it('are not skipped by a sender who is not proven, which is on record', async () => {
    const world = new World(1);
    world.fail = down;

    await running(world, {}, async (handle) => {
      await handle.signal('itemsOrdered', { pipeline: 'triage', order: 'skip', reason: 'because' });
      await env.sleep(HOUR_MS);
      expect((await handle.query<ItemsStatus>('items')).pipelines[0]?.phase).not.toBe('skipped');
      world.fail = () => null;
      await handle.result();
    });

    expect(world.ledger.filter(({ kind }) => kind === 'refused')).toHaveLength(1);
    expect(world.treated).toHaveLength(1);
  });
});
