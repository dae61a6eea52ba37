import {
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  log,
  ParentClosePolicy,
  setCurrentDetails,
  sleep,
  startChild,
  upsertSearchAttributes,
  workflowInfo,
  WorkflowIdReusePolicy,
} from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import type { Alert } from '../domain/alert';
import { initialState } from '../domain/service/initial-state';
import { readinessOf } from '../domain/service/readiness';
import { reduce } from '../domain/service/reduce';
import type { Answer } from '../domain/service/messages';
import type { ServiceEvent } from '../domain/service/events';
import type { ServiceState } from '../domain/service/state';
import { nextWakeAt } from '../domain/service/timers';
import type { DetachmentInput } from './contract/detachment';
import { detachmentWorkflowId } from './contract/ids';
import type { ServiceInput } from './contract/inputs';
import type { ServiceStatus } from './contract/status';
import { control } from './proxies';
import { AlarmClock } from './service/alarm-clock';
import { detailsOf, searchAttributesOf } from './service/details';
import { Effects, type EffectCommand } from './service/effects';
import { Inbox, type Received } from './service/inbox';
import { Notices } from './service/notices';
import { entryRefused, ledgerSilent, reducerFailed } from './service/own-alerts';
import { counterOf, Recorder } from './service/recorder';

/** Events reduced in one workflow task; the worker gives a task two seconds before it calls it a deadlock. */
const EVENTS_AT_ONCE = 500;
/** A server refuses an input of two megabytes for ever; more waits for the ledger than that only in a flood. */
const CARRIED_OUTBOX_CHARS = 600_000;
/** So many events longer a run waits for what is under way to the ledger and to people. */
const EVENTS_TO_SETTLE = 50;
/** Where the artifact store does not answer, it is asked again after this. */
const STORE_AGAIN_MS = 5 * 60_000;
/** Who is detached is not kept for a sink that is down: the detachment takes over what is left to be said. */
const LAST_WORDS_MS = 5_000;

/** What one run hands to the next beside the state: nothing that was decided or said may end with a run. */
export interface ServiceRun extends ServiceInput {
  readonly unsent?: readonly Alert[];
  /** Starts that wait for the ledger. */
  readonly held?: readonly EffectCommand[];
}

/**
 * One per service, for ever: an interpreter around the pure reducer, and the only decider. Handlers enqueue, the loop
 * reduces one event after the other, decisions go to the ledger, effects follow them.
 */
export async function serviceWorkflow(input: ServiceRun): Promise<void> {
  const loop = new ServiceLoop(input);
  // Ending the only decider is no way to stop it: `pause` and `mode observe` are, and say who did it.
  CancellationScope.current().cancelRequested.catch(() => loop.refuseCancel());
  await CancellationScope.nonCancellable(async () => {
    await loop.start();
    await loop.run();
    if (loop.ending !== null) await startDetachment({ ...loop.ending, unsent: loop.unsent });
  });
  if (loop.ending !== null) return;
  await continueAsNew<typeof serviceWorkflow>(loop.carriedInput());
}

class ServiceLoop {
  private state: ServiceState;
  private readonly inbox: Inbox;
  private readonly recorder: Recorder;
  private readonly effects: Effects;
  private readonly notices: Notices;
  private readonly clock = new AlarmClock();
  private lookingUp = false;
  private storeAway = false;
  private dueAtLength: number | null = null;
  private shown = '';
  private attributesShown = '';
  /** Set when the service is detached: what was decided is done, and nothing more is taken. */
  ending: DetachmentInput | null = null;
  private hasSaid = false;

  constructor(private readonly input: ServiceRun) {
    const { service, host, policy, rules, samples } = input;
    this.state = input.carried ?? initialState({ service, host, policy, rules, samples });
    this.notices = new Notices(service);
    this.inbox = new Inbox(
      () => this.status(),
      (version) => this.state.versions.some((facts) => facts.version === version),
      () => ({ service, keys: this.state.policy.actKeys ?? [] }),
    );
    const first = this.state.outbox[0];
    this.recorder = new Recorder(() => this.state.outbox, first ? counterOf(first) - 1 : this.state.counters.ledger, {
      recorded: (upTo) => this.step({ event: { type: 'recorded', upTo }, reply: null }),
      silent: () => this.notices.send(ledgerSilent(this.state, Date.now())),
      refused: (entry, why) => this.notices.send(entryRefused(this.state, entry, why, Date.now())),
    });
    this.effects = new Effects(
      {
        service,
        host,
        policy: () => this.state.policy,
        inFlight: () => this.state.operation?.id ?? null,
        drill: () => this.state.drill?.id ?? null,
        enqueue: (event) => this.inbox.put(event),
        listVersions: () => this.inbox.wantVersions(),
        searchAttributes: input.searchAttributes,
      },
      this.recorder,
    );
  }

