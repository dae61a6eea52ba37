import { randomUUID } from 'node:crypto';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { WorkflowHandle } from '@temporalio/client';
import {
  bundleWorkflowCode,
  DefaultLogger,
  Runtime,
  Worker,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';
import type { LedgerEntry } from '../../domain/ledger';
import { makePlan, type PlanStep } from '../../domain/rollback/plan';
import { sameRoute, type RouteRecord } from '../../domain/route';
import type {
  ControlActivities,
  HostActivities,
  ObservedRoute,
  RouterActivities,
  ShiftOutcome,
} from '../../workflows/contract/activities';
import type { CacheRepairInput } from '../../workflows/contract/inputs';
import {
  cacheRepairWorkflowId,
  CONTROL_QUEUE,
  hostQueue,
  retirementWorkflowId,
  rollbackWorkflowId,
  routerQueue,
  serviceWorkflowId,
} from '../../workflows/contract/ids';
import type { ItemsActivities } from '../../workflows/contract/items-activities';
import type { Candidate, OperationInput, OperationOrder, StepReport } from '../../workflows/contract/rollback';
import type { RetirementInput } from '../../workflows/contract/signals';
import { replayHistories } from './replay-histories';
import { preloadedModules } from './preloaded';

export const service = 'mail-triage';
export const host = 'here';
export const digestOf = (version: string): string => `sha256:${version}`;

type Activities = ControlActivities & HostActivities & RouterActivities & ItemsActivities;
export type Fakes = { [Name in keyof Activities]?: Activities[Name] };
export type What = StepReport['what'];

/** The world as the activities of an operation see it: a router with its rule of epochs, a ledger, running copies. */
export class World {
  readonly router: { record: RouteRecord; floor: number };
  readonly applied: RouteRecord[] = [];
  readonly ledger: LedgerEntry[] = [];
  readonly running = new Set<string>();
  /** Name and version of each call, in the order in which they began. */
  readonly calls: string[] = [];

  constructor(readonly route: RouteRecord = routeOf('1.3', 7)) {
    this.router = { record: route, floor: 0 };
  }

  /** Everything goes well; a test replaces what it is about. What it does not name and nothing stubs, throws. */
  fakes(): Required<
    Pick<
      Activities,
      | 'recordDecisions'
      | 'validateArtifact'
      | 'probeInstance'
      | 'shadowReplay'
      | 'verifyShift'
      | 'observeRoute'
      | 'observeDrain'
      | 'loadTarget'
      | 'prepareTarget'
      | 'stopInstance'
      | 'inspectInstances'
      | 'shiftTraffic'
      | 'applyRoute'
    >
  > {
    return {
      recordDecisions: async (entries) => {
        for (const entry of entries) {
          const known = this.ledger.find(({ key }) => key === entry.key);
          if (known && JSON.stringify(known) !== JSON.stringify(entry)) throw new Error(`conflict on ${entry.key}`);
          if (!known) this.ledger.push(entry);
        }
        return { lastSeq: this.ledger.length };
      },
      validateArtifact: async ({ version }) => this.called('validate', version, { ok: true }),
      probeInstance: async ({ version }) => this.called('probe', version, { ok: true, probes: 8, ms: 4 }),
      shadowReplay: async ({ version }) =>
        this.called('shadow', version, { ok: true, inputs: 9, right: 9, note: 'same' }),
      verifyShift: async ({ version }) =>
        this.called('verify', version, {
          ok: true,
          goodAnswers: 20,
          ms: 5,
          byProbesOnly: false,
          note: '20 good answers',
        }),
      observeRoute: async () => this.called('observe', '', this.observed()),
      observeDrain: async ({ version }) => this.called('drain', version, { drained: true, inFlight: 0, pinned: 0 }),
      loadTarget: async ({ version, instance }) => {
        const found = this.running.has(instance);
        this.running.add(instance);
        const backend = { address: 'http://127.0.0.1:9', instance, digest: digestOf(version) };
        return this.called('load', version, { ok: true, backend, ms: 3, found });
      },
      prepareTarget: async ({ version, instance }) => {
        this.running.add(instance);
        const backend = { address: 'http://127.0.0.1:9', instance, digest: digestOf(version) };
        return this.called('prepare', version, {
          validate: { ms: 2 },
          load: { ms: 3, backend, found: false },
          probe: { ms: 4, probes: 8 },
          failed: null,
        });
      },
      stopInstance: async ({ instance }) =>
        this.called('stop', instance, { outcome: this.running.delete(instance) ? 'stopped' : 'absent', why: '' }),
      inspectInstances: async () =>
        [...this.running].map((instance) => {
          const version = instance.slice(instance.indexOf('@') + 1, instance.indexOf('#'));
          return {
            instance,
            version,
            state: 'running' as const,
            address: 'http://127.0.0.1:9',
            digest: digestOf(version),
          };
        }),
      shiftTraffic: async ({ record }) =>
        this.called(
          'shift',
          record.gap ? `nobody, ${record.primary} goes` : (record.share?.version ?? record.primary),
          this.shift(record),
        ),
      applyRoute: async (record) => {
        this.called('apply', record.primary, null);
        const shifted = this.shift(record);
        if (shifted.outcome === 'shifted') return { applied: true, epoch: record.epoch, persistedAt: 1 };
        const { epoch } = this.router.record;
        return { applied: false, why: 'below-floor', epoch, floor: this.router.floor, detail: '' };
      },
    };
  }

  called<T>(step: string, version: string, result: T): T {
    this.calls.push(`${step} ${version}`.trim());
    return result;
  }

  shift(record: RouteRecord): ShiftOutcome {
    const inForce = this.router.record;
    const again = sameRoute(inForce, record);
    if (!again && (record.epoch <= inForce.epoch || record.epoch < this.router.floor)) {
      return { outcome: 'stopped', why: `epoch ${record.epoch} is below the floor ${this.router.floor}` };
    }
    this.router.record = record;
    if (!again) this.applied.push(record);
    const seenInTraffic = record.primary;
    return { outcome: 'shifted', epoch: record.epoch, at: Date.now(), readBack: true, seenInTraffic };
  }

  observed(): ObservedRoute {
    return { record: this.router.record, floor: this.router.floor, fallback: null, pinned: {} };
  }

  kinds(): string[] {
    return this.ledger.map(({ kind }) => kind);
  }
}

export function routeOf(version: string, epoch: number): RouteRecord {
  return { service, epoch, primary: version, pins: [], backends: { [version]: [backendOf(version)] } };
}

export function backendOf(version: string, id = 's1'): { address: string; instance: string; digest: string } {
  return { address: 'http://127.0.0.1:7', instance: `${service}@${version}#${id}`, digest: digestOf(version) };
}

export function cold(version: string): Candidate {
  return { version, digest: digestOf(version), why: 'the next older one', warm: null };
}

export function warm(version: string): Candidate {
  return { ...cold(version), warm: { ...backendOf(version), proofAt: 1_000 } };
}

export const limits: OperationInput['limits'] = {
  attempts: { maxCandidates: 3, totalMs: 60_000 },
  steps: { validateMs: 5_000, loadMs: 5_000, probeMs: 5_000, shiftMs: 2_000, drainMs: 5_000, stopGraceMs: 1_000 },
  verify: { goodAnswers: 20, verifyMaxMs: 3_000, confirmMs: 1_000, confirmMaxMs: 5_000 },
  gradual: { stages: [0.1, 0.5], stageMs: 1_000 },
  standby: { keepWarm: true, proofIntervalMs: 10_000, proofMaxAgeMs: 30_000, asFallback: true },
};

export function inputOf(change: Partial<OperationInput> & { readonly samples?: boolean } = {}): OperationInput {
  const { samples = false, ...rest } = change;
  const procedure = rest.procedure ?? 'standard';
  const stopFirst = rest.stopFirst && ({ stopFirst: true } as const);
  const caches = rest.caches && ({ caches: true } as const);
  const plan: PlanStep[] = makePlan({ procedure, samples, policy: rest.limits ?? limits, ...stopFirst, ...caches });
  return {
    service,
    operation: `i-${randomUUID().slice(0, 8)}`,
    kind: 'rollback',
    incident: 'i-1',
    procedure,
    plan,
    actor: { name: 'lastgood', proof: 'lastgood', from: 'service' },
    reason: 'recall of bulk fell',
    candidates: [cold('1.2'), cold('1.1')],
    epochs: { from: 8, to: 39 },
    route: routeOf('1.3', 7),
    keepPinsMs: 0,
    safest: 'previous',
    fallbackSince: null,
    host,
    model: 'mail',
    limits,
    ...rest,
  };
}

const activityNames: readonly (keyof Activities)[] = [
  'recordDecisions',
  'recoverState',
  'listVersions',
  'sendAlert',
  'annotateVersion',
  'drawIncident',
  'validateArtifact',
  'probeInstance',
  'shadowReplay',
  'verifyShift',
  'settleCache',
  'observeDrain',
  'observeRoute',
  'loadTarget',
  'prepareTarget',
  'stopInstance',
  'inspectInstances',
  'shiftTraffic',
  'applyRoute',
  'fenceRouter',
  'listItems',
  'listPartlyHandled',
  'treatItems',
];

let bundle: Promise<WorkflowBundleWithSourceMap> | undefined;
const quiet = new DefaultLogger('ERROR');

export async function operationBundle(): Promise<WorkflowBundleWithSourceMap> {
  bundle ??= bundleWorkflowCode({
    workflowsPath: require.resolve('./operation-workflows'),
    preloadModules: preloadedModules(),
    logger: quiet,
  });
  return await bundle;
}

/** Call once per test file, before the first worker. */
export function quietRuntime(): void {
  Runtime.install({ logger: quiet, telemetryOptions: { logging: { filter: 'ERROR', forward: {} } } });
}

/** The workers of a test file, on every queue; each test brings its own fakes. */
export class Workers {
  private fakes: Fakes = {};
  private readonly running = new Map<Worker, Promise<void>>();
  private controlActivities: Worker | null = null;

  private constructor(readonly env: TestWorkflowEnvironment) {}

  static async start(env: TestWorkflowEnvironment): Promise<Workers> {
    const workers = new Workers(env);
    const { nativeConnection: connection, namespace = 'default' } = env;
    const workflowBundle = await operationBundle();
    workers.run(await Worker.create({ connection, namespace, taskQueue: CONTROL_QUEUE, workflowBundle }));
    for (const queue of [hostQueue(host), routerQueue(host)]) workers.run(await workers.activityWorker(queue));
    await workers.controlIsBack();
    return workers;
  }

  /** From now on nobody takes a call on the control queue; workflows go on. */
  async controlIsAway(): Promise<void> {
    const away = this.controlActivities;
    this.controlActivities = null;
    if (away) await this.end(away);
  }

  async controlIsBack(): Promise<void> {
    if (this.controlActivities) return;
    this.controlActivities = await this.activityWorker(CONTROL_QUEUE);
    this.run(this.controlActivities);
  }

  use(fakes: Fakes): void {
    this.fakes = fakes;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.running.keys()].map((worker) => this.end(worker)));
  }

  private run(worker: Worker): void {
    this.running.set(worker, worker.run());
  }

  private async end(worker: Worker): Promise<void> {
    const ended = this.running.get(worker);
    this.running.delete(worker);
    worker.shutdown();
    await ended;
  }

  private async activityWorker(taskQueue: string): Promise<Worker> {
    const { nativeConnection: connection, namespace = 'default' } = this.env;
    const activities = Object.fromEntries(activityNames.map((name) => [name, this.activity(name)]));
    return await Worker.create({ connection, namespace, taskQueue, activities });
  }

  /** What was not stubbed throws and names itself, instead of hanging as an unregistered type. */
  private activity(name: keyof Activities): (...args: unknown[]) => Promise<unknown> {
    return async (...args) => {
      const fake = this.fakes[name] as ((...input: unknown[]) => Promise<unknown>) | undefined;
      if (!fake) throw new Error(`${name} was called and is not stubbed`);
      return await fake(...args);
    };
  }
}

