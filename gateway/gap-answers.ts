import { retryAfterSeconds, type Gap } from '../domain/route';
import type { OwnAnswer } from './own-answer';
import type { Service } from './service';
import type { TelemetryStore } from './telemetry-store';

/** What the telemetry is told at most this often. */
const TOLD_EVERY_MS = 1_000;

/** What a request is told that comes while nobody serves, by decision. One that lasts longer than promised says so. */
export function gapRefusal({ until }: Gap, nowMs: number): { readonly reason: string; readonly detail: string } {
  return nowMs < until
    ? { reason: 'gap', detail: 'the version is being changed and memory holds one copy: try again' }
    : { reason: 'gap-over', detail: `the change of the version should have ended ${iso(until)}: try again` };
}

/** The answer to one request in a gap, counted. */
export function gapAnswer(service: Service, gap: Gap, nowMs: number): Omit<OwnAnswer, 'id'> {
  const refusal = gapRefusal(gap, nowMs);
  service.gapAnswers.count(gap, nowMs, service.route.record?.epoch ?? 0);
  service.meters.refused(refusal.reason);
  return { status: 503, ...refusal, version: undefined, retryAfterSeconds: retryAfterSeconds(gap, nowMs) };
}

/** Requests that were answered 503 in a gap, written down as numbered rows: they are in no version's counts. */
export class GapAnswers {
  private answers = 0;
  private late = 0;
  private fromMs = 0;
  private toMs = 0;
  private epoch = 0;
  private timer: NodeJS.Timeout | null = null;

  constructor(private readonly telemetry: TelemetryStore) {}

  count({ until }: Gap, nowMs: number, epoch: number): void {
    if (this.answers === 0) this.fromMs = nowMs;
    this.toMs = nowMs;
    this.epoch = epoch;
    this.answers += 1;
    if (nowMs >= until) this.late += 1;
    if (this.timer) return;
    this.timer = setTimeout(() => this.flush(), TOLD_EVERY_MS);
    this.timer.unref();
  }

  flush(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    const { answers, late, fromMs, toMs, epoch } = this;
    if (answers === 0) return;
    this.answers = this.late = 0;
    const detail = `${answers} answered 503${late === 0 ? '' : `, ${late} of them after its end`}`;
    this.telemetry.offer([{ row: { kind: 'event', fromMs, toMs, event: 'gapAnswers', version: null, epoch, detail } }]);
  }
}

function iso(ms: number): string {
  return `by ${new Date(ms).toISOString()}`;
}
