import { findAnswers } from './answer-files';
import type { AnswerRecord } from './answer-record';
import type { Answer, FeedbackItem, FeedbackResult } from './protocol';
import { timeOfId } from './request-id';
import type { Samples } from './samples';
import type { Storage } from './storage';
import { counted, type TelemetryRecorder } from './telemetry-recorder';

/** Batches that arrive within this are committed together: one telemetry row instead of one for each. */
const GROUP_MS = 100;

interface Limits {
  readonly horizonMs: number;
  readonly requestMaxMs: number;
}

/** The same request may have been answered for a drill too. */
export interface MirrorLabels {
  labelled(requestId: string, label: string, before: string | null): void;
}

interface Batch {
  readonly items: readonly FeedbackItem[];
  readonly answers: ReadonlyMap<string, Answer>;
  readonly resolve: (result: FeedbackResult) => void;
  readonly reject: (error: unknown) => void;
}

interface Stored {
  readonly label: string;
  readonly observed_ms: number;
}

/**
 * True labels, joined to the version that really answered. Idempotent (the same label again changes nothing), in any
 * order (the latest `observedAt` counts), corrections take back what they replace. A batch is answered when its labels
 * and the telemetry row that counts them are stored in one transaction: a crash loses both or none.
 */
export class Feedback {
  private waiting: Batch[] = [];
  private timer: NodeJS.Timeout | null = null;

  constructor(
    private readonly storage: Storage,
    private readonly service: string,
    private readonly answers: AnswerRecord,
    private readonly recorder: TelemetryRecorder,
    private readonly samples: Samples,
    private readonly limits: Limits,
    private readonly mirror: MirrorLabels,
  ) {}

  async take(items: readonly FeedbackItem[], nowMs: number): Promise<FeedbackResult> {
    const { horizonMs, requestMaxMs } = this.limits;
    const ids = new Set(items.map((item) => item.requestId));
    const answers = await findAnswers(this.answers, ids, { notBeforeMs: nowMs - horizonMs, requestMaxMs });
    return new Promise((resolve, reject) => {
      this.waiting.push({ items, answers, resolve, reject });
      this.timer ??= setTimeout(() => this.commit(), GROUP_MS);
    });
  }

  /** Commits what waits; also called at the end of the process. */
  commit(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    const batches = this.waiting;
    this.waiting = [];
    if (batches.length === 0) return;
    let results: FeedbackResult[] = [];
    try {
      // Counting comes first, inside the open rows; closing them stores rows and labels together.
      const writes: (() => void)[] = [];
      const known = new Map<string, Stored>();
      results = batches.map((batch) => this.count(batch, known, writes));
      this.recorder.close(() => {
        for (const write of writes) write();
      });
    } catch (error) {
      for (const batch of batches) batch.reject(error);
      return;
    }
    batches.forEach((batch, index) => batch.resolve(results[index] as FeedbackResult));
  }

  removeOld(nowMs: number): void {
    this.storage
      .prepare('DELETE FROM feedback WHERE service = ? AND answered_ms < ?')
      .run(this.service, nowMs - this.limits.horizonMs);
  }

  private count(batch: Batch, known: Map<string, Stored>, writes: (() => void)[]): FeedbackResult {
    const result: FeedbackResult = { accepted: 0, repeated: 0, corrected: 0, late: 0, unknown: [] };
    const oldest = Date.now() - this.limits.horizonMs;
    for (const item of batch.items) {
      const answer = batch.answers.get(item.requestId);
      const answeredAt = answer?.at ?? timeOfId(item.requestId);
      if (answeredAt !== null && answeredAt < oldest) result.late += 1;
      else if (!answer || answer.service !== this.service) result.unknown.push(item.requestId);
      else result[this.join(item, answer, known, writes)] += 1;
    }
    return result;
  }

  private join(
    item: FeedbackItem,
    answer: Answer,
    known: Map<string, Stored>,
    writes: (() => void)[],
  ): 'accepted' | 'repeated' | 'corrected' {
    const observedMs = Date.parse(item.observedAt);
    const before = known.get(item.requestId) ?? this.stored(item.requestId);
    if (before && observedMs < before.observed_ms) return 'repeated';
    if (before && before.label === item.label && observedMs === before.observed_ms) return 'repeated';
    known.set(item.requestId, { label: item.label, observed_ms: observedMs });
    writes.push(() => this.store(item, observedMs, answer.at));
    if (before && before.label === item.label) return 'repeated';
    this.mirror.labelled(item.requestId, item.label, before?.label ?? null);
    const of = counted(answer.version, answer.epoch, answer.reason === 'drill' ? 'drill' : 'live');
    // Without a predicted class nothing can be right or wrong: a failed answer counts as a failure already.
    if (answer.class === null) return before ? 'corrected' : 'accepted';
    const delayMs = Math.max(0, Date.now() - answer.at);
    if (before) this.recorder.label(of, before.label, -1, before.label === answer.class, delayMs);
    this.recorder.label(of, item.label, 1, item.label === answer.class, delayMs);
    if (answer.score !== null) {
      if (before) this.recorder.judged(of, answer.class, answer.score, before.label, -1);
      this.recorder.judged(of, answer.class, answer.score, item.label, 1);
    }
    return before ? 'corrected' : 'accepted';
  }

  private stored(requestId: string): Stored | undefined {
    return this.storage
      .prepare('SELECT label, observed_ms FROM feedback WHERE service = ? AND request_id = ?')
      .get(this.service, requestId) as Stored | undefined;
  }

  private store(item: FeedbackItem, observedMs: number, answeredMs: number): void {
    this.storage
      .prepare('INSERT OR REPLACE INTO feedback VALUES (?, ?, ?, ?, ?, ?)')
      .run(this.service, item.requestId, item.label, observedMs, item.source, answeredMs);
    this.samples.label(item.requestId, item.label);
  }
}