/** One service (the recorder); runs operations against the fakes of one test. */
export class Rig {
  private readonly ran: WorkflowHandle[] = [];

  private constructor(
    private readonly env: TestWorkflowEnvironment,
    private readonly recorder: WorkflowHandle | null,
  ) {}

  static async start(workers: Workers, fakes: Fakes, options: { readonly recorder?: boolean } = {}): Promise<Rig> {
    const { env } = workers;
    workers.use(fakes);
    const recorder =
      options.recorder === false
        ? null
        : await env.client.workflow.start('serviceRecorderWorkflow', {
            workflowId: serviceWorkflowId(service),
            taskQueue: CONTROL_QUEUE,
          });
    return new Rig(env, recorder);
  }

  async rollback(input: OperationInput): Promise<WorkflowHandle> {
    return await this.launch('rollbackWorkflow', rollbackWorkflowId(input.service, input.operation), input);
  }

  async retirement(input: RetirementInput): Promise<WorkflowHandle> {
    return await this.launch('retirementWorkflow', retirementWorkflowId(input.service, input.instance), input);
  }

  async repair(input: CacheRepairInput): Promise<WorkflowHandle> {
    const { service: of, by, cache } = input.settling;
    return await this.launch('cacheRepairWorkflow', cacheRepairWorkflowId(of, by, cache), input);
  }

