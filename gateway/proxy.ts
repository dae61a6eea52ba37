import type { IncomingMessage, ServerResponse } from 'node:http';
import { NOTHING_READ, type Read } from './answer-reader';
import { tapFor, type AnswerTap } from './answer-tap';
import { Attempt, type AttemptOwner } from './attempt';
import type { Waiting } from './deadlines';
import { answerHeaders, requestHeaders, type Headers } from './headers';
import { answerOurselves, breakOff } from './own-answer';
import { isSaneRequestId, sameToken, uuidV7 } from './request-id';
import type { Service, Way } from './service';
import { Sessions } from './sessions';
import { collect, Upload } from './upload';
import type { Target, Tries } from './upstream';

const ONE_PIECE_MAX_BYTES = 16_384;
/** Changes of the route that one request follows while its backends fail. */
const ROUTES_MAX = 8;

type Fate = 'open' | 'counted' | 'done';

/** One request's life: choose a version, try its backends, pass the answer on, write down what became of it. */
export class Exchange implements AttemptOwner, Waiting {
  startedAt = 0;
  private readonly id: string;
  private readonly session: string | undefined;
  private readonly probe: boolean;
  private readonly sampled: boolean;
  private body: Buffer | Upload | null = null;
  private way: Way | null = null;
  private attempt: Attempt | null = null;
  private tried: Map<Target, Tries> | null = null;
  /** Ways whose backends failed before the one that answers now. */
  private failedWays: { way: Way; target: Target }[] | null = null;
  private routes = 0;
  private fate: Fate = 'open';
  private status = 0;
  private answering = false;
  private remaining = -1;
  private written = false;
  private tap: AnswerTap | null = null;

  constructor(
    private readonly service: Service,
    private readonly req: IncomingMessage,
    private readonly res: ServerResponse,
  ) {
    const { headers } = req;
    const given = headers['x-request-id'];
    this.id = typeof given === 'string' && isSaneRequestId(given) ? given : uuidV7(Date.now());
    this.session = service.sessionHeader === undefined ? undefined : Sessions.idOf(headers[service.sessionHeader]);
    const probe = headers['x-lastgood-probe'];
    this.probe = typeof probe === 'string' && sameToken(probe, service.probeToken);
    this.sampled = service.samples.on && !this.probe && req.method === 'POST' && service.samples.draws(Math.random());
  }

  /** Takes the request in; a short body is collected first, so that the version is chosen when it can be sent. */
  begin(): void {
    const { req, service } = this;
    const { headers } = req;
    this.res.on('close', () => this.onClientClosed());
    if (headers['x-lastgood-mirror'] !== undefined) {
      this.refuse(400, 'mirror', 'a mirrored request goes to an instance, not through the route');
      return;
    }
    const length = headers['content-length'];
    if (headers['transfer-encoding'] === undefined && (length === undefined || length === '0')) {
      this.send();
    } else if (length !== undefined && Number(length) <= service.config.replayLimitBytes) {
      collect(req, (body) => {
        this.body = body;
        if (this.fate === 'open') this.send();
      });
    } else {
      this.body = new Upload(req, service.config.replayLimitBytes);
      this.send();
    }
  }

  private send(): void {
    this.startedAt = performance.now();
    this.service.deadlines.add(this);
    this.service.whenRouted(() => {
      if (this.fate === 'done') return;
      const way = this.service.choose(this.session, Date.now());
      if (way) this.take(way);
      else if (this.service.route.record) this.elsewhere();
      else this.refuse(503, 'no-route', 'no route is in force yet');
    });
  }

  private take(way: Way): void {
    this.way = way;
    way.lane.flight.count += 1;
    this.tryNext();
  }

  private leave(): void {
    if (this.way) this.way.lane.flight.count -= 1;
  }

  private tryNext(): void {
    const way = this.way as Way;
    const target = way.lane.pick(this.tried, performance.now());
    if (!target) {
      this.elsewhere();
      return;
    }
    const { req, body } = this;
    const attempt = new Attempt(this, target);
    this.attempt = attempt;
    target.upstream.pool.dispatch(
      {
        path: req.url as string,
        method: req.method as string,
        headers: requestHeaders(req.headers, this.id),
        body: body instanceof Upload ? body.stream() : body,
      },
      attempt,
    );
  }

