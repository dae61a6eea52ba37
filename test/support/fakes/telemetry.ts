import type { Telemetry } from '../../../activities/ports';
import type {
  Answer,
  AnswerLookup,
  AnswersAt,
  CountsRow,
  FeedbackItem,
  FeedbackResult,
  Sample,
  TelemetryRow,
} from '../../../gateway/protocol';

/** In-memory telemetry of one service; tests push rows, answers and samples. */
export class FakeTelemetry implements Telemetry {
  readonly rows: TelemetryRow[] = [];
  readonly answers = new Map<string, Answer>();
  samplesKept: Sample[] | null = null;
  private readonly labels = new Map<string, string>();
  private readonly waiting = new Set<() => void>();
  /** Followers are cut off with this. */
  fault: Error | null = null;

  constructor(
    private readonly known: string,
    private readonly signOfLifeMs = 1_000,
  ) {}

  push(row: TelemetryRow): void {
    this.rows.push(row);
    for (const wake of this.waiting) wake();
  }

  cut(fault: Error): void {
    this.fault = fault;
    for (const wake of this.waiting) wake();
  }

  async *follow(service: string, cursor: number, signal: AbortSignal): AsyncIterable<TelemetryRow | null> {
    this.need(service);
    let last = cursor;
    while (!signal.aborted) {
      if (this.fault) throw this.fault;
      const next = this.rows.find((row) => row.seq > last);
      if (next) {
        last = next.seq;
        yield next;
      } else if (!(await this.news(signal))) {
        if (!signal.aborted) yield null;
      }
    }
  }

  async window(service: string, fromMs: number, toMs: number): Promise<CountsRow[]> {
    this.need(service);
    const rows = this.rows.filter(
      (row): row is CountsRow => row.kind === 'counts' && row.fromMs >= fromMs && row.fromMs < toMs,
    );
    return Promise.resolve(rows);
  }

  async samples(
    service: string,
    query: { version?: string; labelled?: boolean; limit: number },
  ): Promise<{ off: boolean; samples: Sample[] }> {
    this.need(service);
    if (this.samplesKept === null) return Promise.resolve({ off: true, samples: [] });
    const chosen = this.samplesKept
      .filter((sample) => query.version === undefined || sample.version === query.version)
      .filter((sample) => query.labelled !== true || sample.label !== null)
      .sort((left, right) => right.atMs - left.atMs);
    return Promise.resolve({ off: false, samples: chosen.slice(0, query.limit) });
  }

  async feedback(service: string, items: readonly FeedbackItem[]): Promise<FeedbackResult> {
    this.need(service);
    const result = { accepted: 0, repeated: 0, corrected: 0, late: 0, unknown: [] as string[] };
    for (const { requestId, label } of items) {
      const before = this.labels.get(requestId);
      if (!this.answers.has(requestId)) result.unknown.push(requestId);
      else if (before === undefined) result.accepted++;
      else if (before === label) result.repeated++;
      else result.corrected++;
      if (this.answers.has(requestId)) this.labels.set(requestId, label);
    }
    return Promise.resolve(result);
  }

  async answer(requestId: string): Promise<AnswerLookup> {
    const answer = this.answers.get(requestId);
    return Promise.resolve(answer ? { known: true, answer } : { known: false, why: 'never answered', gaps: [] });
  }

  async answersAt(service: string, atMs: number): Promise<AnswersAt> {
    this.need(service);
    const versions = new Map<string, AnswersAt['versions'][number]>();
    for (const { at, version, digest, epoch, reason } of this.answers.values()) {
      if (Math.abs(at - atMs) > 30_000) continue;
      const key = `${version} ${epoch} ${reason}`;
      versions.set(key, { version, digest, epoch, reason, answers: (versions.get(key)?.answers ?? 0) + 1 });
    }
    return Promise.resolve({ at: atMs, versions: [...versions.values()], gaps: [] });
  }

  private need(service: string): void {
    if (service !== this.known) throw new Error(`no such service: ${service}`);
  }

  private news(signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const done = (news: boolean): void => {
        clearTimeout(timer);
        this.waiting.delete(wake);
        signal.removeEventListener('abort', stop);
        resolve(news);
      };
      const wake = (): void => done(true);
      const stop = (): void => done(false);
      const timer = setTimeout(() => done(false), this.signOfLifeMs);
      this.waiting.add(wake);
      signal.addEventListener('abort', stop);
    });
  }
}
