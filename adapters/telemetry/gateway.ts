import { z } from 'zod';
import type { Telemetry } from '../../activities/ports';
import type { SampledInputs } from '../environment/sampled-inputs';
import {
  answerAtSchema,
  answerLookupSchema,
  feedbackBatchSchema,
  feedbackResultSchema,
  sampledInputsSchema,
  sampleSchema,
  telemetryRowSchema,
  type CountsRow,
} from '../../gateway/protocol';
import {
  asGatewayError,
  gatewayControl,
  GatewayAnswerRefused,
  GatewayError,
  parseAnswer,
  type GatewayControlOptions,
} from '../traffic/gateway-control';
import { lines, SourceSilent } from './lines';

export interface GatewayTelemetryOptions extends GatewayControlOptions {
  /** Silence after which a followed source counts as gone; it gives a sign of life each second. Default 3 s. */
  readonly silenceMs?: number;
  /** Longest row; default 256 KiB. */
  readonly limitLineBytes?: number;
}

/** The source cannot be followed or asked (now); the caller decides what that means. */
export class TelemetryUnreachable extends GatewayError {}

/** Reading and checking an hour in one piece keeps the gateway and the controller from their other work for 100 ms. */
const WINDOW_SLICE_MS = 60_000;

const windowSchema = z.object({ rows: z.array(telemetryRowSchema) });
const samplesSchema = z.object({ off: z.boolean().optional(), samples: z.array(sampleSchema) });

/** Telemetry of the gateway. Rejects with {@link TelemetryUnreachable}. */
export function gatewayTelemetry(
  options: GatewayTelemetryOptions,
): Telemetry & SampledInputs & { close(): Promise<void> } {
  const control = gatewayControl(options);
  const at = (service: string): string => `/services/${encodeURIComponent(service)}`;
  const silenceMs = options.silenceMs ?? 3_000;
  const limitLineBytes = options.limitLineBytes ?? 256 * 1024;

  async function ask<T>(schema: z.ZodType<T>, method: 'GET' | 'POST', path: string, body?: unknown): Promise<T> {
    try {
      const { status, json } = await control.call(method, path, body);
      if (status !== 200) throw new GatewayAnswerRefused(`${method} ${path}: ${status} ${JSON.stringify(json)}`);
      return parseAnswer(schema, json, `${method} ${path}`);
    } catch (fault) {
      throw unreachable(fault, `${method} ${path}`);
    }
  }

  return {
    async *follow(service, cursor, signal) {
      const path = `${at(service)}/telemetry?after=${cursor}&follow=1`;
      // Ends the connection also when the caller just leaves its loop.
      const ended = new AbortController();
      const either = AbortSignal.any([signal, ended.signal]);
      let last = cursor;
      try {
        const body = await withinSilence(control.open(path, either), silenceMs, path);
        for await (const line of lines(body, { limitBytes: limitLineBytes, silenceMs })) {
          if (signal.aborted) return;
          if (line === '') {
            yield null;
            continue;
          }
          const row = parseAnswer(telemetryRowSchema, json(line, path), `${path}, after row ${last}`);
          // A row that comes again would count twice; a gap would be lost evidence that nobody notices.
          if (row.seq <= last) throw new GatewayAnswerRefused(`${path}: row ${row.seq} after row ${last}`);
          last = row.seq;
          yield row;
        }
        if (!signal.aborted) throw new TelemetryUnreachable(`${path}: the gateway ended the stream after row ${last}`);
      } catch (fault) {
        if (signal.aborted) return;
        throw unreachable(fault, path);
      } finally {
        ended.abort();
      }
    },
    async window(service, fromMs, toMs) {
      const found: CountsRow[] = [];
      for (let from = fromMs; from < toMs; from += WINDOW_SLICE_MS) {
        const to = Math.min(toMs, from + WINDOW_SLICE_MS);
        const { rows } = await ask(windowSchema, 'GET', `${at(service)}/window?from=${from}&to=${to}`);
        for (const row of rows) if (row.kind === 'counts') found.push(row);
      }
      return found;
    },
    async samples(service, { version, labelled, limit }) {
      const query = new URLSearchParams({ limit: String(limit) });
      if (version !== undefined) query.set('version', version);
      if (labelled === true) query.set('labelled', '1');
      const { off, samples } = await ask(samplesSchema, 'GET', `${at(service)}/samples?${query.toString()}`);
      return { off: off === true, samples };
    },
    async inputs(service, fromMs, toMs, limit) {
      const path = `${at(service)}/inputs?from=${Math.floor(fromMs)}&to=${Math.ceil(toMs)}&limit=${limit}`;
      const { off, inputs } = await ask(sampledInputsSchema, 'GET', path);
      return { off: off === true, inputs };
    },
    feedback: (service, items) => {
      const batch = feedbackBatchSchema.parse({ items });
      return ask(feedbackResultSchema, 'POST', `${at(service)}/feedback`, batch);
    },
    answer: (requestId) => ask(answerLookupSchema, 'GET', `/answers/${encodeURIComponent(requestId)}`),
    answersAt: (service, atMs) => ask(answerAtSchema, 'GET', `${at(service)}/answers?at=${atMs}`),
    close: () => control.close(),
  };
}

async function withinSilence<T>(work: Promise<T>, silenceMs: number, path: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TelemetryUnreachable(`${path}: no answer within ${silenceMs} ms`)), silenceMs);
  });
  // The loser of the race may still reject later; that is nobody's news any more.
  work.catch(() => undefined);
  try {
    return await Promise.race([work, silence]);
  } finally {
    clearTimeout(timer);
  }
}

function json(line: string, path: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new GatewayAnswerRefused(`${path}: expected a row, found ${JSON.stringify(line.slice(0, 80))}`);
  }
}

function unreachable(fault: unknown, what: string): TelemetryUnreachable {
  if (fault instanceof TelemetryUnreachable) return fault;
  const why = fault instanceof SourceSilent ? fault.message : null;
  return new TelemetryUnreachable(asGatewayError(fault, what, why).message, { cause: fault });
}
