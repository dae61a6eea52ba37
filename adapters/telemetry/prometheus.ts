import { request } from 'undici';
import { z } from 'zod';
import type { OutsideValue } from '../../domain/detection/outside-metric';

/** No connection, no whole answer in time, or an error of the server: what was asked is not known. */
export class PrometheusUnreachable extends Error {
  override readonly name = 'PrometheusUnreachable';
}

/** The server answered, and the query is wrong, gives more than one series, or is no Prometheus. */
export class PrometheusAnswerRefused extends Error {
  override readonly name = 'PrometheusAnswerRefused';
}

export interface PrometheusQuery {
  /** Base address; a path in it (a reverse proxy's) is kept. */
  readonly url: string;
  /** PromQL that gives one series. */
  readonly query: string;
}

export interface PrometheusOptions {
  /** For one whole answer; default 5 s. */
  readonly timeoutMs?: number;
  /** Longest answer that is read; default 4 MiB. */
  readonly limitBytes?: number;
}

export interface Prometheus {
  /**
   * Values of [fromMs, toMs) at least `everyMs` apart, oldest first. NaN and infinities are left out: nothing was
   * measured there. No series is an empty list.
   */
  range(asked: PrometheusQuery, fromMs: number, toMs: number, everyMs: number): Promise<OutsideValue[]>;
  /** The value now; null where there is none. */
  now(asked: PrometheusQuery): Promise<OutsideValue | null>;
}

/** The server refuses more than 11,000 points of one series. */
const POINTS_MAX = 10_000;

const sample = z.tuple([z.number(), z.string()]);
const answerSchema = z.discriminatedUnion('status', [
  z.object({
    status: z.literal('success'),
    data: z.discriminatedUnion('resultType', [
      z.object({
        resultType: z.literal('matrix'),
        result: z.array(z.object({ metric: z.record(z.string(), z.string()), values: z.array(sample) })),
      }),
      z.object({
        resultType: z.literal('vector'),
        result: z.array(z.object({ metric: z.record(z.string(), z.string()), value: sample })),
      }),
      z.object({ resultType: z.literal('scalar'), result: sample }),
      z.object({ resultType: z.literal('string'), result: sample }),
    ]),
  }),
  z.object({ status: z.literal('error'), errorType: z.string(), error: z.string() }),
]);
type PrometheusData = Extract<z.infer<typeof answerSchema>, { status: 'success' }>['data'];

/** Prometheus' HTTP API. Rejects with {@link PrometheusUnreachable} or {@link PrometheusAnswerRefused}. */
export function prometheus(options: PrometheusOptions = {}): Prometheus {
  const timeoutMs = options.timeoutMs ?? 5_000;
  const limitBytes = options.limitBytes ?? 4 * 1024 * 1024;

  async function ask({ url, query }: PrometheusQuery, path: string, more: Record<string, string>) {
    const what = `${url}: ${query}`;
    const { status, text } = await call(`${url.replace(/\/+$/, '')}/api/v1/${path}`, { query, ...more }, what);
    const answer = answerSchema.safeParse(parsed(text));
    if (!answer.success) {
      if (status >= 500) throw new PrometheusUnreachable(`${what}: answered ${status}`);
      throw new PrometheusAnswerRefused(`${what}: answered ${status} and nothing that Prometheus would say`);
    }
    if (answer.data.status === 'success') return { what, data: answer.data.data };
    const said = `${what}: ${answer.data.errorType}: ${answer.data.error.slice(0, 300)}`;
    // A query that took too long, and a server that cannot answer now, may answer the next time.
    if (status >= 500) throw new PrometheusUnreachable(said);
    throw new PrometheusAnswerRefused(said);
  }

  async function call(
    url: string,
    form: Record<string, string>,
    what: string,
  ): Promise<{ status: number; text: string }> {
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      // As a form: a long query does not fit into every proxy's address line.
      const answer = await request(url, {
        method: 'POST',
        signal,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams(form).toString(),
      });
      const parts: Buffer[] = [];
      let bytes = 0;
      for await (const part of answer.body as AsyncIterable<Buffer>) {
        bytes += part.length;
        if (bytes > limitBytes)
          throw new PrometheusAnswerRefused(`${what}: the answer is longer than ${limitBytes} bytes`);
        parts.push(part);
      }
      return { status: answer.statusCode, text: Buffer.concat(parts).toString('utf8') };
    } catch (fault) {
      if (fault instanceof PrometheusAnswerRefused) throw fault;
      const why = signal.aborted ? `no whole answer within ${timeoutMs} ms` : String((fault as Error).message);
      throw new PrometheusUnreachable(`${what}: ${why}`, { cause: fault });
    }
  }

  return {
    async range(asked, fromMs, toMs, everyMs) {
      if (toMs <= fromMs) return [];
      const stepMs = Math.max(everyMs, Math.ceil((toMs - fromMs) / POINTS_MAX), 1);
      // On a grid of its own: the same window asked again, a little later, gives the same points again.
      const start = Math.ceil(fromMs / stepMs) * stepMs;
      if (start >= toMs) return [];
      const { what, data } = await ask(asked, 'query_range', {
        start: String(start / 1_000),
        end: String((toMs - 1) / 1_000),
        step: String(stepMs / 1_000),
      });
      return samplesOf(data, what).flatMap(valueOf);
    },
    async now(asked) {
      const { what, data } = await ask(asked, 'query', {});
      const [first] = samplesOf(data, what);
      return first === undefined ? null : (valueOf(first)[0] ?? null);
    },
  };
}

function samplesOf(data: PrometheusData, what: string): z.infer<typeof sample>[] {
  switch (data.resultType) {
    case 'scalar':
      return [data.result];
    case 'string':
      throw new PrometheusAnswerRefused(`${what}: found a text, expected numbers`);
    case 'matrix':
    case 'vector': {
      const [first, second] = data.result;
      if (first === undefined) return [];
      if (second !== undefined) {
        const labels = JSON.stringify(second.metric).slice(0, 200);
        throw new PrometheusAnswerRefused(
          `${what}: found ${data.result.length} series, expected one (the second has ${labels}); put them together, as by sum(…) or max(…)`,
        );
      }
      return 'values' in first ? first.values : [first.value];
    }
  }
}

function valueOf([seconds, text]: z.infer<typeof sample>): OutsideValue[] {
  const value = Number(text);
  return Number.isFinite(value) && text.trim() !== '' ? [{ atMs: Math.round(seconds * 1_000), value, n: null }] : [];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
