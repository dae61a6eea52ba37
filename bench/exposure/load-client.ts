/**
 * The users of a service, as a process of their own (a busy event loop elsewhere must not look like a slow answer).
 * Sends at a steady rate by its own monotonic clock and keeps the fate of every request. Driven over IPC:
 *
 * | message | answer |
 * |---|---|
 * | `{do: 'start', ...LoadPlan}` | `{started: true}` |
 * | `{do: 'rate', perSecond}` | `{perSecond}` |
 * | `{do: 'read', after}` | `{records, inFlight}`: what was decided on from the request `after` on |
 * | `{do: 'stop'}` | `{stopped: true}`, when nothing is in flight any more |
 */
import { Agent, request, type ClientRequest } from 'node:http';
import { inferenceRequest } from '../../examples/mail-triage/inference-protocol';
import { seededRandom } from '../../examples/mail-triage/random';
import { mailStream, testMails } from '../../examples/mail-triage/stream';

export interface LoadPlan {
  /** `http://127.0.0.1:PORT` of the entrance. */
  readonly entrance: string;
  readonly model: string;
  readonly perSecond: number;
  readonly seed: number;
  /** Directory of the prepared mails; null sends one and the same short text. */
  readonly mails: string | null;
  /** True labels go to the controller's socket this much later; null sends none. */
  readonly labels: {
    readonly socket: string;
    readonly service: string;
    readonly minMs: number;
    readonly maxMs: number;
  } | null;
  /** Longest wait for a whole answer. */
  readonly limitMs: number;
}

/** The fate of one request. */
export interface RequestRecord {
  /** 0, 1, 2, … in the order of sending. */
  readonly n: number;
  /** Milliseconds of the machine's monotonic clock, the same for all processes since boot. */
  readonly sentMonoMs: number;
  /** Milliseconds since the epoch. */
  readonly sentAt: number;
  /** Until the headers of the answer; null without one. */
  readonly firstByteMs: number | null;
  /** Until the end of the answer or of the hope for one. */
  readonly ms: number;
  readonly status: number | null;
  readonly version: string | null;
  readonly requestId: string | null;
  readonly truth: string | null;
  readonly label: string | null;
  /** Why there was no whole answer: `ECONNREFUSED`, `ECONNRESET`, `timeout`, `cut`; null when there was one. */
  readonly lost: string | null;
}

type Order =
  | ({ readonly do: 'start' } & LoadPlan)
  | { readonly do: 'rate'; readonly perSecond: number }
  | { readonly do: 'read'; readonly after: number }
  | { readonly do: 'stop' };

const TICK_MS = 5;
const LABEL_BATCH_MS = 250;
const FIXED_TEXT = 'a light question';

