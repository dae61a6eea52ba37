import { proxyActivities, type ActivityInterfaceFor, type ActivityOptions } from '@temporalio/workflow';
import type { ControlActivities, HostActivities, RouterActivities, WatchActivities } from './contract/activities';
import type { ItemsActivities } from './contract/items-activities';
import type { DrillActivities } from './contract/drill';
import { CONTROL_QUEUE, WATCH_QUEUE, hostQueue, routerQueue } from './contract/ids';

/**
 * Every proxy with its timeouts and the reason for them. What a single call needs on top (the deadline of a plan's
 * step, a summary for the Temporal UI) is given at the call with `executeWithOptions`.
 *
 * Attempts are unbounded where `scheduleToCloseTimeout` bounds the time: inside a deadline one more attempt is always
 * better than giving up early, and a count would end a step during the back-off of a short outage. What would fail the
 * same way again is not repeated: `activities/failures.ts` marks it.
 */

type Options<A> = Readonly<Record<keyof A, ActivityOptions>>;
type Retry = NonNullable<ActivityOptions['retry']>;

/** For what runs on the way to the users: first repeats at once, never more than a second apart. */
const eager: Retry = {
  initialInterval: 100,
  backoffCoefficient: 2,
  maximumInterval: 1_000,
};
/** For what waits for another system to come back. */
const patient: Retry = {
  initialInterval: 250,
  backoffCoefficient: 2,
  maximumInterval: 10_000,
};

const controlOptions: Options<ControlActivities> = {
  // A decision must reach the ledger however long that is down, so nothing bounds the attempts; one append takes
  // milliseconds, and 5 s cover a checkpoint of the database.
  recordDecisions: { startToCloseTimeout: 5_000, retry: { ...patient, maximumInterval: 5_000 } },
  // A lost service waits for it: after a minute it is better to be `paused` with an alert than to wait in silence.
  recoverState: { startToCloseTimeout: 20_000, scheduleToCloseTimeout: 60_000, retry: patient },
  // Asked every minute and at decisions; an old list is used when the store does not answer.
  listVersions: { startToCloseTimeout: 10_000, scheduleToCloseTimeout: 30_000, retry: patient },
  // Sinks have limits of their own; an alert that could not be sent for six hours is overtaken by events.
  sendAlert: { startToCloseTimeout: 30_000, scheduleToCloseTimeout: '6 hours', retry: patient },
  // For people only; given up quietly.
  annotateVersion: { startToCloseTimeout: 10_000, scheduleToCloseTimeout: '10 minutes', retry: patient },
  // Waits for the entry that it is about; for people only, and the values are still there an hour later.
  drawIncident: { startToCloseTimeout: 60_000, scheduleToCloseTimeout: '1 hour', retry: patient },
  // Reads every byte, so the time follows the size: the plan's step bounds it. The heartbeat finds a dead worker in 5 s.
  validateArtifact: { startToCloseTimeout: '30 minutes', heartbeatTimeout: 5_000, retry: eager },
  // A hanging copy is ended by the activity's own limits; the heartbeat is for the death of the worker.
  probeInstance: { startToCloseTimeout: '5 minutes', heartbeatTimeout: 3_000, retry: eager },
  shadowReplay: { startToCloseTimeout: '5 minutes', heartbeatTimeout: 3_000, retry: eager },
  // On the clock of the users: a dead worker may cost 3 s, no more.
  verifyShift: { startToCloseTimeout: '30 minutes', heartbeatTimeout: 3_000, retry: eager },
  // Bounded by the step's deadline, or by the pause of the repair. One answer of a cache takes milliseconds.
  settleCache: { startToCloseTimeout: 4_000, scheduleToCloseTimeout: 10_000, retry: eager },
  // Polled by a timer of the workflow, so a failed look is simply made again later.
  observeDrain: { startToCloseTimeout: 5_000, scheduleToCloseTimeout: 15_000, retry: eager },
  observeRoute: { startToCloseTimeout: 5_000, scheduleToCloseTimeout: 15_000, retry: eager },
  // Assessments read up to days of rows; the next one comes by its timer, so a late one is of no use.
  assessShortWindow: { startToCloseTimeout: 60_000, scheduleToCloseTimeout: '3 minutes', retry: patient },
  assessTrend: { startToCloseTimeout: '2 minutes', scheduleToCloseTimeout: '10 minutes', retry: patient },
  computeBaseline: { startToCloseTimeout: 60_000, scheduleToCloseTimeout: '5 minutes', retry: patient },
  // Its budget is in the input (`replay.budgetMs`); a verdict waits for it, so after two minutes the cause is undetermined.
  attributeCause: { startToCloseTimeout: 60_000, scheduleToCloseTimeout: '2 minutes', retry: eager },
};

const watchOptions: Options<WatchActivities> = {
  // Returns by itself after `returnAfterMs`. The heartbeat (every 500 ms) carries cursor and charts: a dead watch costs
  // 2 s of delay, never evidence. Unbounded attempts: nobody else watches.
  watchTelemetry: { startToCloseTimeout: '2 hours', heartbeatTimeout: 2_000, retry: eager },
  // A proof is good for a minute or more, so a slower death is acceptable.
  guardStandby: { startToCloseTimeout: '2 hours', heartbeatTimeout: 5_000, retry: eager },
  // Users wait for it where nothing else can take over: a worker that died may cost a few seconds.
  guardLive: { startToCloseTimeout: '2 hours', heartbeatTimeout: 3_000, retry: eager },
  // Nobody waits for it: a deploy by somebody else is found some seconds later.
  watchServing: { startToCloseTimeout: '2 hours', heartbeatTimeout: 10_000, retry: patient },
};

