import type { IncomingMessage, ServerResponse } from 'node:http';
import { Account } from './account';
import { Attempt, type AttemptOwner } from './attempt';
import type { Waiting } from './deadlines';
import { answerHeaders, requestHeaders } from './headers';
import { answerOurselves, breakOff } from './own-answer';
import type { Service, Way } from './service';
import { collect, Upload } from './upload';
import type { Target, Tries } from './upstream';

const ONE_PIECE_MAX_BYTES = 16_384;
/** Changes of the route that one request follows while its backends fail. */
const ROUTES_MAX = 8;

type Headers = Record<string, string | string[] | undefined>;

/** One request's life: choose a version, try its backends, pass the answer on. What becomes of it is its account's. */
export class Exchange implements AttemptOwner, Waiting {
  startedAt = 0;
  private readonly account: Account;
  private body: Buffer | Upload | null = null;
  private way: Way | null = null;
  private attempt: Attempt | null = null;
  private tried: Map<Target, Tries> | null = null;
  private routes = 0;
  private over = false;
  private status = 0;
  private answering = false;
  private remaining = -1;
  private written = false;

  constructor(
    private readonly service: Service,
    private readonly req: IncomingMessage,
    private readonly res: ServerResponse,
  ) {
    this.account = new Account(service, req);
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
        if (!this.over) this.send();
      });
    } else {
      this.body = new Upload(req, service.config.replayLimitBytes);
      this.send();
    }
  }

  private send(): void {
    this.startedAt = this.account.startedAt = performance.now();
    this.service.deadlines.add(this);
    const way = this.service.choose(this.account.session, Date.now());
    if (way) this.take(way);
    else if (this.service.route.record) this.elsewhere();
    else this.refuse(503, 'no-route', 'no route is in force yet');
  }

  private take(way: Way): void {
    this.way = way;
    way.lane.flight.count += 1;
    this.tryNext();
  }

  private leave(): void {
    if (this.way) this.way.lane.flight.count -= 1;
    this.way = null;
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
        headers: requestHeaders(req.headers, this.account.id),
        body: body instanceof Upload ? body.stream() : body,
      },
      attempt,
    );
  }

  /** No backend of the way is left: the main way for a pin or a share, the fallback for a dead primary, or 502. */
  private elsewhere(): void {
    const { service, way: failed } = this;
    this.leave();
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
    this.account.failedAt(way, target);
    if (attempt.started && this.body instanceof Upload) this.body.spoil();
    if (!this.mayRepeat(attempt)) {
      if (way === this.service.main() && way.choice.reason === 'primary' && way.lane.dead())
        beginFallback(this.service, way);
      this.leave();
      this.fail(502, 'reset', 'the backend ended the connection before its answer', way);
      return;
    }
    // After the events of this turn: connections that died with this one are then known to be dead.
    setImmediate(() => {
      if (this.over) return;
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
    const { account, res, service } = this;
    const way = this.way as Way;
    this.answering = true;
    this.status = status;
    service.deadlines.remove(this);
    attempt.target.upstream.answered();
    const length = headers['content-length'];
    if (typeof length === 'string' && this.req.method !== 'HEAD' && status !== 304) this.remaining = Number(length);
    account.answering(way, status, headers, this.remaining);
    res.writeHead(status, answerHeaders(headers, account.id, way.choice.version));
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
    this.account.look(chunk);
  }

  onEnd(): void {
    if (!this.over) this.finish(undefined);
  }

  onFirstByteLate(): void {
    if (!this.over && this.way) this.account.late(this.way);
  }

  onRequestTooLong(): void {
    if (!this.over) this.fail(504, 'deadline', `not answered within ${this.service.config.requestMaxMs} ms`, this.way);
  }

  private finish(last: Buffer | undefined): void {
    const { account, res } = this;
    const way = this.way as Way;
    if (!last) res.end();
    // As text of single bytes it leaves in one piece with the headers: one plain write instead of a gathered one.
    else if (!this.written && last.length <= ONE_PIECE_MAX_BYTES) res.end(last.toString('latin1'), 'latin1');
    else res.end(last);
    if (last) account.look(last);
    this.close();
    account.answered(way, this.attempt?.target, this.status, this.body);
  }

  private cut(): void {
    const way = this.way as Way;
    this.close();
    this.account.cut(way, this.attempt?.target, this.status);
    breakOff(this.req, this.res);
  }

  private fail(status: number, reason: string, detail: string, way: Way | null): void {
    this.attempt?.giveUp();
    const version = this.account.failed(way, this.attempt?.target, status, this.body);
    this.endWith(status, reason, detail, version);
  }

  /** Refused before any version was involved; counts in no version's telemetry. */
  private refuse(status: number, reason: string, detail: string): void {
    this.service.meters.refused(reason);
    this.endWith(status, reason, detail, undefined);
  }

  private endWith(status: number, reason: string, detail: string, version: string | undefined): void {
    this.close();
    if (this.body instanceof Upload) this.body.abort();
    answerOurselves(this.req, this.res, { id: this.account.id, status, reason, detail, version });
  }

  private onClientClosed(): void {
    if (this.over) return;
    this.attempt?.giveUp();
    if (this.body instanceof Upload) this.body.abort();
    const { way } = this;
    this.close();
    if (way) this.account.abandoned(way, this.attempt?.target, this.answering ? this.status : null);
  }

  private close(): void {
    this.over = true;
    this.service.deadlines.remove(this);
    this.leave();
  }
}

function beginFallback(service: Service, dead: Way): Way | null {
  return service.beginFallback(`no backend of ${dead.choice.version} accepts a connection or answers`);
}
