import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { z } from 'zod';
import { answersAround, findAnswers } from './answer-files';
import { itemsAnswered } from './answer-items';
import { describeIssues } from './config';
import { streamTelemetry } from './control-follow';
import { ControlError, countParam, numberParam, readJson, sendJson } from './control-http';
import { mirrorBatchSchema } from './drill-protocol';
import { CONTROL_PREFIX, feedbackBatchSchema, gatewayCacheDropSchema, observationBatchSchema } from './protocol';
import { UnderLegalHold } from './samples';
import type { Service } from './service';

const ROUTE_LIMIT_BYTES = 1 << 20;
const FEEDBACK_LIMIT_BYTES = 16 << 20;
const SAMPLES_MAX = 5_000;
const ITEMS_MAX = 5_000;
const INPUTS_MAX = 1_000;
const OBSERVATIONS_MAX = 20_000;

const fenceSchema = z.strictObject({ epoch: z.int().min(0) });

export interface ControlContext {
  readonly services: ReadonlyMap<string, Service>;
  /** Bearer token where the listener is a port; on a Unix socket the file's mode is the guard. */
  readonly token: string | null;
  readonly health: () => unknown;
}

/** The control interface: reads, changes of the route, feedback, observations. */
export function controlServer(context: ControlContext): Server {
  const server = createServer((req, res) => {
    handle(context, req, res).catch((error: unknown) => {
      if (res.headersSent) {
        res.destroy();
        return;
      }
      const status = error instanceof ControlError ? error.status : 500;
      if (!req.complete) res.setHeader('connection', 'close');
      sendJson(res, status, { error: error instanceof Error ? error.message : String(error) });
    });
  });
  server.keepAliveTimeout = 75_000;
  server.requestTimeout = 60_000;
  return server;
}

async function handle(context: ControlContext, req: IncomingMessage, res: ServerResponse): Promise<void> {
  if (context.token !== null && !bearerIs(req.headers.authorization, context.token)) {
    throw new ControlError(401, 'expected the header authorization: Bearer <control token>');
  }
  const url = addressed(req.url ?? '/');
  if (!url.pathname.startsWith(`${CONTROL_PREFIX}/`)) throw new ControlError(404, `no such path: ${url.pathname}`);
  const [kind, name, action, ...more] = url.pathname
    .slice(CONTROL_PREFIX.length + 1)
    .split('/')
    .map(decoded);
  if (more.length > 0) throw new ControlError(404, `no such path: ${url.pathname}`);
  if (kind === 'health' && name === undefined) return sendJson(res, 200, context.health());
  if (kind === 'answers' && name !== undefined && action === undefined) {
    return sendJson(res, 200, await lookUp(context, name));
  }
  if (kind !== 'services' || name === undefined) throw new ControlError(404, `no such path: ${url.pathname}`);
  const service = context.services.get(name);
  if (!service) throw new ControlError(404, `no such service: ${name}`);
  return serviceRequest(service, `${req.method} ${action ?? ''}`.trim(), url.searchParams, req, res);
}

/** `//` and some others are no addresses, although they came as a path. */
function addressed(target: string): URL {
  if (!URL.canParse(target, 'http://control')) throw new ControlError(400, `no such path: ${target.slice(0, 200)}`);
  return new URL(target, 'http://control');
}