  /** A first start learns what the ledger, the router and the store know; a carried state goes on where it was. */
  async start(): Promise<void> {
    const { service, carried, unsent = [], held = [] } = this.input;
    if (carried) {
      for (const alert of unsent) this.notices.send(alert);
      for (const command of held) this.effects.push(command);
      // A look-up that the last run began ended with it.
      this.inbox.wantVersions();
    } else {
      const [recovered, observed, versions] = await Promise.all([
        control.recoverState.executeWithOptions({ summary: 'what the ledger knows' }, [service]).then(
          (value) => ({ readable: true, value }),
          () => ({ readable: false, value: null }),
        ),
        control.observeRoute.executeWithOptions({ summary: 'what is in force' }, [service]).catch(() => null),
        control.listVersions.executeWithOptions({ summary: 'versions of the store' }, [service]).catch(() => []),
      ]);
      const { readable, value } = recovered;
      this.handle({ type: 'started', recovered: value, ledgerReadable: readable, observed, versions });
    }
    void this.recorder.run();
  }

  async run(): Promise<void> {
    this.inbox.put({ type: 'detection-started' });
    for (;;) {
      if (this.ending === null) this.clock.set(() => nextWakeAt(this.state));
      await condition(() => this.hasWork || this.mayContinue());
      if (this.inbox.versionsWanted && !this.lookingUp) void this.refreshVersions();
      let count = 0;
      for (let next = this.inbox.take(); next; next = this.inbox.take()) {
        this.step(next);
        if (++count % EVENTS_AT_ONCE === 0) await sleep(1, { summary: 'a flood of events' });
      }
      if (this.ending === null && this.clock.take()) this.handle({ type: 'tick' });
      this.show();
      if (this.mayContinue()) return;
    }
  }

  carriedInput(): ServiceRun {
    const { next } = this.state;
    const quiet = this.quiet;
    const policy = (quiet ? next.policy : null) ?? this.state.policy;
    const rules = (quiet ? next.rules : null) ?? this.state.rules;
    const carried = { ...this.state, policy, rules, next: quiet ? { policy: null, rules: null } : next };
    const { unsent: _unsent, held: _held, ...input } = this.input;
    return { ...input, policy, rules, carried, unsent: this.notices.pending(), held: this.effects.waiting };
  }

  get unsent(): Alert[] {
    return this.notices.pending();
  }

  refuseCancel(): void {
    const problem = 'a cancel in Temporal is not obeyed; use lastgood pause or lastgood mode observe';
    this.inbox.put({ type: 'unreadable', name: 'cancel', problem });
  }

  private get hasWork(): boolean {
    if (this.ending !== null) return this.inbox.size > 0;
    return this.inbox.size > 0 || this.clock.due || (this.inbox.versionsWanted && !this.lookingUp);
  }

  private handle(event: ServiceEvent): void {
    this.step({ event, reply: null });
  }

  /** One event through the reducer. A fault in a rule loses that event with an alert; it never wedges the service. */
  private step({ event, reply }: Received): void {
    if (this.ending !== null && event.type !== 'recorded') {
      if (event.type === 'message') reply?.(detachedAnswer(event.message.requestId));
      return;
    }
    try {
      const { state, commands, answer } = reduce(this.state, event, Date.now(), this.state.rules);
      this.state = state;
      for (const command of commands) {
        if (command.kind === 'effect' && command.effect.type === 'end') this.end(command.effect.input);
        else if (command.kind === 'effect') this.effects.push(command);
        else if (command.kind === 'alert') this.notices.send(command.alert);
        else if (command.kind === 'annotate') this.notices.annotate(command.version, command.text);
        else this.notices.draw(command.entry);
      }
      if (answer) reply?.(answer);
    } catch (error) {
      log.error('the reducer failed on an event', { type: event.type, error: String(error) });
      this.notices.send(reducerFailed(this.state, event, String(error), Date.now()));
      if (event.type === 'message') reply?.(failedAnswer(event.message.requestId, error));
    }
  }