  /** A workflow that an operation started; its history is replayed at the end too. */
  child(workflowId: string): WorkflowHandle {
    const handle = this.env.client.workflow.getHandle(workflowId);
    this.ran.push(handle);
    return handle;
  }

  async order(handle: WorkflowHandle, order: OperationOrder): Promise<void> {
    await handle.signal('orderGiven', order);
  }

  /** What the service has heard so far. */
  async heard<T = StepReport>(): Promise<T[]> {
    return (await this.recorder?.query<T[]>('heard')) ?? [];
  }

  /** Polls until the service has heard it. */
  async until(type: What['type'], count = 1): Promise<StepReport[]> {
    const deadline = Date.now() + 20_000;
    for (;;) {
      const reports = await this.heard();
      if (reports.filter(({ what }) => what.type === type).length >= count) return reports;
      if (Date.now() > deadline) throw new Error(`no ${type}; heard: ${JSON.stringify(reports.map(brief))}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Waits for the end of the operation and for everything that it reported. */
  async ended(handle: WorkflowHandle): Promise<StepReport[]> {
    await handle.result();
    return await this.heard();
  }

  /** Replays every execution of the rig against the current code. */
  async stop(): Promise<void> {
    // A time-skipping server may have skipped to the recorder's own time limit, once nothing else was waiting.
    await this.recorder?.terminate('the test is over').catch(() => undefined);
    const histories = await Promise.all(
      this.ran.map(async (handle) => ({ id: handle.workflowId, history: await handle.fetchHistory() })),
    );
    for (const handle of this.ran) await handle.terminate('the test is over').catch(() => undefined);
    await replayHistories(await operationBundle(), histories);
  }

  private async launch(type: string, workflowId: string, input: unknown): Promise<WorkflowHandle> {
    const options = { workflowId, taskQueue: CONTROL_QUEUE, args: [input] };
    const handle = await this.env.client.workflow.start(type, options);
    this.ran.push(handle);
    return handle;
  }
}

/** A report in one word and what it is about. */
export function brief({ what }: StepReport): string {
  switch (what.type) {
    case 'began':
    case 'succeeded':
      return `${what.type} ${what.step} ${what.version ?? ''}`.trim();
    case 'dropped':
      return `dropped ${what.version} at ${what.step}, next ${what.next ?? 'none'}`;
    case 'shifted':
      return `shifted ${what.record.share ? `${what.record.share.weight} to ${what.record.share.version}` : what.record.primary} ${what.record.epoch}`;
    case 'waiting':
      return `waiting ${what.step} on ${what.primary}`;
    case 'ended':
      return `ended ${what.outcome}`;
  }
}
