import type { IncomingMessage } from 'node:http';
import type { Dispatcher } from 'undici';
import type { Account } from './account';
import type { MirrorLabels } from './feedback';
import { requestHeaders } from './headers';
import { selectRequest } from './naming/selected-request';
import type { Mirrored, MirrorItem } from './drill-protocol';
import { uuidV7 } from './request-id';
import type { Service, Way } from './service';
import { Upload } from './upload';
import type { Target } from './upstream';

/** Copies under way at the same time: beyond it none is made, users' requests go first. */
const UNDER_WAY_MAX = 8;
const READ_MAX_BYTES = 65_536;
/** Answers that a label may still come for. */
const ANSWERS_MAX = 20_000;

interface Asked {
  readonly id: string;
  readonly method: string;
  readonly url: string;
  /** Flat list of pairs, as undici takes it. */
  readonly headers: string[];
  readonly body: Buffer | null;
  readonly label?: string;
}

interface Answered {
  readonly way: Way;
  readonly predicted: string;
  readonly atMs: number;
}

/**
 * Copies of requests for a drill: the version of its share is asked, its answer is counted in the drill's cohort, and
 * nobody gets it. Nothing here holds a user's request up or touches a count of the live version.
 */
export class Mirror implements MirrorLabels {
  /** Copies that were not made because enough were under way. */
  skipped = 0;
  private underWay = 0;
  private readonly answers = new Map<string, Answered>();

  constructor(private readonly service: Service) {}

  /** A copy of a user's request, where a drill wants one. Only of those that go where they would go without the drill. */
  copy(req: IncomingMessage, account: Account, way: Way, body: Buffer | Upload | null): void {
    // Nearly always; it is asked for each request.
    if (this.service.route.record?.share === undefined) return;
    const to = this.service.mirrorWay(Date.now());
    if (to === null || account.probe || way.choice.reason !== 'primary' || body instanceof Upload) return;
    if (req.method !== 'POST' || Math.random() >= to.weight) return;
    const { id } = account;
    const headers = requestHeaders(req.headers, id);
    void this.ask(to.way, { id, method: req.method, url: req.url as string, headers, body });
  }

  /** Recorded inputs instead of users' requests, a few at a time. */
  async replay(drill: string, items: readonly MirrorItem[]): Promise<Mirrored> {
    let asked = 0;
    let running = true;
    const before = this.skipped;
    const waiting = [...items];
    const lane = async (): Promise<void> => {
      for (let item = waiting.shift(); item; item = waiting.shift()) {
        const to = this.service.mirrorWay(Date.now());
        if (to === null || to.drill !== drill) {
          running = false;
          return;
        }
        const { path: url, contentType, body, label } = item;
        const id = uuidV7(Date.now());
        const headers = ['content-type', contentType, 'x-request-id', id];
        asked += 1;
        const bytes = Buffer.from(body);
        await this.ask(to.way, {
          id,
          method: 'POST',
          url,
          headers,
          body: bytes,
          ...(label !== undefined && { label }),
        });
      }
    };
    await Promise.all(Array.from({ length: Math.min(UNDER_WAY_MAX / 2, items.length) }, lane));
    return { running, asked, skipped: this.skipped - before };
  }

  /** The label of a request whose copy was answered too. */
  labelled(requestId: string, label: string, before: string | null): void {
    const answer = this.answers.get(requestId);
    if (!answer) return;
    const { way, predicted, atMs } = answer;
    const delayMs = Math.max(0, Date.now() - atMs);
    const { recorder } = this.service;
    if (before !== null) recorder.label(way.counted, before, -1, before === predicted, delayMs);
    recorder.label(way.counted, label, 1, label === predicted, delayMs);
  }

  private async ask(way: Way, asked: Asked): Promise<void> {
    if (this.underWay >= UNDER_WAY_MAX) {
      this.skipped += 1;
      return;
    }
    const target = way.lane.pick(null, performance.now());
    if (!target) return;
    this.underWay += 1;
    // Counted as in flight on the version: its copy is not stopped in the middle of an answer.
    way.lane.flight.count += 1;
    try {
      await this.answer(way, target, asked);
    } finally {
      way.lane.flight.count -= 1;
      this.underWay -= 1;
    }
  }

  private async answer(way: Way, target: Target, asked: Asked): Promise<void> {
    const { recorder, reader, degrader, config } = this.service;
    const beganAt = performance.now();
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      recorder.timedOut(way.counted);
    }, config.firstByteMs);
    try {
      const addedMs = way.degrade?.addedMs ?? 0;
      if (addedMs > 0) await new Promise((resolve) => setTimeout(resolve, addedMs));
      const { status, body } = await dispatched(target, asked, config.requestMaxMs, () => clearTimeout(timer));
      if (late) return;
      recorder.answered(way.counted, status, performance.now() - beganAt);
      if (status < 200 || status > 299 || !reader.counted) return;
      const told = way.degrade ? degrader.degrade(way.degrade, body, Math.random()) : body;
      const { predicted, score } = reader.read(told);
      recorder.predicted(way.counted, predicted, score, reader.expectsClass);
      if (predicted !== null) this.remember(way, asked, predicted);
    } catch {
      if (!late) recorder.failed(way.counted);
    } finally {
      clearTimeout(timer);
    }
  }

  private remember(way: Way, { id, label }: Asked, predicted: string): void {
    this.answers.set(id, { way, predicted, atMs: Date.now() });
    const oldest = this.answers.size > ANSWERS_MAX ? this.answers.keys().next().value : undefined;
    if (oldest !== undefined) this.answers.delete(oldest);
    if (label !== undefined) this.labelled(id, label, null);
  }
}

function paired(flat: readonly string[]): Record<string, string> {
  return Object.fromEntries(flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1] ?? ''] as const] : [])));
}

/** One request to one backend, read to its end. Rejects where it was not answered whole. */
function dispatched(
  target: Target,
  asked: Asked,
  limitMs: number,
  onFirstByte: () => void,
): Promise<{ status: number; body: Buffer }> {
  const { method, url, body } = asked;
  const { selector } = target.backend;
  const named =
    selector === undefined
      ? null
      : selectRequest(selector, { method, url, headers: paired(asked.headers) }, asked.headers, body);
  if (named !== null && 'status' in named) return Promise.reject(new Error(named.detail));
  const sent = named ?? { path: url, headers: asked.headers, body };
  return new Promise((resolve, reject) => {
    let status = 0;
    let bytes = 0;
    const chunks: Buffer[] = [];
    let controller: Dispatcher.DispatchController | null = null;
    const timer = setTimeout(() => {
      const late = new Error(`not answered within ${limitMs} ms`);
      controller?.abort(late);
      reject(late);
    }, limitMs);
    target.upstream.pool.dispatch(
      {
        path: sent.path,
        method,
        headers: [...sent.headers, 'x-lastgood-mirror', '1'],
        body: sent.body as Buffer | null,
      },
      {
        onRequestStart(started) {
          controller = started;
        },
        onResponseStart(_, code) {
          if (code < 200) return;
          status = code;
          onFirstByte();
        },
        onResponseData(_, chunk) {
          bytes += chunk.length;
          if (bytes <= READ_MAX_BYTES) chunks.push(chunk);
        },
        onResponseEnd() {
          clearTimeout(timer);
          resolve({ status, body: Buffer.concat(chunks) });
        },
        onResponseError(_, error) {
          clearTimeout(timer);
          reject(error);
        },
      },
    );
  });
}