  /** No backend of the way is left: the main way for a pin or a share, the fallback for a dead primary, or 502. */
  private elsewhere(): void {
    const { service, way: failed } = this;
    if (failed) this.leave();
    this.way = null;
    this.routes += 1;
    const main = service.main();
    if (main && main !== failed && this.routes < ROUTES_MAX) {
      // Another version than the failed one, or a record that came into force meanwhile.
      this.take(main);
      return;
    }
    const dead = failed?.choice.reason === 'primary' && failed.lane.dead();
    const fallback = dead ? beginFallback(service, failed) : null;
    if (fallback) this.take(fallback);
    else this.fail(502, 'no-backend', 'no backend of the version answers', failed);
  }

  onFailure(attempt: Attempt, error: Error): void {
    const { target } = attempt;
    if ((error as { code?: string }).code === 'UND_ERR_INVALID_ARG') {
      this.refuse(400, 'invalid-request', error.message);
      return;
    }
    if (this.answering) {
      this.cut();
      return;
    }
    const kind = attempt.started ? 'reset' : 'refused';
    target.upstream.failed(kind, performance.now());
    const before = this.tried?.get(target);
    (this.tried ??= new Map()).set(target, {
      refused: kind === 'refused',
      resets: (before?.resets ?? 0) + (kind === 'reset' ? 1 : 0),
    });
    const way = this.way as Way;
    (this.failedWays ??= []).push({ way, target });
    if (attempt.started && this.body instanceof Upload) this.body.spoil();
    if (!this.mayRepeat(attempt)) {
      if (way === this.service.main() && way.choice.reason === 'primary' && way.lane.dead())
        beginFallback(this.service, way);
      this.leave();
      this.way = null;
      this.fail(502, 'reset', 'the backend ended the connection before its answer', way);
      return;
    }
    // After the events of this turn: connections that died with this one are then known to be dead.
    setImmediate(() => {
      if (this.fate === 'done') return;
      // Under a new record the old way must not get new work.
      if (way.epoch === this.service.route.record?.epoch) this.tryNext();
      else this.elsewhere();
    });
  }

  /** Never executed: always. Possibly executed: only where the service allows it and the body is still there. */
  private mayRepeat(attempt: Attempt): boolean {
    if (!attempt.started) return true;
    return this.service.config.repeatable && (!(this.body instanceof Upload) || this.body.replayable);
  }

  onAnswer(attempt: Attempt, status: number, headers: Headers): void {
    const { res, service, session } = this;
    const way = this.way as Way;
    this.answering = true;
    this.status = status;
    service.deadlines.remove(this);
    attempt.target.upstream.answered();
    if (session !== undefined && status < 500 && service.route.record) {
      const begun = service.sessions.answered(session, way.choice.version, service.route.record, Date.now());
      if (!this.probe) service.recorder.inSession(way.counted, begun);
    }
    const length = headers['content-length'];
    if (typeof length === 'string' && this.req.method !== 'HEAD' && status !== 304) this.remaining = Number(length);
    if (!this.probe) {
      const { method } = this.req;
      const [type, encoding, length] = [headers['content-type'], headers['content-encoding'], this.remaining];
      this.tap = tapFor(service.reader, { method, status, type, encoding, length, sampled: this.sampled });
    }
    res.writeHead(status, answerHeaders(headers, this.id, way.choice.version));
    // A stream whose first event is yet to come: its headers go out now.
    if (this.remaining < 0) setImmediate(() => (res.writableEnded || res.destroyed ? undefined : res.flushHeaders()));
  }

  onData(attempt: Attempt, chunk: Buffer): void {
    if (this.remaining >= 0 && (this.remaining -= chunk.length) === 0) {
      // The last piece and the end in one: half the calls into the socket for a short answer.
      this.finish(chunk);
      return;
    }
    this.written = true;
    if (!this.res.write(chunk)) {
      attempt.controller?.pause();
      this.res.once('drain', () => attempt.controller?.resume());
    }
    this.look(chunk);
  }

  /** After it is on its way: reading an answer never holds it up. */
  private look(chunk: Buffer): void {
    if (this.tap?.take(chunk) === false) this.tap = null;
  }

  onEnd(): void {
    if (this.fate !== 'done') this.finish(undefined);
  }

  onFirstByteLate(): void {
    if (this.fate !== 'open' || !this.way) return;
    this.fate = 'counted';
    if (!this.probe) this.service.recorder.timedOut(this.way.counted);
  }

