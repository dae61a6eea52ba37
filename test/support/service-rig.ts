import { randomUUID } from 'node:crypto';
import type { WorkflowHandle } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import {
  bundleWorkflowCode,
  DefaultLogger,
  Runtime,
  Worker,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';
import { CONTROL_QUEUE, hostQueue, routerQueue, serviceWorkflowId } from '../../workflows/contract/ids';
import { NEWEST_RULES, type ServiceInput } from '../../workflows/contract/inputs';
import type { Answer, MessageName } from '../../workflows/contract/messages';
import type { ServiceStatus } from '../../workflows/contract/status';
import { preloadedModules } from './preloaded';
import { replayHistories } from './replay-histories';
import { policyOf, ServiceWorld, type Activities, type Fakes } from './service-world';

export type History = temporal.api.history.v1.IHistory;
export interface RanHistory {
  readonly id: string;
  readonly type: string;
  readonly history: History;
}
type HistoryEvent = temporal.api.history.v1.IHistoryEvent;

const host = 'here';
const quiet = new DefaultLogger('ERROR');
const { WorkflowTaskFailedCause } = temporal.api.enums.v1;
/** A task that lost against a new event, or that the server ended because too many of them waited, is made again by design. */
const benign: readonly unknown[] = [
  WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND,
  WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND,
  WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW,
];
let bundle: Promise<WorkflowBundleWithSourceMap> | undefined;

export async function serviceBundle(): Promise<WorkflowBundleWithSourceMap> {
  bundle ??= bundleWorkflowCode({
    workflowsPath: require.resolve('./service-workflows'),
    preloadModules: preloadedModules(),
    logger: quiet,
  });
  return await bundle;
}

/** Call once per test file, before the first worker. */
export function quietRuntime(): void {
  Runtime.install({ logger: quiet, telemetryOptions: { logging: { filter: 'ERROR', forward: {} } } });
}

/** The workers of a test file, on every queue; each service brings its own fakes. */
export class ServiceWorkers {
  private readonly fakes = new Map<string, Fakes>();
  private readonly workers: Worker[] = [];
  private readonly runs: Promise<void>[] = [];

  private constructor(readonly env: TestWorkflowEnvironment) {}

  static async start(env: TestWorkflowEnvironment, hosts: readonly string[] = [host]): Promise<ServiceWorkers> {
    const self = new ServiceWorkers(env);
    const names = Object.keys(new ServiceWorld('any').fakes()) as (keyof Activities)[];
    const activities = Object.fromEntries(names.map((name) => [name, self.activity(name)]));
    const base = { connection: env.nativeConnection, namespace: env.namespace ?? 'default', activities };
    self.run(await Worker.create({ ...base, taskQueue: CONTROL_QUEUE, workflowBundle: await serviceBundle() }));
    for (const taskQueue of [...hosts.map(hostQueue), routerQueue(host)])
      self.run(await Worker.create({ ...base, taskQueue }));
    return self;
  }

  use(service: string, fakes: Fakes): void {
    this.fakes.set(service, fakes);
  }

  async stop(): Promise<void> {
    for (const worker of this.workers) worker.shutdown();
    await Promise.all(this.runs);
  }

  private run(worker: Worker): void {
    this.workers.push(worker);
    this.runs.push(worker.run());
  }

  /** What was not stubbed throws and names itself, instead of hanging as an unregistered type. */
  private activity(name: keyof Activities): (...args: unknown[]) => Promise<unknown> {
    return async (...args) => {
      const fake = this.fakes.get(serviceOf(args[0]))?.[name] as
        ((...input: unknown[]) => Promise<unknown>) | undefined;
      if (!fake) throw new Error(`${name} was called and is not stubbed`);
      return await fake(...args);
    };
  }
}

function serviceOf(input: unknown): string {
  if (typeof input === 'string') return input;
  const first: unknown = Array.isArray(input) ? input[0] : input;
  if (first && typeof first === 'object' && 'record' in first) return serviceOf(first.record);
  return (first as { service?: string }).service ?? '';
}

export interface ServiceOptions {
  readonly policy?: ServiceInput['policy'];
  readonly searchAttributes?: readonly string[];
  readonly maxEventsBeforeContinue?: number;
  readonly fakes?: Fakes;
  readonly samples?: boolean;
}

/** One service workflow and everything that it starts, against the fakes of its world. */
export class ServiceRig {
  private readonly lives: { readonly id: string; readonly runId: string }[] = [];

  private constructor(
    readonly workers: ServiceWorkers,
    readonly world: ServiceWorld,
    readonly input: ServiceInput,
  ) {}

  static async start(workers: ServiceWorkers, world: ServiceWorld, options: ServiceOptions = {}): Promise<ServiceRig> {
    const {
      fakes = {},
      policy = policyOf(),
      searchAttributes = [],
      samples = false,
      maxEventsBeforeContinue,
    } = options;
    const more = maxEventsBeforeContinue === undefined ? {} : { maxEventsBeforeContinue };
    const { service } = world;
    const input = { service, host, model: 'mail', policy, rules: NEWEST_RULES, samples, searchAttributes, ...more };
    const rig = new ServiceRig(workers, world, input);
    rig.use(fakes);
    await rig.begin();
    return rig;
  }

  use(fakes: Fakes): void {
    this.workers.use(this.world.service, { ...this.world.fakes(), ...fakes });
  }

  /** Starts the service workflow without state, as the controller does where it does not run. */
  async begin(): Promise<void> {
    const id = serviceWorkflowId(this.world.service);
    const options = { workflowId: id, taskQueue: CONTROL_QUEUE, args: [this.input] };
    const { firstExecutionRunId } = await this.client.start('serviceWorkflow', options);
    this.lives.push({ id, runId: firstExecutionRunId });
  }

  get client(): TestWorkflowEnvironment['client']['workflow'] {
    return this.workers.env.client.workflow;
  }

  /** Whatever run is the current one. */
  get handle(): WorkflowHandle {
    return this.client.getHandle(serviceWorkflowId(this.world.service));
  }

  async act(name: MessageName, message: Record<string, unknown> = {}): Promise<Answer> {
    return await this.handle.executeUpdate<Answer, [unknown]>(name, { args: [messageOf(message)] });
  }

  async say(name: string, payload?: unknown): Promise<void> {
    await this.handle.signal(name, payload);
  }

  async status(): Promise<ServiceStatus> {
    return await this.handle.query<ServiceStatus>('status');
  }

  async state(): Promise<ServiceStatus['state']> {
    return (await this.status()).state;
  }

  /** Polls the state until it is so; the deadline is real time. */
  async until(
    what: string,
    is: (state: ServiceStatus['state']) => boolean,
    ms = 20_000,
  ): Promise<ServiceStatus['state']> {
    const deadline = Date.now() + ms;
    for (;;) {
      const state = await this.state();
      if (is(state)) return state;
      if (Date.now() > deadline)
        throw new Error(
          `not within ${ms} ms: ${what}; ${JSON.stringify({ ...state, policy: 0, versions: 0, tiers: 0 })}\n${this.world.summaries()}`,
        );
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Polls the world until it is so. */
  async seen(what: string, is: () => boolean, ms = 20_000): Promise<void> {
    const deadline = Date.now() + ms;
    while (!is()) {
      if (Date.now() > deadline) throw new Error(`not within ${ms} ms: ${what}\n${this.world.summaries()}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Ready to roll back: the standby runs, holds its proof, and is the router's fallback. */
  async ready(): Promise<ServiceStatus['state']> {
    const { standby } = await this.until('a standby runs', (state) => state.standby !== null);
    const instance = standby?.backend.instance ?? '';
    const at = await this.now();
    await this.say('standbyReported', { version: standby?.version, instance, ok: true, at, why: 'probes right' });
    return await this.until('the fallback is named', (state) => {
      const named = state.declared?.fallback === state.standby?.version && state.standby?.proof === 'ok';
      return named && this.world.router.record?.epoch === state.declared?.epoch;
    });
  }

  async now(): Promise<number> {
    return await this.workers.env.currentTimeMs();
  }

  /** So many events and workflow tasks more, one after the other, that mean nothing. */
  async busy(signals: number): Promise<void> {
    const from = await this.now();
    for (let at = from; at < from + signals; at++) {
      await this.say('tiersReported', this.world.tiers(at));
      await this.until('it was read', ({ tiers }) => tiers[0]?.at === at);
    }
  }

  /** Waits until the service has continued as new. */
  async continued(runId: string): Promise<void> {
    const deadline = Date.now() + 20_000;
    while ((await this.handle.describe()).runId === runId) {
      if (Date.now() > deadline) throw new Error('it did not continue as new');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** The histories of every run of every life of the service, and of everything it started. */
  async histories(each: (id: string) => Promise<unknown> = async () => undefined): Promise<RanHistory[]> {
    const found: RanHistory[] = [];
    const seen = new Set<string>();
    const wanted = [...this.lives];
    for (let next = wanted.shift(); next; next = wanted.shift()) {
      const { id, runId } = next;
      if (seen.has(`${id}/${runId}`)) continue;
      seen.add(`${id}/${runId}`);
      await each(id);
      const history = await this.client.getHandle(id, runId).fetchHistory();
      found.push({ id, type: typeOf(history.events?.[0]), history });
      wanted.push(...followers(id, history));
    }
    return found;
  }

  /** Ends what runs, then replays every history against the current code. */
  async stop(): Promise<void> {
    // Ended first: a service that goes on writes runs faster than they are read.
    const end = async (id: string): Promise<unknown> =>
      await this.client
        .getHandle(id)
        .terminate('the test is over')
        .catch(() => undefined);
    await replayHistories(await serviceBundle(), await this.histories(end));
  }
}

export function messageOf(message: Record<string, unknown>): Record<string, unknown> {
  const actor = { name: 'ada', proof: 'token', from: 'cli' };
  return { requestId: randomUUID(), actor, reason: 'because the test says so', ...message };
}

/** Why workflow tasks failed; a wedged workflow has many. */
export function failedTasks({ events }: History): string[] {
  return (events ?? []).flatMap(({ workflowTaskFailedEventAttributes: failed }) =>
    failed && !benign.includes(failed.cause) ? [`${failed.cause}: ${failed.failure?.message ?? ''}`] : [],
  );
}

function typeOf(event: HistoryEvent | undefined): string {
  return event?.workflowExecutionStartedEventAttributes?.workflowType?.name ?? '';
}

function followers(id: string, { events }: History): { id: string; runId: string }[] {
  return (events ?? []).flatMap((event) => {
    const next = event.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId;
    const child = event.childWorkflowExecutionStartedEventAttributes?.workflowExecution;
    if (next) return [{ id, runId: next }];
    return child?.workflowId && child.runId ? [{ id: child.workflowId, runId: child.runId }] : [];
  });
}
