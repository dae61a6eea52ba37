import type { WorkflowHandle } from '@temporalio/client';
import { Context } from '@temporalio/activity';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import {
  bundleWorkflowCode,
  DefaultLogger,
  Worker,
  type WorkerOptions,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';
import type { RouteChanged } from '../../domain/service/events';
import type { Verdict } from '../../domain/detection/types';
import type {
  Assessment,
  Baseline,
  ControlActivities,
  GuardInput,
  GuardResult,
  LiveInput,
  LiveResult,
  ObservedRoute,
  WatchActivities,
  WatchInput,
  WatchResult,
} from '../../workflows/contract/activities';
import { CONTROL_QUEUE, WATCH_QUEUE, detectionWorkflowId, serviceWorkflowId } from '../../workflows/contract/ids';
import type { DetectionInput } from '../../workflows/contract/inputs';
import { resolvePolicy, policySchema } from '../../workers/configuration/policy-schema';
import { until } from './poll';
import { replayHistories, type Told } from './replay-histories';
import { preloadedModules } from './preloaded';

export const service = 'mail-triage';
const quiet = new DefaultLogger('ERROR');

export const policy = resolvePolicy(policySchema.parse({}), {
  sessionMaxLifetimeMs: 0,
  changes: 'lastgood',
  onForeignQuarantined: 'alarm',
  unverifiedOperators: 'refuse',
});

export const backend = (version: string): { address: string; instance: string; digest: string } => ({
  address: 'http://127.0.0.1:9',
  instance: `${service}@${version}#i1`,
  digest: `sha256:${version}`,
});

export function routeOf(change: Partial<RouteChanged> = {}): RouteChanged {
  const version = change.version ?? '1.3';
  return {
    epoch: 7,
    version,
    model: 'mail',
    routedAt: 1_000,
    deployedAt: null,
    bakeUntil: null,
    judgedBy: version,
    cooldownUntil: null,
    breakerOpen: false,
    inIncident: false,
    drill: null,
    confirming: null,
    standby: null,
    live: backend(version),
    policy,
    ...change,
  };
}

export const observed = (epoch: number, primary: string): ObservedRoute => ({
  record: { service, epoch, primary, pins: [], backends: { [primary]: [backend(primary)] } },
  floor: 0,
  fallback: null,
  pinned: {},
});

export function verdictOf(change: Partial<Verdict> = {}): Verdict {
  return {
    kind: 'degraded',
    tier: 'immediate',
    metric: 'error-rate',
    hard: true,
    observed: 0.9,
    expected: 0.005,
    ucl: 0.02,
    lcl: null,
    unit: 'ratio',
    samples: 40,
    sinceMs: 1,
    onsetMs: 1,
    onsetLowMs: 1,
    onsetHighMs: 2,
    statistic: { name: 'mixture e-detector (nats)', value: 20, threshold: 15, falseAlarmDays: 30 },
    sentence: '36 of 40 requests failed',
    baseline: 'test',
    ...change,
  };
}

export const baseline: Baseline = {
  version: '1.2',
  metrics: { 'error-rate': { value: 0.001, n: 10_000, spread: null, source: 'test' } },
  ratePerSecond: { 'error-rate': 10 },
  periods: [],
  words: 'a test',
};

export function watchResult(input: WatchInput, change: Partial<WatchResult> = {}): WatchResult {
  return {
    cursor: input.cursor,
    charts: input.charts,
    began: [],
    attributions: {},
    observed: null,
    ended: [],
    tiers: [
      {
        tier: 'immediate',
        metric: 'error-rate',
        kind: 'ok',
        observed: 0,
        expected: 0,
        limit: 0.02,
        samples: 50,
        at: 5,
      },
    ],
    routeEvents: [],
    unmeasuredSince: null,
    at: Date.now(),
    ...change,
  };
}

export function assessment(change: Partial<Assessment> = {}): Assessment {
  return {
    charts: {},
    began: [],
    ended: [],
    tiers: [],
    environment: { changed: [], unmeasured: [] },
    observed: null,
    ...change,
  };
}

type Control = Pick<
  ControlActivities,
  'assessShortWindow' | 'assessTrend' | 'computeBaseline' | 'attributeCause' | 'observeRoute'
>;

/** Activities of detection that a test drives: each call of the watch waits for the answer that the test gives. */
export class Watched {
  readonly watches: { readonly input: WatchInput; readonly answer: (result: WatchResult) => void; over: boolean }[] =
    [];
  readonly guards: { readonly input: GuardInput; readonly answer: (result: GuardResult) => void; over: boolean }[] = [];
  readonly lives: { readonly input: LiveInput; readonly answer: (result: LiveResult) => void; over: boolean }[] = [];
  readonly baselines: Parameters<Control['computeBaseline']>[0][] = [];

  constructor(private readonly control: Partial<Control> = {}) {}

  get activities(): Control & WatchActivities {
    return {
      assessShortWindow: async () => assessment(),
      assessTrend: async () => assessment(),
      computeBaseline: async (input) => {
        this.baselines.push(input);
        return { ...baseline, periods: input.periods };
      },
      attributeCause: refuse('attributeCause'),
      observeRoute: refuse('observeRoute'),
      ...this.control,
      watchTelemetry: async (input) => await waiting(this.watches, input),
      guardStandby: async (input) => await waiting(this.guards, input),
      guardLive: async (input) => await waiting(this.lives, input),
      watchServing: refuse('watchServing'),
    };
  }

  /** The running watch, the n-th that was started (from 1). */
  async watch(count: number): Promise<{ input: WatchInput; answer: (result: WatchResult) => void }> {
    return await until(`watch ${count}`, () => this.watches[count - 1]);
  }

  async live(count: number): Promise<{ input: LiveInput; answer: (result: LiveResult) => void }> {
    return await until(`look at the live copies ${count}`, () => this.lives[count - 1]);
  }

  async guard(count: number): Promise<{ input: GuardInput; answer: (result: GuardResult) => void }> {
    return await until(`guard ${count}`, () => this.guards[count - 1]);
  }
}

function refuse(name: string): () => Promise<never> {
  return async () => {
    throw new Error(`${name} was called and is not stubbed`);
  };
}

async function waiting<I, R>(calls: { input: I; answer: (result: R) => void; over: boolean }[], input: I): Promise<R> {
  const context = Context.current();
  const timer = setInterval(() => context.heartbeat(), 200);
  try {
    const call = { input, answer: (_: R): void => undefined, over: false };
    const answered = new Promise<R>((resolve) => (call.answer = resolve));
    calls.push(call);
    return await Promise.race([answered, context.cancelled]);
  } finally {
    clearInterval(timer);
  }
}

let bundle: Promise<WorkflowBundleWithSourceMap> | undefined;
export async function detectionBundle(): Promise<WorkflowBundleWithSourceMap> {
  bundle ??= bundleWorkflowCode({
    workflowsPath: require.resolve('./detection-workflows'),
    preloadModules: preloadedModules(),
    logger: quiet,
  });
  return await bundle;
}

export interface Heard {
  readonly name: string;
  readonly report: { readonly [key: string]: unknown };
}

/** Detection of one service with a listener in the place of the service. */
export class DetectionRig {
  private constructor(
    private readonly env: TestWorkflowEnvironment,
    readonly listener: WorkflowHandle,
    readonly handle: WorkflowHandle,
    private readonly workers: Worker[],
    private readonly runs: Promise<void>[],
  ) {}

  static async start(
    env: TestWorkflowEnvironment,
    activities: object,
    input: Partial<DetectionInput> = {},
  ): Promise<DetectionRig> {
    const workflowBundle = await detectionBundle();
    const { connection, namespace } = nativeOf(env);
    const base = { connection, namespace, activities, shutdownForceTime: 1_000 };
    const workers = [
      await Worker.create({ ...base, taskQueue: CONTROL_QUEUE, workflowBundle }),
      await Worker.create({ ...base, taskQueue: WATCH_QUEUE }),
    ];
    const runs = workers.map((worker) => worker.run());
    const { workflow } = env.client;
    const taskQueue = CONTROL_QUEUE;
    const listener = await workflow.start('serviceListenerWorkflow', {
      workflowId: serviceWorkflowId(service),
      taskQueue,
    });
    const handle = await workflow.start('detectionWorkflow', {
      workflowId: detectionWorkflowId(service),
      taskQueue,
      args: [{ service, ...input }],
    });
    return new DetectionRig(env, listener, handle, workers, runs);
  }

  async route(route: RouteChanged): Promise<void> {
    await this.handle.signal('routeChanged', route);
  }

  async heard(name?: string): Promise<Heard[]> {
    const all = await this.listener.query<Heard[]>('heard');
    return name === undefined ? all : all.filter((one) => one.name === name);
  }

  async until(name: string, count: number, timeoutMs = 15_000): Promise<Heard[]> {
    return await until(
      `${count} × ${name}`,
      async () => {
        const heard = await this.heard(name);
        return heard.length >= count ? heard : null;
      },
      timeoutMs,
    );
  }

  /** Ends everything and replays every run of the detection workflow against the current code; returns their lengths. */
  async stop(): Promise<number[]> {
    const current = this.env.client.workflow.getHandle(detectionWorkflowId(service));
    await current.terminate('the test is over').catch(() => undefined);
    await this.listener.terminate('the test is over').catch(() => undefined);
    for (const worker of this.workers) worker.shutdown();
    await Promise.all(this.runs);
    const told = await this.histories();
    await replayHistories(await detectionBundle(), told);
    return told.map(({ history }) => history.events?.length ?? 0);
  }

  /** Every run so far. */
  async histories(): Promise<Told[]> {
    const { workflow } = this.env.client;
    const told: Told[] = [];
    let runId: string | null = this.handle.workflowId ? await firstRun(this.handle) : null;
    while (runId) {
      const handle = workflow.getHandle(detectionWorkflowId(service), runId);
      const history = await handle.fetchHistory();
      told.push({ id: handle.workflowId, history });
      const last = history.events?.[history.events.length - 1];
      runId = last?.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId ?? null;
    }
    return told;
  }
}

/** The types are those of a worker's options, which allow no undefined. */
function nativeOf(env: TestWorkflowEnvironment): Required<Pick<WorkerOptions, 'connection' | 'namespace'>> {
  const { nativeConnection: connection, namespace } = env;
  return { connection, namespace: namespace ?? 'default' };
}

async function firstRun(handle: WorkflowHandle): Promise<string | null> {
  const first = (handle as { firstExecutionRunId?: string }).firstExecutionRunId;
  return first ?? (await handle.describe()).runId;
}
