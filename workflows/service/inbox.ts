import {
  ApplicationFailure,
  condition,
  defineQuery,
  defineSignal,
  defineUpdate,
  setHandler,
  uuid4,
} from '@temporalio/workflow';
import type { ServiceEvent } from '../../domain/service/events';
import { messageNames, parseMessage, type Answer, type MessageName } from '../contract/messages';
import { signalNames } from '../contract/signals';
import { statusQueryName, type ServiceStatus } from '../contract/status';
import { readReport, reportNames } from './reports';

/** More than this waiting is a flood; reports of our own workflows come again, so the newest are kept out. */
const INBOX_LIMIT = 5_000;

/**
 * Everything that reaches the service workflow. Handlers only parse and enqueue; an Update then waits for the main loop,
 * which decides in the same workflow task.
 */
export class Inbox {
  private readonly events: ServiceEvent[] = [];
  private readonly answers = new Map<string, Answer>();
  /** Set when the versions must be read again; the main loop starts the activity. */
  versionsStale = false;

  constructor(status: () => ServiceStatus, knows: (version: string) => boolean) {
    setHandler(defineQuery<ServiceStatus>(statusQueryName), status);
    for (const name of messageNames) this.listenForMessage(name, knows);
    for (const name of reportNames)
      setHandler(defineSignal<[unknown]>(name), (input) => this.put(readReport(name, input)));
    setHandler(defineSignal(signalNames.detectionStarted), () => this.put({ type: 'detection-started' }));
    setHandler(defineSignal(signalNames.artifactsChanged), () => {
      this.versionsStale = true;
    });
  }

  get size(): number {
    return this.events.length;
  }

  put(event: ServiceEvent): void {
    if (this.events.length < INBOX_LIMIT) this.events.push(event);
  }

  take(): ServiceEvent | undefined {
    return this.events.shift();
  }

  answer(answer: Answer): void {
    this.answers.set(answer.requestId, answer);
  }

  private listenForMessage(name: MessageName, knows: (version: string) => boolean): void {
    setHandler(
      defineUpdate<Answer, [unknown]>(name),
      async (input) => {
        const parsed = parseMessage(name, input);
        if (!parsed.ok) throw unreadable(name, parsed.problem);
        const { message } = parsed;
        if (message.name === 'deploy' && !knows(message.version)) await this.freshVersions();
        this.answers.delete(message.requestId);
        this.put({ type: 'message', message });
        await condition(() => this.answers.has(message.requestId));
        const answer = this.answers.get(message.requestId);
        this.answers.delete(message.requestId);
        if (!answer) throw unreadable(name, 'its answer was lost');
        return answer;
      },
      {
        validator: (input) => {
          const parsed = parseMessage(name, input);
          if (!parsed.ok) throw unreadable(name, parsed.problem);
        },
      },
    );
    setHandler(defineSignal<[unknown]>(name), (input) => {
      const parsed = parseMessage(name, withRequestId(input));
      this.put(
        parsed.ok
          ? { type: 'message', message: parsed.message }
          : { type: 'unreadable', name, problem: parsed.problem },
      );
    });
  }

  /** A version that was imported a moment ago is looked up before it is called unknown. */
  private async freshVersions(): Promise<void> {
    this.versionsStale = true;
    await condition(() => !this.versionsStale, 10_000);
  }
}

/** A person in the Temporal UI writes no request id; the delivery is the request then. */
function withRequestId(input: unknown): unknown {
  if (typeof input !== 'object' || input === null || Array.isArray(input) || 'requestId' in input) return input;
  return { ...input, requestId: `signal-${uuid4()}` };
}

function unreadable(name: string, problem: string): ApplicationFailure {
  return ApplicationFailure.create({ type: 'MessageUnreadable', message: `${name}: ${problem}`, nonRetryable: true });
}