/**
 * A pipeline that is down is asked again by the workflow, which also tells people; here only a short outage is bridged. A
 * page takes as long as its items take the model: the heartbeat (every second) finds a dead worker, and what it had done
 * is marked.
 */
const itemsOptions: Options<ItemsActivities> = {
  listItems: {
    startToCloseTimeout: '2 minutes',
    scheduleToCloseTimeout: '3 minutes',
    heartbeatTimeout: 5_000,
    retry: patient,
  },
  listPartlyHandled: {
    startToCloseTimeout: '2 minutes',
    scheduleToCloseTimeout: '3 minutes',
    heartbeatTimeout: 5_000,
    retry: patient,
  },
  treatItems: {
    startToCloseTimeout: '2 hours',
    heartbeatTimeout: 5_000,
    retry: { ...patient, maximumAttempts: 5 },
  },
};

const hostOptions: Options<HostActivities> = {
  // The queue has one slot, so a load may wait for the one before it: 30 s without a start is a host that does not
  // answer (`HostUnreachable`). The plan's step bounds the load itself; the heartbeat finds a dead worker in 5 s.
  loadTarget: {
    scheduleToStartTimeout: 30_000,
    startToCloseTimeout: '30 minutes',
    heartbeatTimeout: 5_000,
    retry: eager,
  },
  // A short cut: who finds the slot taken, a worker that is away or an older one goes the long way, where each step has
  // its own limits and repeats. The caller bounds it.
  prepareTarget: {
    scheduleToStartTimeout: 1_000,
    startToCloseTimeout: 15_000,
    heartbeatTimeout: 3_000,
    retry: { maximumAttempts: 1 },
  },
  // Never urgent. Grace is in the input, at most minutes; the heartbeat is for the death of the worker.
  stopInstance: {
    scheduleToStartTimeout: 60_000,
    startToCloseTimeout: '15 minutes',
    heartbeatTimeout: 5_000,
    retry: { ...patient, maximumAttempts: 5 },
  },
  // A few small files; nobody waits for it.
  releaseInstance: {
    scheduleToStartTimeout: 60_000,
    startToCloseTimeout: 20_000,
    retry: { ...patient, maximumAttempts: 5 },
  },
  inspectInstances: {
    scheduleToStartTimeout: 30_000,
    startToCloseTimeout: 10_000,
    retry: { ...eager, maximumAttempts: 3 },
  },
};

const routerOptions: Options<RouterActivities> = {
  // On the clock of the users. Everything inside has limits of about a second, so 5 s are a router that hangs. A host
  // worker that is being restarted is back in 5 s; after that the shift is `HostUnreachable`. No heartbeat: an attempt
  // that was given up must not apply late, it checks its own time before it does.
  shiftTraffic: { scheduleToStartTimeout: 5_000, startToCloseTimeout: 5_000, retry: eager },
  // Names or withdraws a fallback; reconcile repeats what was lost.
  applyRoute: {
    scheduleToStartTimeout: 10_000,
    startToCloseTimeout: 5_000,
    scheduleToCloseTimeout: 30_000,
    retry: eager,
  },
  // Comes before a stop is told to the child; the caller decides what an unreachable router means.
  fenceRouter: {
    scheduleToStartTimeout: 5_000,
    startToCloseTimeout: 3_000,
    scheduleToCloseTimeout: 15_000,
    retry: eager,
  },
};

const drillOptions: Options<DrillActivities> = {
  // Asks router and detection, a few seconds each at most.
  checkDrill: { startToCloseTimeout: 10_000, scheduleToCloseTimeout: 30_000, retry: eager },
  // Its own limit is in the input; the heartbeat is for the death of the worker.
  awaitDrillRoute: { startToCloseTimeout: '5 minutes', heartbeatTimeout: 2_000, retry: eager },
  // As the watch of live traffic: a dead one costs 2 s of delay. It ends by itself at the end of the share.
  watchDrill: { startToCloseTimeout: '25 hours', heartbeatTimeout: 2_000, retry: eager },
  replayInputs: { startToCloseTimeout: '25 hours', heartbeatTimeout: 5_000, retry: patient },
  // Nobody waits for it: the users are back already. Without it the drill counts as not slower.
  compareDrill: { startToCloseTimeout: 10_000, scheduleToCloseTimeout: 30_000, retry: patient },
  // The service workflow may have been lost; it is started again within a minute.
  requestDrill: { startToCloseTimeout: 15_000, scheduleToCloseTimeout: '5 minutes', retry: patient },
};

export const control = proxyEach<ControlActivities>(CONTROL_QUEUE, controlOptions);
export const items = proxyEach<ItemsActivities>(CONTROL_QUEUE, itemsOptions);
export const drills = proxyEach<DrillActivities>(CONTROL_QUEUE, drillOptions);
export const watch = proxyEach<WatchActivities>(WATCH_QUEUE, watchOptions);
export const hostOf = (host: string): ActivityInterfaceFor<HostActivities> =>
  proxyEach<HostActivities>(hostQueue(host), hostOptions);
export const routerOf = (host: string): ActivityInterfaceFor<RouterActivities> =>
  proxyEach<RouterActivities>(routerQueue(host), routerOptions);

function proxyEach<A>(taskQueue: string, options: Options<A>): ActivityInterfaceFor<A> {
  const proxies = {} as ActivityInterfaceFor<A>;
  for (const name of Object.keys(options) as (keyof A & string)[]) {
    proxies[name] = proxyActivities<A>({ taskQueue, ...options[name] })[name];
  }
  return proxies;
}