  onRequestTooLong(): void {
    if (this.fate !== 'done')
      this.fail(504, 'deadline', `not answered within ${this.service.config.requestMaxMs} ms`, this.way);
  }

  private finish(last: Buffer | undefined): void {
    const { res, service, status } = this;
    const way = this.way as Way;
    if (!last) res.end();
    // As text of single bytes it leaves in one piece with the headers: one plain write instead of a gathered one.
    else if (!this.written && last.length <= ONE_PIECE_MAX_BYTES) res.end(last.toString('latin1'), 'latin1');
    else res.end(last);
    const ms = performance.now() - this.startedAt;
    if (last) this.look(last);
    const read = this.tap ? this.tap.read() : NOTHING_READ;
    const { predicted, score } = read;
    if (!this.probe && this.fate === 'open') {
      service.recorder.answered(way.counted, status, ms);
      if (this.tap?.counts === true) {
        service.recorder.predicted(way.counted, predicted, score, service.reader.expectsClass);
      }
    }
    if (this.failedWays) this.countRepeats();
    this.sample(way, status >= 500, read);
    this.close(way, status, ms, predicted, score);
  }

  private sample(way: Way, failed: boolean, { predicted, score, text: answer, finish }: Read): void {
    if (!this.sampled || way.counted.cohort !== 'live') return;
    const { id: requestId, session, service } = this;
    const { version } = way.choice;
    const sample = { requestId, session, version, predicted, score, answer, finish, failed };
    service.samples.keep(this.req, this.body, sample);
  }

  private cut(): void {
    const way = this.way as Way;
    if (!this.probe && this.fate === 'open') this.service.recorder.cut(way.counted);
    this.close(way, this.status, performance.now() - this.startedAt, null, null);
    breakOff(this.req, this.res);
  }

  private fail(status: number, reason: string, detail: string, way: Way | null): void {
    const { service } = this;
    this.attempt?.giveUp();
    const ms = performance.now() - this.startedAt;
    // A request that failed everywhere counts once, against the version that it was first for.
    const first = this.failedWays?.[0]?.way ?? way;
    if (first && !this.probe && this.fate === 'open') service.recorder.failed(first.counted);
    if (first) this.sample(first, true, NOTHING_READ);
    const target = this.failedWays?.[0]?.target ?? this.attempt?.target;
    if (first && target) service.answers.add(this.id, Date.now(), first.prefixOf(target), status, ms, null, null);
    if (this.way) this.leave();
    this.way = null;
    this.endWith(status, reason, detail, first?.choice.version);
  }

  /** Refused before any version was involved; counts in no version's telemetry. */
  private refuse(status: number, reason: string, detail: string): void {
    this.service.meters.refused(reason);
    if (this.way) this.leave();
    this.way = null;
    this.endWith(status, reason, detail, undefined);
  }

  private endWith(status: number, reason: string, detail: string, version: string | undefined): void {
    this.fate = 'done';
    this.service.deadlines.remove(this);
    if (this.body instanceof Upload) this.body.abort();
    answerOurselves(this.req, this.res, { id: this.id, status, reason, detail, version });
  }

  private onClientClosed(): void {
    if (this.fate === 'done') return;
    this.attempt?.giveUp();
    if (this.body instanceof Upload) this.body.abort();
    const { way } = this;
    const ms = performance.now() - this.startedAt;
    if (!way) {
      this.fate = 'done';
      this.service.deadlines.remove(this);
      return;
    }
    if (!this.probe && this.fate === 'open') {
      if (this.answering) this.service.recorder.answered(way.counted, this.status, ms);
      else this.service.recorder.abandoned(way.counted);
    }
    this.close(way, this.answering ? this.status : 499, ms, null, null);
  }

  private close(way: Way, status: number, ms: number, predicted: string | null, score: number | null): void {
    const { service } = this;
    this.fate = 'done';
    service.deadlines.remove(this);
    this.leave();
    const target = this.attempt?.target;
    if (target) service.answers.add(this.id, Date.now(), way.prefixOf(target), status, ms, predicted, score);
  }

  private countRepeats(): void {
    const answeredBy = this.attempt?.target;
    for (const { way, target } of this.failedWays ?? []) {
      if (target !== answeredBy && !this.probe) this.service.recorder.repeated(way.counted);
    }
  }
}

function beginFallback(service: Service, dead: Way): Way | null {
  return service.beginFallback(`no backend of ${dead.choice.version} accepts a connection or answers`);
}
