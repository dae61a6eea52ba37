import type { IncomingMessage } from 'node:http';
import type { GatewayServiceConfig, Sample, SampledInput } from './protocol';
import { sessionSha } from './sessions';
import type { Storage } from './storage';

const REDACTED = '[redacted]';
const PENDING_MAX = 500;
const FLUSH_MS = 200;
/** Finding the oldest of those that may stay walks over all of them. */
const TRIM_MS = 1_000;
/** Bodies of one answer to a question for inputs. */
const INPUTS_LIMIT_BYTES = 8 << 20;

export interface SampleInput extends Omit<Sample, 'label' | 'body' | 'answer' | 'finish'> {
  readonly body: Buffer;
  readonly answer: string | null;
  readonly finish: string | null;
  readonly session: string | undefined;
  /** Not answered, or with a 5xx: what was asked tells of the inputs, and there is no answer to compare with. */
  readonly failed: boolean;
}

/** A request for deletion meets a legal hold. */
export class UnderLegalHold extends Error {
  override readonly name = 'UnderLegalHold';
  constructor(service: string) {
    super(
      `nothing was deleted: ${service} is under a legal hold (services.${service}.legalHold). Note the request, and repeat it when the hold has ended`,
    );
  }
}

/**
 * Samples of requests for replay, off until a service turns them on. A ring by count and age; the configured fields of
 * a JSON body are redacted before the first write, and a body that cannot be redacted is not kept.
 */
export class Samples {
  readonly on: boolean;
  private pending: SampleInput[] = [];
  private timer: NodeJS.Timeout | null = null;
  private trimmedAtMs = 0;
  private readonly redact: ReadonlySet<string>;

  constructor(
    private readonly storage: Storage,
    private readonly service: string,
    private readonly config: GatewayServiceConfig['samples'],
    private readonly isHeld = false,
  ) {
    this.on = config.share > 0 && config.maxCount > 0;
    this.redact = new Set(config.redactFields);
  }

  /** Whether this request is one of the sample. */
  draws(random: number): boolean {
    return this.on && random < this.config.share;
  }

  /** Keeps a request whose whole body is at hand; streamed and long ones are no samples. */
  keep(req: IncomingMessage, body: unknown, of: Omit<SampleInput, 'atMs' | 'path' | 'contentType' | 'body'>): void {
    if (!(body instanceof Buffer)) return;
    // Without its query: some clients put their key there.
    const path = (req.url ?? '/').split('?', 1)[0] as string;
    this.add({ ...of, atMs: Date.now(), path, contentType: req.headers['content-type'] ?? '', body });
  }

  private add(sample: SampleInput): void {
    if (this.pending.length >= PENDING_MAX) return;
    this.pending.push(sample);
    this.timer ??= setTimeout(() => this.flush(), FLUSH_MS);
  }

  flush(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    const samples = this.pending;
    this.pending = [];
    if (samples.length === 0) return;
    const insert = this.storage.prepare(
      'INSERT INTO samples (service, request_id, at_ms, version, path, content_type, body, predicted, score, label, ' +
        'session_sha, answer, finish, failed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, (SELECT label FROM feedback WHERE service = ? AND ' +
        'request_id = ?), ?, ?, ?, ?)',
    );
    try {
      this.storage.transaction(() => {
        for (const each of samples) {
          const body = redacted(each.body, each.contentType, this.redact);
          if (body === null) continue;
          const sha = each.session === undefined ? null : sessionSha(each.session);
          const answer = each.answer === null ? null : redactedText(each.answer, this.redact);
          const { requestId, atMs, version, path, contentType, predicted, score } = each;
          insert.run(
            this.service, requestId, atMs, version, path, contentType, body, predicted, score, this.service, requestId, sha,
            answer, each.finish, each.failed ? 1 : 0,
          ); // prettier-ignore
        }
        this.trimNowAndThen(Date.now());
      });
    } catch {
      // A sample is worth no trouble: the next one comes.
    }
  }