async function serviceRequest(
  service: Service,
  what: string,
  query: URLSearchParams,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const now = Date.now();
  switch (what) {
    case 'GET':
      return sendJson(res, 200, service.state(now));
    case 'GET stored':
      return sendJson(res, 200, service.stored());
    case 'PUT route': {
      const record = await readJson(req, ROUTE_LIMIT_BYTES);
      // It may have waited in the socket of a frozen process, and be overtaken: the peers' floor comes first.
      await service.returning?.settled();
      const result = service.apply(record, Date.now());
      return sendJson(res, result.applied ? 200 : 409, result);
    }
    case 'POST fence': {
      const { epoch } = parse(fenceSchema, await readJson(req, ROUTE_LIMIT_BYTES));
      return sendJson(res, 200, { floor: service.route.fence(epoch, Date.now()) });
    }
    case 'GET telemetry':
      return streamTelemetry(service, res, {
        after: countParam(query, 'after', 0),
        limit: countParam(query, 'limit', Number.MAX_SAFE_INTEGER),
        follow: query.get('follow') === '1',
      });
    case 'GET window':
      service.readAtMs = now;
      return sendJson(res, 200, {
        rows: service.telemetry.window(numberParam(query, 'from'), numberParam(query, 'to')),
      });
    case 'GET samples': {
      if (!service.samples.on) return sendJson(res, 200, { off: true, samples: [] });
      const limit = Math.min(countParam(query, 'limit', 100), SAMPLES_MAX);
      const samples = service.samples.newest(query.get('version'), query.get('labelled') === '1', limit);
      return sendJson(res, 200, { samples });
    }
    case 'GET inputs': {
      if (!service.samples.on) return sendJson(res, 200, { off: true, inputs: [] });
      const limit = Math.min(countParam(query, 'limit', 100), INPUTS_MAX);
      const [from, to] = [numberParam(query, 'from'), numberParam(query, 'to')];
      return sendJson(res, 200, { inputs: service.samples.inputs(from, to, limit) });
    }
    case 'DELETE samples':
      return sendJson(res, 200, { deleted: deleteSamples(service, query) });
    case 'POST feedback': {
      const batch = parse(feedbackBatchSchema, await readJson(req, FEEDBACK_LIMIT_BYTES));
      return sendJson(res, 200, await service.feedback.take(batch.items, Date.now()));
    }
    case 'POST mirror': {
      const { drill, items } = parse(mirrorBatchSchema, await readJson(req, FEEDBACK_LIMIT_BYTES));
      const mirrored = await service.mirror.replay(drill, items);
      return sendJson(res, mirrored.running ? 200 : 409, mirrored);
    }
    case 'POST observations': {
      const batch = parse(observationBatchSchema, await readJson(req, FEEDBACK_LIMIT_BYTES));
      const answer = service.observations.take(batch, Date.now());
      return sendJson(res, answer.taken ? 200 : 409, answer);
    }
    case 'GET observations': {
      const limit = Math.min(countParam(query, 'limit', OBSERVATIONS_MAX), OBSERVATIONS_MAX);
      const [from, to] = [numberParam(query, 'from'), numberParam(query, 'to')];
      return sendJson(res, 200, { values: service.observations.values(query.get('metric') ?? '', from, to, limit) });
    }
    case 'GET cache':
      return sendJson(res, 200, service.cache?.state(now) ?? { off: true });
    case 'POST cache': {
      const { versions, by } = parse(gatewayCacheDropSchema, await readJson(req, ROUTE_LIMIT_BYTES));
      return sendJson(res, 200, { dropped: service.cache?.drop(versions, by, Date.now()) ?? 0 });
    }
    case 'GET items': {
      const limit = Math.min(countParam(query, 'limit', ITEMS_MAX), ITEMS_MAX);
      const [fromMs, toMs] = [numberParam(query, 'from'), numberParam(query, 'to')];
      const asked = { version: query.get('version') ?? '', fromMs, toMs, cursor: query.get('cursor'), limit };
      return sendJson(res, 200, await itemsAnswered(service.answers, asked));
    }
    case 'GET answers': {
      const at = numberParam(query, 'at');
      const versions = await answersAround(service.answers, at);
      return sendJson(res, 200, { at, versions, gaps: service.telemetry.gaps(at - 30_000, at + 30_000) });
    }
    default:
      throw new ControlError(404, `no such request: ${what}`);
  }
}

/** The answer with this id, of any service; else why it is not known, with the times whose answers may be lost. */
async function lookUp(context: ControlContext, id: string): Promise<unknown> {
  const gaps: { fromMs: number; toMs: number; why: string }[] = [];
  for (const service of context.services.values()) {
    const { requestMaxMs, answerRetentionDays } = service.config;
    const notBeforeMs = Date.now() - answerRetentionDays * 86_400_000;
    const answer = (await findAnswers(service.answers, [id], { notBeforeMs, requestMaxMs })).get(id);
    if (answer) return { known: true, answer };
    gaps.push(...service.telemetry.gaps(notBeforeMs, Date.now()));
  }
  const why =
    gaps.length > 0
      ? 'no line of the answer record has this id; some are lost'
      : 'no line of the answer record has this id';
  return { known: false, why, gaps };
}

function deleteSamples(service: Service, query: URLSearchParams): number {
  const [requestId, session] = [query.get('requestId'), query.get('session')];
  try {
    if (requestId !== null) return service.samples.remove({ requestId });
    if (session !== null) return service.samples.remove({ session });
  } catch (error) {
    if (error instanceof UnderLegalHold) throw new ControlError(409, error.message);
    throw error;
  }
  throw new ControlError(400, 'expected the parameter requestId or session');
}

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new ControlError(400, describeIssues(parsed.error));
  return parsed.data;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new ControlError(400, `cannot decode ${JSON.stringify(part)} in the path`);
  }
}

/** Compares digests: neither the time nor the length tells anything about the token. */
function bearerIs(header: string | undefined, token: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(header ?? ''), digest(`Bearer ${token}`));
}
