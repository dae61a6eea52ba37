import { z } from 'zod';
import type { HandledUnit, ItemsWindow, ModelCalls, Pipeline, TreatedItem, TreatOrder } from '../../activities/ports';
import { itemKey, itemOutcomes } from '../../domain/items/treated';
import { request } from 'undici';
import { ITEM_TWICE, PipelineRefused, PipelineUnreachable } from './errors';
import { Pace } from './pace';
import { askAll } from './redo';

export interface WebhookPipelineOptions {
  /** Paths are added: `/items`, `/batches`, `/redo`, `/flush`, `/flag`. */
  readonly url: string;
  /** Read at each call, so that a changed token needs no restart. */
  readonly token?: () => string;
  /** The receiver has one effect for each idempotency key. */
  readonly honoursKey: boolean;
  readonly timeoutMs: number;
  readonly unit: 'item' | 'batch';
  readonly concurrency: number;
  readonly models: ModelCalls;
}

const LIMIT_BYTES = 16 * 1024 * 1024;
const id = z.string().min(1).max(512);

/**
 * What is spoken with the receiver. `GET /items?version=&from=&to=&unit=&cursor=&limit=` (times in ISO 8601) answers a page
 * of what the version handled; an item of `unit=item` carries the request that its answer came from, where it can be redone.
 * `GET /batches` with the same query answers the batches that the version handled in part; 404 where there are none.
 * `POST /redo|/flush|/flag {service, incident, pipeline, item, …}` with the header `idempotency-key` answers `{outcome}`:
 * how the item ended, now or when that key was heard first.
 */
const pageSchema = z.strictObject({
  items: z.array(
    z.strictObject({
      id,
      /** Of a batch. */
      items: z.int().min(1).prefault(1),
      degraded: z.int().min(1).prefault(1),
    }),
  ),
  next: z.string().max(1_024).nullable(),
});
/** `GET /items/{id}`: what is needed to redo one item, or each item of a batch. */
const requestsSchema = z.strictObject({
  items: z.array(z.strictObject({ id, version: z.string(), request: z.json() })).max(1_000),
});
const outcomeSchema = z.strictObject({
  outcome: z.enum(itemOutcomes),
  why: z.string().max(300).nullable().prefault(null),
});