  newest(version: string | null, labelledOnly: boolean, limit: number): Sample[] {
    this.settle();
    const rows = this.storage
      .prepare(
        'SELECT * FROM samples WHERE service = ? AND failed = 0 AND at_ms >= ? AND (? IS NULL OR version = ?) ' +
          'AND (? = 0 OR label IS NOT NULL) ORDER BY id DESC LIMIT ?',
      )
      .all(this.service, Date.now() - this.config.maxAgeMs, version, version, labelledOnly ? 1 : 0, limit);
    return (rows as Record<string, never>[]).map((row) => ({
      requestId: row['request_id'] as unknown as string,
      atMs: row['at_ms'] as unknown as number,
      version: row['version'] as unknown as string,
      path: row['path'] as unknown as string,
      contentType: row['content_type'] as unknown as string,
      body: row['body'] as unknown as string,
      predicted: row['predicted'] as unknown as string | null,
      score: row['score'] as unknown as number | null,
      label: row['label'] as unknown as string | null,
      answer: row['answer'] as unknown as string | null,
      finish: row['finish'] as unknown as string | null,
    }));
  }

  /** What was asked in [fromMs, toMs), the newest `limit`, oldest first; those that failed as well. */
  inputs(fromMs: number, toMs: number, limit: number): SampledInput[] {
    this.settle();
    const rows = this.storage
      .prepare(
        'SELECT at_ms, version, path, content_type, body, failed FROM samples WHERE service = ? AND at_ms >= ? AND at_ms < ? ' +
          'ORDER BY id DESC LIMIT ?',
      )
      .all(this.service, Math.max(fromMs, Date.now() - this.config.maxAgeMs), toMs, limit) as StoredInput[];
    const inputs: SampledInput[] = [];
    let bytes = 0;
    for (const { at_ms: atMs, version, path, content_type: contentType, body, failed } of rows) {
      bytes += body.length;
      if (bytes > INPUTS_LIMIT_BYTES) break;
      inputs.push({ atMs, version, path, contentType, body, failed: failed === 1 });
    }
    return inputs.reverse();
  }

  label(requestId: string, label: string): void {
    if (!this.on) return;
    this.storage
      .prepare('UPDATE samples SET label = ? WHERE service = ? AND request_id = ?')
      .run(label, this.service, requestId);
  }

  /** Deletes by request or by session; returns how many. Throws {@link UnderLegalHold}. */
  remove(by: { readonly requestId: string } | { readonly session: string }): number {
    if (this.isHeld) throw new UnderLegalHold(this.service);
    this.flush();
    const [column, value] = 'requestId' in by ? ['request_id', by.requestId] : ['session_sha', sessionSha(by.session)];
    return this.storage.prepare(`DELETE FROM samples WHERE service = ? AND ${column} = ?`).run(this.service, value)
      .changes;
  }

  /** Who reads sees what the limits leave. */
  private settle(): void {
    this.flush();
    this.trim(Date.now());
  }

  /** Between two housekeepings the table may grow past its limit by what comes in a second, not by more. */
  private trimNowAndThen(nowMs: number): void {
    if (nowMs - this.trimmedAtMs < TRIM_MS && nowMs >= this.trimmedAtMs) return;
    this.trim(nowMs);
  }

  trim(nowMs: number): void {
    this.trimmedAtMs = nowMs;
    if (this.isHeld) return;
    this.storage
      .prepare('DELETE FROM samples WHERE service = ? AND at_ms < ?')
      .run(this.service, nowMs - this.config.maxAgeMs);
    this.storage
      .prepare(
        'DELETE FROM samples WHERE service = ? AND id <= (SELECT id FROM samples WHERE service = ? ORDER BY id DESC LIMIT 1 OFFSET ?)',
      )
      .run(this.service, this.service, this.config.maxCount);
  }
}

interface StoredInput {
  readonly at_ms: number;
  readonly version: string;
  readonly path: string;
  readonly content_type: string;
  readonly body: string;
  readonly failed: number;
}

/**
 * An answer that is JSON itself has fields to redact too; other text has none. What names such a field and cannot be
 * read as JSON, because it was cut, is not kept.
 */
function redactedText(text: string, fields: ReadonlySet<string>): string | null {
  if (fields.size === 0) return text;
  const clean = redacted(Buffer.from(text), 'application/json', fields);
  if (clean !== null) return clean;
  return [...fields].some((field) => text.includes(JSON.stringify(field))) ? null : text;
}

/** The body as text with the named fields replaced at any depth; null where that cannot be done. */
export function redacted(body: Buffer, contentType: string, fields: ReadonlySet<string>): string | null {
  const text = body.toString('utf8');
  if (Buffer.byteLength(text) !== body.length || text.includes('\uFFFD')) return null;
  if (fields.size === 0) return text;
  if (!/^application\/([\w.+-]+\+)?json\b/i.test(contentType)) return null;
  try {
    return JSON.stringify(JSON.parse(text), (key, value: unknown) => (fields.has(key) ? REDACTED : value));
  } catch {
    return null;
  }
}