  private end(input: DetachmentInput): void {
    this.ending = input;
    void sleep(LAST_WORDS_MS, { summary: 'the last words are said' }).then(() => (this.hasSaid = true));
  }

  private async refreshVersions(): Promise<void> {
    const ended = this.inbox.beginLookUp();
    this.lookingUp = true;
    const versions = await control.listVersions
      .executeWithOptions({ summary: 'versions of the store' }, [this.input.service])
      .catch(() => null);
    if (versions) this.inbox.put({ type: 'versions-listed', versions });
    ended();
    this.lookingUp = false;
    if (versions || this.storeAway) return;
    this.storeAway = true;
    await sleep(STORE_AGAIN_MS, { summary: 'the artifact store answers' });
    this.storeAway = false;
    this.inbox.wantVersions();
  }

  private get isDone(): boolean {
    const owes = this.state.outbox.length > 0 || !(this.notices.idle || this.hasSaid);
    return !owes && !this.hasWork && this.effects.idle && allHandlersFinished();
  }

  private get quiet(): boolean {
    return this.state.operation === null && this.state.preparing === null;
  }

  /**
   * A long history, at any moment at which nothing is under way here (children live on, and report to the next run); a
   * new policy or new rules, at a quiet one.
   */
  private mayContinue(): boolean {
    if (this.ending !== null) return this.isDone;
    const { historyLength, continueAsNewSuggested } = workflowInfo();
    const { next } = this.state;
    const long = continueAsNewSuggested || historyLength >= (this.input.maxEventsBeforeContinue ?? Infinity);
    const configured = (next.policy !== null || next.rules !== null) && this.quiet;
    const mayAtAll =
      (long || configured) && !this.hasWork && !this.lookingUp && this.effects.idle && allHandlersFinished();
    if (!mayAtAll) return false;
    if (this.state.outbox.length === 0 && this.notices.idle) return true;
    // Rather with empty hands; where the ledger or a sink is down, what they owe is carried.
    this.dueAtLength ??= historyLength;
    return (
      historyLength - this.dueAtLength >= EVENTS_TO_SETTLE &&
      JSON.stringify(this.state.outbox).length < CARRIED_OUTBOX_CHARS
    );
  }

  private status(): ServiceStatus {
    const { outbox, answered: _answered, next: _next, ...state } = this.state;
    return {
      service: state.service,
      readiness: readinessOf(this.state, Date.now()),
      state,
      ledgerLag: { entries: outbox.length, oldestAt: outbox[0]?.at ?? null },
    };
  }

  /** What the Temporal UI shows of the service, kept up to date but not written twice; words never fail a decision. */
  private show(): void {
    try {
      const details = detailsOf(this.state, readinessOf(this.state, Date.now()));
      if (details === this.shown) return;
      this.shown = details;
      setCurrentDetails(details);
      const attributes = searchAttributesOf(this.state, this.input.searchAttributes);
      const shown = JSON.stringify(attributes.map(({ value }) => value));
      if (attributes.length === 0 || shown === this.attributesShown) return;
      this.attributesShown = shown;
      upsertSearchAttributes(attributes);
    } catch (error) {
      log.error('the state could not be shown', { error: String(error) });
    }
  }
}

function failedAnswer(requestId: string, error: unknown): Answer {
  const why = `lastgood failed to decide: ${String(error)}`;
  return { requestId, decision: 'refused', why, reference: null, repeated: false, plan: [] };
}

function detachedAnswer(requestId: string): Answer {
  const why = 'the service is detached from lastgood; lastgood attach begins anew';
  return { requestId, decision: 'refused', why, reference: null, repeated: false, plan: [] };
}

/** Takes lastgood out of the service; a second one of the same decision is the first one. */
async function startDetachment(input: DetachmentInput): Promise<void> {
  try {
    await startChild('detachmentWorkflow', {
      workflowId: detachmentWorkflowId(input.service, input.epoch),
      args: [input],
      parentClosePolicy: ParentClosePolicy.ABANDON,
      workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
      staticSummary: `${input.service}: lets go`,
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
}
