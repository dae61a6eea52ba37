/**
 * The users of the demo: real mail at a steady rate, and true labels some seconds later. Counts every request, so that
 * "dropped: 0" is a count and not a claim.
 */
import { Agent, request } from 'node:http';
import { inferenceRequest, MODEL_NAME } from '../inference-protocol';
import { seededRandom, type Random } from '../random';
import type { StreamedMail } from '../stream';

export interface LoadOptions {
  /** `http://127.0.0.1:PORT` of the service's entrance. */
  entrance: string;
  mails: Iterator<StreamedMail>;
  perSecond: number;
  labelDelayMs: { min: number; max: number };
  seed: number;
  sendLabels: (items: Label[]) => Promise<void>;
}

export interface Label {
  requestId: string;
  label: string;
  observedAt: string;
  source: string;
}

/** What the users saw of one answered mail. */
export interface Seen {
  atMs: number;
  labelAtMs: number;
  truth: string;
  answer: string;
  version: string;
}

export interface Counts {
  sent: number;
  answered: number;
  /** Answered, but not with 200. */
  failed: number;
  /** No answer at all. */
  dropped: number;
}

const REQUEST_LIMIT_MS = 15_000;
const LABEL_BATCH_MS = 250;

export class Load {
  readonly counts: Counts = { sent: 0, answered: 0, failed: 0, dropped: 0 };
  /** Answers whose labels have arrived, oldest first; bounded. */
  readonly labelled: Seen[] = [];
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 64 });
  private readonly waiting: { at: number; label: Label; seen: Seen }[] = [];
  private readonly random: Random;
  private timers: NodeJS.Timeout[] = [];
  private inFlight = 0;

  constructor(private readonly options: LoadOptions) {
    this.random = seededRandom(options.seed + 1);
  }

  start(): void {
    const began = performance.now();
    let due = 0;
    // Sends what is due by the clock, so that a slow tick does not lower the rate.
    this.timers.push(
      setInterval(() => {
        const wanted = Math.floor(((performance.now() - began) / 1000) * this.options.perSecond);
        for (; due < wanted; due += 1) this.send();
      }, 10),
      setInterval(() => void this.flushLabels(), LABEL_BATCH_MS),
    );
  }

  /** Stops sending and waits for what is under way. */
  async stop(): Promise<void> {
    this.timers.forEach((timer) => clearInterval(timer));
    const deadline = Date.now() + REQUEST_LIMIT_MS;
    while (this.inFlight > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
    this.agent.destroy();
  }

  private send(): void {
    const mail = this.options.mails.next().value as StreamedMail;
    const body = Buffer.from(JSON.stringify(inferenceRequest(mail.text)));
    const counts = this.counts;
    counts.sent += 1;
    this.inFlight += 1;
    let over = false;
    const end = (count: () => void): void => {
      if (over) return;
      over = true;
      this.inFlight -= 1;
      count();
    };
    const call = request(
      `${this.options.entrance}/v2/models/${MODEL_NAME}/infer`,
      {
        method: 'POST',
        agent: this.agent,
        timeout: REQUEST_LIMIT_MS,
        headers: { 'content-type': 'application/json', 'content-length': body.length },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', () => end(() => (counts.dropped += 1)));
        response.on('aborted', () => end(() => (counts.dropped += 1)));
        response.on('end', () =>
          end(() => {
            if (response.statusCode !== 200) counts.failed += 1;
            else counts.answered += 1;
            if (response.statusCode === 200) this.remember(mail, response.headers, Buffer.concat(chunks));
          }),
        );
      },
    );
    call.on('timeout', () => call.destroy(new Error('no answer in time')));
    call.on('error', () => end(() => (counts.dropped += 1)));
    call.end(body);
  }

  private remember(mail: StreamedMail, headers: NodeJS.Dict<string | string[]>, body: Buffer): void {
    const requestId = headers['x-request-id'];
    const version = headers['x-lastgood-version'];
    if (typeof requestId !== 'string' || typeof version !== 'string') return;
    const parsed = JSON.parse(body.toString('utf8')) as { outputs: { name: string; data: unknown[] }[] };
    const answer = String(parsed.outputs.find(({ name }) => name === 'label')?.data[0]);
    const { min, max } = this.options.labelDelayMs;
    const now = Date.now();
    const at = now + min + this.random.next() * (max - min);
    this.waiting.push({
      at,
      label: { requestId, label: mail.label, observedAt: new Date(at).toISOString(), source: 'demo' },
      seen: { atMs: now, labelAtMs: at, truth: mail.label, answer, version },
    });
  }

  private async flushLabels(): Promise<void> {
    const now = Date.now();
    const due = this.waiting.filter(({ at }) => at <= now);
    if (due.length === 0) return;
    const rest = this.waiting.filter(({ at }) => at > now);
    this.waiting.splice(0, this.waiting.length, ...rest);
    for (const { seen } of due) this.labelled.push(seen);
    if (this.labelled.length > 20_000) this.labelled.splice(0, 10_000);
    try {
      await this.options.sendLabels(due.map(({ label }) => label));
    } catch {
      // The controller is away: labels are kept and sent again, as a real labelling system would.
      this.waiting.push(...due.map((item) => ({ ...item, at: now + 500 })));
      this.labelled.splice(-due.length);
    }
  }
}