class Users {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: Infinity });
  private readonly records: RequestRecord[] = [];
  private readonly labels: { at: number; requestId: string; label: string }[] = [];
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly next: () => { text: string; label: string | null };
  private readonly random: () => number;
  private sent = 0;
  private inFlight = 0;
  private pace: { since: number; sentBefore: number; perSecond: number };

  private constructor(
    private readonly plan: LoadPlan,
    next: () => { text: string; label: string | null },
  ) {
    this.next = next;
    const random = seededRandom(plan.seed + 1);
    this.random = () => random.next();
    this.pace = { since: performance.now(), sentBefore: 0, perSecond: plan.perSecond };
    this.timers.push(setInterval(() => this.sendDue(), TICK_MS));
    if (plan.labels !== null) this.timers.push(setInterval(() => void this.sendLabels(), LABEL_BATCH_MS));
  }

  static async start(plan: LoadPlan): Promise<Users> {
    if (plan.mails === null) return new Users(plan, () => ({ text: FIXED_TEXT, label: null }));
    const stream = mailStream(await testMails(plan.mails), plan.seed);
    return new Users(plan, () => stream.next().value);
  }

  setRate(perSecond: number): void {
    this.pace = { since: performance.now(), sentBefore: this.sent, perSecond };
  }

  read(after: number): { records: RequestRecord[]; inFlight: number } {
    return { records: this.records.filter(({ n }) => n >= after), inFlight: this.inFlight };
  }

  async stop(): Promise<void> {
    this.timers.forEach((timer) => clearInterval(timer));
    while (this.inFlight > 0) await new Promise((resume) => setTimeout(resume, 20));
    this.agent.destroy();
  }

  /** By the clock, so that a late tick does not lower the rate. */
  private sendDue(): void {
    const { since, sentBefore, perSecond } = this.pace;
    const due = sentBefore + Math.floor(((performance.now() - since) / 1_000) * perSecond);
    while (this.sent < due) this.send();
  }

  private send(): void {
    const n = this.sent;
    this.sent += 1;
    this.inFlight += 1;
    const { text, label: truth } = this.next();
    const body = Buffer.from(JSON.stringify(inferenceRequest(text)));
    const sentAt = Date.now();
    const sentMonoMs = monotonicMs();
    let firstByteMs: number | null = null;
    let status: number | null = null;
    let version: string | null = null;
    let requestId: string | null = null;
    let over = false;
    const end = (lost: string | null, label: string | null): void => {
      if (over) return;
      over = true;
      clearTimeout(limit);
      this.inFlight -= 1;
      const ms = monotonicMs() - sentMonoMs;
      this.records.push({ n, sentMonoMs, sentAt, firstByteMs, ms, status, version, requestId, truth, label, lost });
      if (lost === null && status === 200 && truth !== null && requestId !== null) this.labelLater(requestId, truth);
    };
    const call: ClientRequest = request(
      `${this.plan.entrance}/v2/models/${this.plan.model}/infer`,
      {
        method: 'POST',
        agent: this.agent,
        headers: { 'content-type': 'application/json', 'content-length': body.length },
      },
      (response) => {
        firstByteMs = monotonicMs() - sentMonoMs;
        status = response.statusCode ?? null;
        version = textOf(response.headers['x-lastgood-version']);
        requestId = textOf(response.headers['x-request-id']);
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', () => end('cut', null));
        response.on('end', () => end(response.complete ? null : 'cut', labelOf(Buffer.concat(chunks))));
      },
    );
    const limit = setTimeout(() => {
      end('timeout', null);
      call.destroy();
    }, this.plan.limitMs);
    call.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message, null));
    call.end(body);
  }

  private labelLater(requestId: string, label: string): void {
    const { labels } = this.plan;
    if (labels === null) return;
    this.labels.push({
      at: Date.now() + labels.minMs + this.random() * (labels.maxMs - labels.minMs),
      requestId,
      label,
    });
  }

  private async sendLabels(): Promise<void> {
    const { labels } = this.plan;
    const now = Date.now();
    const due = this.labels.filter(({ at }) => at <= now);
    if (labels === null || due.length === 0) return;
    const rest = this.labels.filter(({ at }) => at > now);
    this.labels.splice(0, this.labels.length, ...rest);
    const items = due.map(({ at, requestId, label }) => ({
      requestId,
      label,
      observedAt: new Date(at).toISOString(),
      source: 'load',
    }));
    try {
      await postFeedback(labels.socket, labels.service, items);
    } catch {
      // The controller is away: labels are kept and sent again, as a labelling system would.
      this.labels.push(...due.map((item) => ({ ...item, at: now + 500 })));
    }
  }
}

function postFeedback(socketPath: string, service: string, items: readonly object[]): Promise<void> {
  const body = Buffer.from(JSON.stringify({ items }));
  return new Promise((resolve, reject) => {
    const call = request(
      {
        socketPath,
        method: 'POST',
        path: `/v1/services/${service}/feedback`,
        headers: { 'content-type': 'application/json', 'content-length': body.length },
        timeout: 5_000,
      },
      (response) => {
        response.resume();
        response.on('error', reject);
        response.on('end', () =>
          response.statusCode === 200 ? resolve() : reject(new Error(String(response.statusCode))),
        );
      },
    );
    call.on('timeout', () => call.destroy(new Error('timeout')));
    call.on('error', reject);
    call.end(body);
  });
}

function labelOf(body: Buffer): string | null {
  try {
    const answer = JSON.parse(body.toString('utf8')) as { outputs?: { name: string; data: unknown[] }[] };
    const label = answer.outputs?.find(({ name }) => name === 'label')?.data[0];
    return typeof label === 'string' ? label : null;
  } catch {
    return null;
  }
}

function textOf(header: string | string[] | undefined): string | null {
  return typeof header === 'string' ? header : null;
}

function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

if (require.main === module) {
  let users: Users | null = null;
  const obey = async (order: Order): Promise<object> => {
    if (order.do === 'start') {
      users = await Users.start(order);
      return { started: true };
    }
    if (users === null) throw new Error(`${order.do} before start`);
    switch (order.do) {
      case 'rate':
        users.setRate(order.perSecond);
        return { perSecond: order.perSecond };
      case 'read':
        return users.read(order.after);
      case 'stop':
        await users.stop();
        return { stopped: true };
    }
  };
  process.on('message', (message: { id: number; order: Order }) => {
    obey(message.order).then(
      (answer) => process.send?.({ id: message.id, answer }),
      (error: unknown) => process.send?.({ id: message.id, error: String(error) }),
    );
  });
  // Nobody listens any more: nothing may be left running.
  process.on('disconnect', () => process.exit(0));
}
