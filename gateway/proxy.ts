import type { IncomingMessage, ServerResponse } from 'node:http';
import type { VersionSelector } from '../domain/route';
import { Account } from './account';
import { Attempt, type AttemptOwner } from './attempt';
import type { KeptAnswer } from './cache/answer-cache';
import { openCacheUse, type CacheClient, type CacheUse } from './cache/cache-use';
import { askForConnections, beginFallback, endedSeveral } from './dead-primary';
import type { Waiting } from './deadlines';
import { changedAnswer, type DegradedAnswer } from './degrader';
import { gapAnswer } from './gap-answers';
import { requestHeaders, type Headers } from './headers';
import type { Refusal } from './naming/refusal';
import { needsWholeBody, selectRequest, tooLong } from './naming/selected-request';
import { answerKept, answerOurselves, breakOff, type OwnAnswer } from './own-answer';
import { Passing } from './passing';
import type { Service, Way } from './service';
import { refusedAtOnce } from './refused-protocols';
import { collect, Upload } from './upload';
import type { Target, Tries } from './upstream';

/** Changes of the route that one request follows while its backends fail. */
const ROUTES_MAX = 8;

/** One request's life: choose a version, try its backends, pass the answer on. What becomes of it is its account's. */
export class Exchange implements AttemptOwner, CacheClient, Waiting {
  startedAt = 0;
  private readonly account: Account;
  private body: Buffer | Upload | null = null;
  private way: Way | null = null;
  private attempt: Attempt | null = null;
  private tried: Map<Target, Tries> | null = null;
  private routes = 0;
  private over = false;
  private status = 0;
  /** From the first byte of an answer on. */
  private passing: Passing | null = null;
  /** Null where its answer is not looked for in the cache. */
  private use: CacheUse | null = null;
  private degraded: DegradedAnswer | null = null;

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
    const refused = refusedAtOnce(headers);
    if (refused) return this.refuse(...refused);
    const length = headers['content-length'];
    if (headers['transfer-encoding'] === undefined && (length === undefined || length === '0')) {
      this.send();
    } else if (length !== undefined && Number(length) <= service.config.replayLimitBytes) {
      collect(req, (body) => {
        this.body = body;
        this.account.lookIn(body);
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
    // Most services keep no answers, and make nothing for it.
    const { cache } = this.service;
    if (cache) this.use = openCacheUse(cache, this.account.isProbe, { req: this.req, body: this.body, client: this });
    // One of a single gateway waits for nobody, and makes no closure for it.
    if (this.service.returning === null) this.choose();
    else this.service.whenRouted(() => this.onWaited());
  }

  private choose(): void {
    const way = this.service.choose(this.account.session, Date.now());
    if (way && this.use?.takes(way) === true) return;
    const { gap } = this.service;
    if (way) {
      this.service.mirror.copy(this.req, this.account, way, this.body);
      this.take(way);
    } else if (gap) this.endWith(gapAnswer(this.service, gap, Date.now()));
    else if (this.service.route.record) this.elsewhere();
    else this.refuse(503, 'no-route', 'no route is in force yet');
  }

  onKept(way: Way, kept: KeptAnswer, how: 'hit' | 'coalesced'): void {
    this.close();
    answerKept(this.res, kept, this.account.id, how);
    this.account.fromCache(way, kept);
  }

  onWaited(): void {
    if (!this.over) this.choose();
  }

  private take(way: Way): void {
    this.way = way;
    way.lane.flight.count += 1;
    const addedMs = way.degrade?.addedMs ?? 0;
    if (addedMs > 0) setTimeout(() => this.afterDelay(way), addedMs);
    else this.tryNext();
  }

  /** A drill made it wait; under a new record it is chosen for anew. */
  private afterDelay(way: Way): void {
    if (this.over || this.way !== way) return;
    if (way.epoch === this.service.route.record?.epoch) return this.tryNext();
    this.leave();
    this.choose();
  }

  private leave(): void {
    if (this.way) this.way.lane.flight.count -= 1;
    this.way = null;
  }

  private tryNext(): void {
    const way = this.way as Way;
    const target = way.lane.pick(this.tried, performance.now());
    if (!target) return this.elsewhere();
    if (target.backend.selector === undefined) {
      this.dispatch(target, this.req.url as string, requestHeaders(this.req.headers, this.account.id), this.body);
    } else {
      this.dispatchNamed(target, target.backend.selector);
    }
  }

  private dispatch(target: Target, path: string, headers: string[], body: Buffer | Upload | null): void {
    const attempt = new Attempt(this, target);
    this.attempt = attempt;
    const sent = {
      path,
      method: this.req.method as string,
      headers,
      body: body instanceof Upload ? body.stream() : body,
    };
    target.upstream.pool.dispatch(sent, attempt);
  }

  /** Several versions answer at this address: the request is written for the one that the route chose. */
  private dispatchNamed(target: Target, selector: VersionSelector): void {
    const { req, body } = this;
    if (needsWholeBody(selector) && body instanceof Upload) {
      body.whole((whole) => this.onWhole(whole));
      return;
    }
    const asked = { method: req.method as string, url: req.url as string, headers: req.headers };
    const selected = selectRequest(selector, asked, requestHeaders(req.headers, this.account.id), body);
    if ('status' in selected) this.cannotName(selected);
    else this.dispatch(target, selected.path, selected.headers, selected.body);
  }

  private cannotName({ status, reason, detail }: Refusal): void {
    if (!this.account.hasFailed) this.refuse(status, reason, detail);
    // Its first version failed, and the one that is left cannot be named in it.
    else this.fail(502, 'no-backend', `no backend of the version answers; another one: ${detail}`, this.way);
  }

  /** The body is there: the version is chosen as if it had come in one piece. */
  private onWhole(whole: Buffer | null): void {
    if (this.over) return;
    if (!whole) return this.cannotName(tooLong(this.service.config.replayLimitBytes));
    this.body = whole;
    this.account.lookIn(whole);
    this.leave();
    this.choose();
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
    if (dead && !failed.lane.provenDead()) void askForConnections(failed.lane).then(() => this.onAsked(failed));
    else this.fallBack(failed, dead);
  }

  /** It looked dead by this request alone, and was asked for connections. */
  private onAsked(failed: Way): void {
    if (this.over) return;
    const main = this.service.main();
    // A record or a fallback of somebody else came into force meanwhile.
    if (main && main !== failed && this.routes < ROUTES_MAX) this.take(main);
    else this.fallBack(failed, main === failed && failed.lane.provenDead());
  }

  private fallBack(failed: Way | null, dead: boolean): void {
    const fallback = dead && failed ? beginFallback(this.service, failed) : null;
    // What ended two backends while nobody else was there is not sent to a third.
    if (fallback && !endedSeveral(this.tried)) this.take(fallback);
    else this.fail(502, 'no-backend', 'no backend of the version answers', failed);
  }

  onFailure(attempt: Attempt, error: Error): void {
    const { target } = attempt;
    if ((error as { code?: string }).code === 'UND_ERR_INVALID_ARG') {
      this.refuse(400, 'invalid-request', error.message);
      return;
    }
    if (this.passing) {
      this.cut();
      return;
    }
    const kind = attempt.started ? 'reset' : 'refused';
    target.health.failed(kind, performance.now(), this.account.id);
    const before = this.tried?.get(target);
    (this.tried ??= new Map()).set(target, {
      refused: kind === 'refused',
      resets: (before?.resets ?? 0) + (kind === 'reset' ? 1 : 0),
    });
    const way = this.way as Way;
    this.account.failedAt(way, target);
    if (attempt.started && this.body instanceof Upload) this.body.spoil();
    if (!this.mayRepeat(attempt)) {
      if (way === this.service.main() && way.choice.reason === 'primary' && way.lane.provenDead())
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
    const { account, req, res, service } = this;
    const way = this.way as Way;
    const { selector } = attempt.target.backend;
    const answered = { method: req.method as string, url: req.url as string, status, headers };
    const changed = changedAnswer(service.degrader, way.degrade, selector, answered);
    if (!changed) {
      const why = 'the backend compressed its answer, so the public name cannot be given back';
      this.fail(502, 'encoded-answer', why, way);
      return;
    }
    this.status = status;
    service.deadlines.remove(this);
    attempt.target.health.answered();
    this.degraded = changed.degraded;
    const length = headers['content-length'];
    const known = typeof length === 'string' && req.method !== 'HEAD' && status !== 304 ? Number(length) : -1;
    account.answering(way, status, headers, known);
    const isMiss = this.use?.isMiss === true;
    const copy = this.use?.answering(status, changed.answer?.headers ?? headers, known) ?? null;
    const head = { status, headers, requestId: account.id, version: way.choice.version, isMiss };
    this.passing = new Passing(res, head, known, changed.answer, copy);
  }

  onData(attempt: Attempt, chunk: Buffer): void {
    const isLast = (this.passing as Passing).take(chunk, attempt);
    if (!this.degraded) this.account.look(chunk);
    if (isLast) this.finish();
  }

  onEnd(): void {
    if (this.over) return;
    if ((this.passing as Passing).end()) {
      if (this.degraded?.told) this.account.look(this.degraded.told);
      this.finish();
    } else this.fail(502, 'unreadable-answer', 'the public name cannot be given back in this answer', this.way);
  }

  onFirstByteLate(): void {
    if (!this.over && this.way) this.account.late(this.way);
  }

  onRequestTooLong(): void {
    if (!this.over) this.fail(504, 'deadline', `not answered within ${this.service.config.requestMaxMs} ms`, this.way);
  }

  private finish(): void {
    const { account, use } = this;
    const way = this.way as Way;
    const target = this.attempt?.target as Target;
    // Who waits for this answer gets it, instead of being told that the request is over.
    this.use = null;
    this.close();
    const read = account.answered(way, target, this.status, this.body);
    use?.finished(way, target, account.id, this.startedAt, read);
  }

  private cut(): void {
    const { account, req, res } = this;
    const way = this.way as Way;
    this.close();
    account.cut(way, this.attempt?.target, this.status);
    const detail = 'the backend ended the connection in the middle of its answer';
    if (res.headersSent) breakOff(req, res);
    else this.endWith({ status: 502, reason: 'cut', detail, version: way.choice.version });
  }

  private fail(status: number, reason: string, detail: string, way: Way | null): void {
    this.attempt?.giveUp();
    const version = this.account.failed(way, this.attempt?.target, status, this.body);
    this.endWith({ status, reason, detail, version });
  }

  /** Refused before any version was involved; counts in no version's telemetry. */
  private refuse(status: number, reason: string, detail: string): void {
    this.service.meters.refused(reason);
    this.endWith({ status, reason, detail, version: undefined });
  }

  private endWith(answer: Omit<OwnAnswer, 'id'>): void {
    this.close();
    if (this.body instanceof Upload) this.body.abort();
    answerOurselves(this.req, this.res, { id: this.account.id, ...answer });
  }

  private onClientClosed(): void {
    if (this.over) return;
    this.attempt?.giveUp();
    if (this.body instanceof Upload) this.body.abort();
    const { way } = this;
    this.close();
    if (way) this.account.abandoned(way, this.attempt?.target, this.passing ? this.status : null);
  }

  private close(): void {
    this.over = true;
    this.service.deadlines.remove(this);
    this.use?.close();
    this.leave();
  }
}
