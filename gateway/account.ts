import type { IncomingMessage } from 'node:http';
import { NOTHING_READ, type Read } from './answer-reader';
import { linePrefix } from './answer-record';
import { tapFor, type AnswerTap } from './answer-tap';
import type { KeptAnswer } from './cache/answer-cache';
import { isSaneRequestId, sameToken, uuidV7 } from './request-id';
import type { Service, Way } from './service';
import type { Target } from './upstream';

type Headers = Record<string, string | string[] | undefined>;

interface FailedWay {
  readonly way: Way;
  readonly target: Target;
}

/** Who asked, and what is written down of it: counts, answer record, samples. Nothing here holds an answer up. */
export class Account {
  readonly id: string;
  /** On the monotonic clock, ms: when the request could be sent. */
  startedAt = 0;
  /** Known when the request can be sent; see {@link lookIn}. */
  session: string | undefined;
  /** Item of a pipeline, by the client's word; see {@link lookIn}. */
  private item: string | undefined;
  readonly probe: boolean;
  private readonly sampled: boolean;
  /** Its fate was counted before it ended. */
  private counted = false;
  /** Ways whose backends failed before the one that answers now. */
  private failedWays: FailedWay[] | null = null;
  private tap: AnswerTap | null = null;

  constructor(
    private readonly service: Service,
    private readonly req: IncomingMessage,
  ) {
    const { headers } = req;
    const given = headers['x-request-id'];
    this.id = typeof given === 'string' && isSaneRequestId(given) ? given : uuidV7(Date.now());
    this.session = service.sessionIds.ofHeaders(headers);
    this.item = service.itemIds.ofHeaders(headers);
    const probe = headers['x-lastgood-probe'];
    // Of a detached service nothing is measured: nobody would read it.
    this.probe = service.isDetached || (typeof probe === 'string' && sameToken(probe, service.probeToken));
    this.sampled = service.samples.on && !this.probe && req.method === 'POST' && service.samples.draws(Math.random());
  }

  /** Whether a backend has failed this request before. */
  get hasFailed(): boolean {
    return this.failedWays !== null;
  }

  /** The body is there whole, before a version is chosen for it. */
  lookIn(body: Buffer): void {
    const { sessionIds, itemIds } = this.service;
    this.item ??= itemIds.ofBody(body);
    if (sessionIds.readsBodies && this.session === undefined) this.session = sessionIds.ofBody(body);
  }

  failedAt(way: Way, target: Target): void {
    (this.failedWays ??= []).push({ way, target });
  }

  /** The first byte of an answer. `length` is -1 where unknown. */
  answering(way: Way, status: number, headers: Headers, length: number): void {
    const { req, service, session } = this;
    if (session !== undefined && status < 500 && service.route.record) {
      const begun = service.sessions.answered(session, way.choice.version, service.route.record, Date.now());
      if (!this.probe) service.recorder.inSession(way.counted, begun);
    }
    if (this.probe) return;
    const [type, encoding] = [headers['content-type'], headers['content-encoding']];
    this.tap = tapFor(service.reader, { method: req.method, status, type, encoding, length, sampled: this.sampled });
  }

  /** After it is on its way: reading an answer never holds it up. */
  look(chunk: Buffer): void {
    if (this.tap?.take(chunk) === false) this.tap = null;
  }

  /** Asked by lastgood itself: about the model, so never answered from a cache. */
  get isProbe(): boolean {
    return this.probe;
  }

  /**
   * It was given what the version answered to another request. The record says whose answer it was (I14); in the telemetry
   * it counts nowhere: neither its time nor its class is news of the model.
   */
  fromCache({ choice, epoch }: Way, kept: KeptAnswer): void {
    const { id, service, session } = this;
    const now = Date.now();
    if (session !== undefined && service.route.record) {
      service.sessions.answered(session, choice.version, service.route.record, now);
    }
    const { backend, predicted, requestId, score, status } = kept;
    const prefix = linePrefix(service.config.name, choice.version, backend, epoch, choice.reason);
    service.answers.add(id, now, prefix, status, performance.now() - this.startedAt, predicted, score, {
      cached: requestId,
      item: this.item,
    });
  }

  /** The whole answer is on its way. */
  answered(way: Way, target: Target | undefined, status: number, body: unknown): Read {
    const { service } = this;
    const ms = performance.now() - this.startedAt;
    const read = this.tap ? this.tap.read() : NOTHING_READ;
    const { predicted, score } = read;
    if (!this.probe && !this.counted) {
      service.recorder.answered(way.counted, status, ms);
      if (this.tap?.counts === true) {
        service.recorder.predicted(way.counted, predicted, score, service.reader.expectsClass);
      }
    }
    if (this.failedWays) this.countRepeats(this.failedWays, target);
    this.sample(way, body, status >= 500, read);
    this.write(way, target, status, ms, predicted, score);
    return read;
  }

  /** No first byte in time; the request goes on. */
  late(way: Way): void {
    if (this.counted) return;
    this.counted = true;
    if (!this.probe) this.service.recorder.timedOut(way.counted);
  }

  /** An answer that had begun broke off. */
  cut(way: Way, target: Target | undefined, status: number): void {
    if (!this.probe && !this.counted) this.service.recorder.cut(way.counted);
    this.write(way, target, status, performance.now() - this.startedAt, null, null);
  }

  /** The client left; `status` is null where its answer had not begun. */
  abandoned(way: Way, target: Target | undefined, status: number | null): void {
    const ms = performance.now() - this.startedAt;
    if (!this.probe && !this.counted) {
      if (status === null) this.service.recorder.abandoned(way.counted);
      else this.service.recorder.answered(way.counted, status, ms);
    }
    this.write(way, target, status ?? 499, ms, null, null);
  }

  /** It failed everywhere, which counts once, against the version that it was first for. Tells that version. */
  failed(way: Way | null, target: Target | undefined, status: number, body: unknown): string | undefined {
    const first = this.failedWays?.[0]?.way ?? way;
    if (!first) return undefined;
    if (!this.probe && !this.counted) this.service.recorder.failed(first.counted);
    this.sample(first, body, true, NOTHING_READ);
    this.write(first, this.failedWays?.[0]?.target ?? target, status, performance.now() - this.startedAt, null, null);
    return first.choice.version;
  }

  private sample(way: Way, body: unknown, failed: boolean, { predicted, score, text: answer, finish }: Read): void {
    if (!this.sampled || way.counted.cohort !== 'live') return;
    const { id: requestId, session, service } = this;
    const { version } = way.choice;
    service.samples.keep(this.req, body, { requestId, session, version, predicted, score, answer, finish, failed });
  }

  private write(
    way: Way,
    target: Target | undefined,
    status: number,
    ms: number,
    predicted: string | null,
    score: number | null,
  ): void {
    if (!target) return;
    this.service.answers.add(
      this.id,
      Date.now(),
      way.prefixOf(target),
      status,
      ms,
      predicted,
      score,
      this.item === undefined ? undefined : { item: this.item },
    );
  }

  private countRepeats(failed: readonly FailedWay[], answeredBy: Target | undefined): void {
    for (const { way, target } of failed) {
      if (target !== answeredBy && !this.probe) this.service.recorder.repeated(way.counted);
    }
  }
}
