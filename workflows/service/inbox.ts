import {
  ApplicationFailure,
  CancellationScope,
  condition,
  defineQuery,
  defineSignal,
  defineUpdate,
  setHandler,
  uuid4,
} from '@temporalio/workflow';
import type { ServiceEvent } from '../../domain/service/events';
import { problemOfSignature, type ActSignature } from '../contract/act-signature';
import {
  messageNames,
  parseMessage,
  type Answer,
  type MessageName,
  type OperatorMessage,
  type ParsedMessage,
} from '../contract/messages';
import { signalNames } from '../contract/signals';
import { statusQueryName, type ServiceStatus } from '../contract/status';
import { readReport, reportNames } from './reports';

/** Up to here every event is kept as it came; beyond it is a flood, and what is only the newest state counts once. */
const CALM = 200;
/** Signals that change something are kept up to here; what is left out beyond it is counted and told. */
const FLOOD = 2_000;
/** Each one that cannot be read is a ledger entry and an alert; more than this at once are told as a number. */
const UNREADABLE = 20;
const LOOK_UP_MS = 10_000;

/** An event in its turn; `reply` when somebody waits for the decision. */
export interface Received {
  readonly event: ServiceEvent;
  readonly reply: ((answer: Answer) => void) | null;
}

/**
 * Everything that reaches the service workflow. Handlers only parse and enqueue; an Update then waits for the main loop,
 * which decides in the same workflow task.
 */
export class Inbox {
  private readonly queue: Received[] = [];
  /** In a flood: the newest of what tells a whole state each time. */
  private readonly newest = new Map<string, ServiceEvent>();
  private unreadable = 0;
  private leftOut = 0;
  private lookUps = { asked: 0, begun: 0, ended: 0 };

  constructor(
    status: () => ServiceStatus,
    knows: (version: string) => boolean,
    private readonly proofs: () => { readonly service: string; readonly keys: readonly string[] },
  ) {
    setHandler(defineQuery<ServiceStatus>(statusQueryName), status);
    for (const name of messageNames) this.listenForMessage(name, knows);
    for (const name of reportNames)
      setHandler(defineSignal<[unknown]>(name), (input) => this.putSignal(readReport(name, input)));
    setHandler(defineSignal(signalNames.detectionStarted), () => this.putSignal({ type: 'detection-began-anew' }));
    setHandler(defineSignal(signalNames.artifactsChanged), () => this.wantVersions());
  }

  get size(): number {
    return this.queue.length + this.newest.size + (this.leftOut > 0 ? 1 : 0);
  }

  /** What the workflow itself finds out; never left out. */
  put(event: ServiceEvent): void {
    this.queue.push({ event, reply: null });
  }

  take(): Received | undefined {
    const first = this.queue.shift();
    if (first) return first;
    for (const [kind, event] of this.newest) {
      this.newest.delete(kind);
      return { event, reply: null };
    }
    if (this.leftOut === 0) {
      this.unreadable = 0;
      return undefined;
    }
    const problem = `${this.leftOut} more messages came at once and were left out`;
    this.leftOut = 0;
    return { event: { type: 'unreadable', name: 'flood', problem }, reply: null };
  }

  /** The list of versions must be read again. */
  wantVersions(): void {
    this.lookUps.asked += 1;
  }

  get versionsWanted(): boolean {
    return this.lookUps.begun < this.lookUps.asked;
  }

  /** Begins a look-up that answers everybody who has asked so far; the result is called when the list is in the inbox. */
  beginLookUp(): () => void {
    const upTo = this.lookUps.asked;
    this.lookUps.begun = upTo;
    return () => {
      this.lookUps.ended = Math.max(this.lookUps.ended, upTo);
    };
  }

  private putSignal(event: ServiceEvent): void {
    const waiting = this.queue.length;
    const kind = waiting >= CALM ? wholeState(event) : null;
    if (kind !== null) {
      this.newest.delete(kind);
      this.newest.set(kind, event);
    } else if (event.type === 'unreadable' && (this.unreadable += 1) > UNREADABLE) this.leftOut += 1;
    else if (waiting >= FLOOD && event.type !== 'step-reported') this.leftOut += 1;
    else this.put(event);
  }