/** Any system that speaks the interface above. */
export function webhookPipeline(options: WebhookPipelineOptions): Pipeline & { close(): Promise<void> } {
  const { url, unit, models, timeoutMs, honoursKey } = options;
  const base = url.replace(/\/+$/, '');
  const asks = new Pace(options.concurrency);
  const posts = new Pace(options.concurrency);

  async function call(
    method: 'GET' | 'POST',
    path: string,
    signal: AbortSignal | null,
    post?: { readonly key: string; readonly body: unknown },
  ): Promise<{ status: number; json: unknown }> {
    const token = options.token?.();
    const limit = AbortSignal.timeout(timeoutMs);
    let status: number;
    let text: string;
    try {
      const answer = await request(`${base}${path}`, {
        method,
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
        headers: {
          accept: 'application/json',
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...(post && { 'content-type': 'application/json', 'idempotency-key': post.key }),
        },
        ...(post && { body: JSON.stringify(post.body) }),
      });
      status = answer.statusCode;
      const parts: Buffer[] = [];
      let bytes = 0;
      for await (const part of answer.body as AsyncIterable<Buffer>) {
        bytes += part.length;
        if (bytes > LIMIT_BYTES)
          throw new PipelineRefused(`${base}${path}: the answer is longer than ${LIMIT_BYTES} bytes`);
        parts.push(part);
      }
      text = Buffer.concat(parts).toString('utf8');
    } catch (error) {
      if (error instanceof PipelineRefused) throw error;
      throw new PipelineUnreachable(`${method} ${base}${path}: ${(error as Error).message}`, { cause: error });
    }
    if (status === 404) return { status, json: null };
    if (status === 408 || status === 429 || status >= 500)
      throw new PipelineUnreachable(`${method} ${base}${path} answered ${status}`);
    if (status < 200 || status >= 300) throw new PipelineRefused(`${method} ${base}${path} answered ${status}`);
    try {
      return { status, json: JSON.parse(text) };
    } catch {
      throw new PipelineRefused(`${method} ${base}${path}: expected JSON, found ${JSON.stringify(text.slice(0, 80))}`);
    }
  }

  function read<S extends z.ZodType>(schema: S, json: unknown, what: string): z.output<S> {
    const parsed = schema.safeParse(json);
    if (parsed.success) return parsed.data;
    const issue = parsed.error.issues[0];
    throw new PipelineRefused(`${base}${what}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'unreadable'}`);
  }

  async function page(path: string, window: ItemsWindow, cursor: string | null, limit: number) {
    const { version, fromMs, toMs } = window;
    const query = new URLSearchParams({
      version,
      from: new Date(fromMs).toISOString(),
      to: new Date(toMs).toISOString(),
      unit,
      limit: String(limit),
      ...(cursor !== null && { cursor }),
    });
    const { status, json } = await call('GET', `${path}?${query.toString()}`, null);
    if (status === 404) return null;
    const { items, next } = read(pageSchema, json, path);
    if (next !== null && next === cursor)
      throw new PipelineRefused(`${base}${path}: the cursor ${next} leads to itself`);
    return { units: items, next };
  }

  async function tell(
    order: TreatOrder,
    act: 'redo' | 'flush' | 'flag',
    item: string,
    more: object,
    signal: AbortSignal,
  ) {
    const { service, incident, pipeline, version: degraded } = order;
    const key = itemKey(incident, pipeline, item);
    const body = { service, incident, pipeline, item, unit: order.unit, degraded, ...more };
    const { status, json } = await posts.run(() => call('POST', `/${act}`, signal, { key, body }));
    if (status === 404) return { outcome: 'gone' as const, why: 'the pipeline does not have it any more' };
    return read(outcomeSchema, json, `/${act}`);
  }

  async function treatUnit(order: TreatOrder, { id: one }: HandledUnit, signal: AbortSignal): Promise<TreatedItem> {
    const ended = (
      outcome: TreatedItem['outcome'],
      why: string | null,
      version: string | null = null,
    ): TreatedItem => ({
      unit: one,
      item: one,
      outcome,
      why,
      version,
    });
    const flag = async (why: string): Promise<TreatedItem> => {
      const { outcome, why: said } = await tell(order, 'flag', one, { why }, signal);
      return ended(outcome, said ?? why);
    };
    if (order.action === 'flag') return await flag(order.why);
    if (order.action === 'flush') {
      const { outcome, why } = await tell(order, 'flush', one, {}, signal);
      return ended(outcome, why);
    }
    const { status, json } = await call('GET', `/items/${encodeURIComponent(one)}`, signal);
    if (status === 404) return ended('gone', 'the pipeline does not have it any more');
    const { items } = read(requestsSchema, json, '/items/…');
    if (new Set(items.map((each) => each.id)).size < items.length) return await flag(ITEM_TWICE);
    const wanted = items.map((each) => ({ item: each.id, body: each.request as never }));
    const answers = await askAll(models, asks, order, wanted, signal);
    const results: { item: string; version: string; outputs: object }[] = [];
    for (const { item } of wanted) {
      const answer = answers.get(item);
      if (answer?.kind !== 'answered') return await flag(answer?.why ?? 'the model gave no answer');
      results.push({ item, version: answer.version, outputs: answer.outputs });
    }
    const { outcome, why } = await tell(order, 'redo', one, { results }, signal);
    return ended(outcome, why, outcome === 'redone' ? (results[0]?.version ?? null) : null);
  }

  return {
    guarantee: honoursKey
      ? { kind: 'exactly-once', why: 'the receiver has one effect for each idempotency key' }
      : { kind: 'at-least-once', why: 'the receiver is not said to honour the idempotency key (honoursKey)' },
    count: () => Promise.resolve(null),
    async list(window, cursor, limit) {
      const found = await page('/items', window, cursor, limit);
      if (found === null) throw new PipelineRefused(`${base}/items answered 404`);
      return found;
    },
    async partlyHandled(window, cursor, limit) {
      return (await page('/batches', window, cursor, limit)) ?? { units: [], next: null };
    },
    async treat(order, units, signal) {
      const seen = new Set<string>();
      const twice = new Set(units.filter((one) => seen.has(one.id) || !seen.add(one.id)).map((one) => one.id));
      const once = units.filter((one, at) => units.findIndex((each) => each.id === one.id) === at);
      const settled = await Promise.allSettled(
        once.map((one) =>
          twice.has(one.id)
            ? treatUnit({ ...order, action: 'flag', why: ITEM_TWICE }, one, signal)
            : treatUnit(order, one, signal),
        ),
      );
      const fault = settled.find((one) => one.status === 'rejected');
      if (fault) throw fault.reason;
      return settled.map((one) => (one as PromiseFulfilledResult<TreatedItem>).value);
    },
    close: () => Promise.resolve(),
  };
}
