import {
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  log,
  setCurrentDetails,
  sleep,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { Alert } from '../domain/alert';
import type { ServiceEvent } from '../domain/service/events';
import { initialState } from '../domain/service/initial-state';
import { readinessOf } from '../domain/service/readiness';
import { reduce } from '../domain/service/reduce';
import type { ServiceState } from '../domain/service/state';
import { nextWakeAt } from '../domain/service/timers';
import type { ServiceInput } from './contract/inputs';
import type { ServiceStatus } from './contract/status';
import { control } from './proxies';
import { detailsOf, searchAttributesOf } from './service/details';
import { Effects } from './service/effects';
import { Inbox } from './service/inbox';
import { counterOf, Recorder } from './service/recorder';

/**
 * One per service, for ever: an interpreter around the pure reducer, and the only decider. Handlers enqueue, the loop
 * reduces one event after the other, decisions go to the ledger, effects follow them.
 */
export async function serviceWorkflow(input: ServiceInput): Promise<void> {
  const loop = new ServiceLoop(input);
  await loop.start();
  await loop.run();
  await continueAsNew<typeof serviceWorkflow>(loop.carriedInput());
}

class ServiceLoop {
  private state: ServiceState;
  private readonly inbox: Inbox;
  private readonly recorder: Recorder;
  private readonly effects: Effects;
  private wake: { at: number; scope: CancellationScope } | null = null;
  private wakeDue = false;
  private shown = '';

  constructor(private readonly input: ServiceInput) {
    const { service, host, policy, rules, samples } = input;
    this.state = input.carried ?? initialState({ service, host, policy, rules, samples });
    this.inbox = new Inbox(
      () => this.status(),
      (version) => this.state.versions.some((facts) => facts.version === version),
    );
    const first = this.state.outbox[0];
    this.recorder = new Recorder(
      () => this.state.outbox,
      first ? counterOf(first) - 1 : this.state.counters.ledger,
      (upTo) => this.step({ type: 'recorded', upTo }),
    );
    this.effects = new Effects(
      { service, host, ledgerWaitMs: () => this.state.policy.ledgerWaitMs },
      this.recorder,
      (event) => this.inbox.put(event),
      () => this.alert(this.ledgerSilent()),
    );
  }

  /** A first start learns what the ledger, the router and the store know; a carried state goes on where it was. */
  async start(): Promise<void> {
    const { service, carried } = this.input;
    if (!carried) {
      const [recovered, observed, versions] = await Promise.all([
        control.recoverState(service).then(
          (value) => ({ readable: true, value }),
          () => ({ readable: false, value: null }),
        ),
        control.observeRoute(service).catch(() => null),
        control.listVersions(service).catch(() => []),
      ]);
      this.step({
        type: 'started',
        recovered: recovered.value,
        ledgerReadable: recovered.readable,
        observed,
        versions,
      });
    }
    void this.recorder.run();
  }

  async run(): Promise<void> {
    this.inbox.put({ type: 'detection-started' });
    for (;;) {
      this.armTimer();
      await condition(() => this.inbox.size > 0 || this.wakeDue || this.inbox.versionsStale || this.mayContinue());
      if (this.inbox.versionsStale) void this.refreshVersions();
      for (let event = this.inbox.take(); event; event = this.inbox.take()) this.step(event);
      if (this.wakeDue) {
        this.wakeDue = false;
        this.step({ type: 'tick' });
      }
      this.show();
      if (this.mayContinue()) return;
    }
  }

  carriedInput(): ServiceInput {
    const { next } = this.state;
    const policy = next.policy ?? this.state.policy;
    const rules = next.rules ?? this.state.rules;
    const carried = { ...this.state, policy, rules, next: { policy: null, rules: null } };
    return { ...this.input, policy, rules, carried };
  }

  /** One event through the reducer. A fault in a rule loses that event with an alert; it never wedges the service. */
  private step(event: ServiceEvent): void {
    try {
      const { state, commands, answer } = reduce(this.state, event, Date.now(), this.state.rules);
      this.state = state;
      for (const command of commands) {
        if (command.kind === 'effect') this.effects.push(command);
        else if (command.kind === 'alert') this.alert(command.alert);
        else if (command.kind === 'annotate') this.annotate(command.version, command.text);
      }
      if (answer) this.inbox.answer(answer);
    } catch (error) {
      log.error('the reducer failed on an event', { type: event.type, error: String(error) });
      this.alert(this.reducerFailed(event, String(error)));
      if (event.type === 'message')
        this.inbox.answer({
          requestId: event.message.requestId,
          decision: 'refused',
          why: `lastgood failed to decide: ${String(error)}`,
          reference: null,
          repeated: false,
          plan: [],
        });
    }
  }

  private async refreshVersions(): Promise<void> {
    this.inbox.versionsStale = false;
    const versions = await control.listVersions(this.input.service).catch(() => null);
    if (versions) this.inbox.put({ type: 'versions-listed', versions });
  }

  /** One timer, armed anew only when the next due moment has changed: the history stays small. */
  private armTimer(): void {
    const at = nextWakeAt(this.state);
    if (this.wake?.at === at) return;
    this.wake?.scope.cancel();
    this.wake = null;
    if (at === null) return;
    const scope = new CancellationScope();
    this.wake = { at, scope };
    void scope
      .run(async () => {
        await sleep(Math.max(1, at - Date.now()), { summary: 'next decision by time alone' });
        this.wake = null;
        this.wakeDue = true;
      })
      .catch(() => undefined);
  }

  /** A quiet moment, and a reason: the history is long enough, or a new policy waits. */
  private mayContinue(): boolean {
    const { historyLength, continueAsNewSuggested } = workflowInfo();
    const { next, operation, preparing } = this.state;
    const due =
      continueAsNewSuggested ||
      historyLength >= (this.input.maxEventsBeforeContinue ?? Infinity) ||
      next.policy !== null ||
      next.rules !== null;
    return (
      due &&
      operation === null &&
      preparing === null &&
      this.inbox.size === 0 &&
      !this.wakeDue &&
      this.effects.idle &&
      allHandlersFinished()
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

  /** What the Temporal UI shows of the service, kept up to date but not written twice. */
  private show(): void {
    const details = detailsOf(this.state, readinessOf(this.state, Date.now()));
    if (details === this.shown) return;
    this.shown = details;
    setCurrentDetails(details);
    const attributes = searchAttributesOf(this.state, this.input.searchAttributes);
    if (attributes.length > 0) upsertSearchAttributes(attributes);
  }

  private alert(alert: Alert): void {
    void control.sendAlert
      .executeWithOptions({ summary: alert.title.slice(0, 200) }, [alert])
      .catch((error) => log.warn('an alert was not delivered', { key: alert.key, error: String(error) }));
  }

  private annotate(version: string, text: string): void {
    void control
      .annotateVersion({ service: this.input.service, version, at: Date.now(), text })
      .catch((error) => log.warn('a note was not written', { version, error: String(error) }));
  }

  private ledgerSilent(): Alert {
    const oldest = this.state.outbox[0];
    return {
      ...this.ownAlert(`ledger-silent/${oldest?.key ?? ''}`),
      severity: 'page',
      title: `${this.input.service}: the ledger does not answer`,
      wrong: `${this.state.outbox.length} decisions wait to be written, the oldest: ${oldest?.summary ?? ''}`,
      did: 'Holds what the policy does not allow without a record; the decisions are kept and written later.',
      must: 'Bring the ledger back (disk full? process down?).',
      command: 'lastgood doctor',
    };
  }

  private reducerFailed(event: ServiceEvent, error: string): Alert {
    return {
      ...this.ownAlert(`reducer-failed/${event.type}/${error.slice(0, 40)}`),
      severity: 'page',
      title: `${this.input.service}: lastgood failed to decide on ${event.type}`,
      wrong: error.slice(0, 500),
      did: 'Left that event out; everything else goes on.',
      must: 'Check the service yourself, and report this as a fault of lastgood.',
      command: `lastgood status ${this.input.service}`,
    };
  }

  private ownAlert(key: string): Pick<Alert, 'key' | 'service' | 'incident' | 'at' | 'users' | 'link'> {
    const { service } = this.input;
    const users = this.state.declared ? `served by ${this.state.declared.primary}` : 'not served';
    return {
      key: `${service}/${key}`,
      service,
      incident: this.state.incident?.id ?? null,
      at: Date.now(),
      users,
      link: null,
    };
  }
}