  private listenForMessage(name: MessageName, knows: (version: string) => boolean): void {
    const learn = async (message: OperatorMessage): Promise<void> => {
      if (!knowsItsVersion(message, knows)) await this.freshVersions();
    };
    setHandler(
      defineUpdate<Answer, [unknown]>(name),
      async (input) => {
        const parsed = this.proven(parseMessage(name, input));
        if (!parsed.ok) throw unreadable(name, parsed.problem);
        const { message } = parsed;
        await learn(message);
        return await new Promise<Answer>((reply) => this.queue.push({ event: { type: 'message', message }, reply }));
      },
      {
        validator: (input) => {
          const parsed = this.proven(parseMessage(name, input));
          if (!parsed.ok) throw unreadable(name, parsed.problem);
        },
      },
    );
    setHandler(defineSignal<[unknown]>(name), (input) => {
      const parsed = parseMessage(name, asUnproven(input));
      if (!parsed.ok) return this.putSignal({ type: 'unreadable', name, problem: parsed.problem });
      const { message } = parsed;
      if (knowsItsVersion(message, knows)) return this.putSignal({ type: 'message', message });
      return learn(message).then(() => this.putSignal({ type: 'message', message }));
    });
  }

  /** Where keys are in force, an actor counts under the signature of one of them only; whoever brings none is nobody. */
  private proven(parsed: ParsedMessage): ParsedMessage {
    const { service, keys } = this.proofs();
    if (!parsed.ok || keys.length === 0) return parsed;
    const { signature, ...signed } = parsed.message as OperatorMessage & { readonly signature?: ActSignature };
    if (signature === undefined) return { ok: true, message: asUnproven(signed) as OperatorMessage };
    const problem = problemOfSignature(service, { ...signed, signature }, keys, Date.now());
    return problem === null ? { ok: true, message: signed } : { ok: false, problem: `signature: ${problem}` };
  }

  /** A version that was imported a moment ago is looked up before it is called unknown. */
  private async freshVersions(): Promise<void> {
    this.wantVersions();
    const ticket = this.lookUps.asked;
    // A cancelled workflow goes on; a rejection in a signal handler would end it.
    await CancellationScope.nonCancellable(() =>
      condition(() => this.lookUps.ended >= ticket, LOOK_UP_MS, { summary: 'the list of versions' }),
    );
  }
}

/** Reports that tell a whole state each time: the newest one makes those before it needless. */
function wholeState(event: ServiceEvent): string | null {
  switch (event.type) {
    case 'tiers-reported':
    case 'route-observed':
    case 'live-reported':
    case 'detection-started':
    case 'detection-began-anew':
      return event.type;
    case 'standby-reported':
      return `${event.type}/${event.report.instance}`;
    default:
      return null;
  }
}

/** True unless the message names a version that is not known: it may have been imported a moment ago. */
function knowsItsVersion(message: OperatorMessage, knows: (version: string) => boolean): boolean {
  switch (message.name) {
    case 'deploy':
    case 'vouch':
    case 'revoke':
    case 'clearQuarantine':
      return knows(message.version);
    case 'rollback':
      return message.to === undefined || knows(message.to);
    case 'drill':
      return message.version === undefined || knows(message.version);
    case 'intervene':
      return message.target === undefined || knows(message.target);
    default:
      return true;
  }
}

/**
 * A raw signal proves nothing about its sender, whatever it says of an actor. A person in the Temporal UI writes no
 * request id; the delivery is the request then.
 */
function asUnproven(input: unknown): unknown {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return input;
  const { actor: _claimed, second: _also, signature: _by, ...said } = input as Record<string, unknown>;
  return 'requestId' in said ? said : { ...said, requestId: `signal-${uuid4()}` };
}

function unreadable(name: string, problem: string): ApplicationFailure {
  return ApplicationFailure.create({ type: 'MessageUnreadable', message: `${name}: ${problem}`, nonRetryable: true });
}
