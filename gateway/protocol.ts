import { z } from 'zod';
import { gapSchema } from './answer-protocol';
import type { RouteRecord } from '../domain/route';
import { shareSchema } from './drill-protocol';
import { EVENTS } from './event-names';
import { SERVICE_NAME, VERSION_NAME } from '../domain/names';

export * from './cache/schemas';
export type { GatewayPeer } from './peer-schema';

export { mirroredSchema, type Mirrored, type MirrorItem } from './drill-protocol';

/**
 * The gateway's control interface as schemas. It is a listener of its own (a Unix socket, or loopback with a bearer
 * token), never the port that clients use.
 *
 * | request | answer |
 * |---|---|
 * | `GET /control/v1/services/{s}` | {@link routerStateSchema} |
 * | `PUT /control/v1/services/{s}/route` | 200 {@link appliedSchema}, 409 {@link refusedSchema}; answered when the record is on disk and in force |
 * | `POST /control/v1/services/{s}/fence` `{epoch}` | 200 `{floor}` |
 * | `GET /control/v1/services/{s}/telemetry?after=SEQ&follow=1&limit=N` | newline-delimited {@link telemetryRowSchema}; with `follow` the answer stays open, an empty line is a sign of life each second |
 * | `GET /control/v1/services/{s}/window?from=MS&to=MS` | `{rows: TelemetryRow[]}`: stored rows (1-second, then 1-minute) of the half-open interval |
 * | `GET /control/v1/services/{s}/samples?version=V&labelled=1&limit=N` | `{samples: Sample[]}`, newest first; `{off: true, samples: []}` where sampling is off |
 * | `GET /control/v1/services/{s}/inputs?from=MS&to=MS&limit=N` | {@link sampledInputsSchema}: the newest `limit` sampled inputs of the half-open interval, oldest first, those that failed as well |
 * | `POST /control/v1/services/{s}/feedback` {@link feedbackBatchSchema} | {@link feedbackResultSchema} |
 * | `POST /control/v1/services/{s}/mirror` `mirrorBatchSchema` | `mirroredSchema`: recorded inputs for the drill that runs on copies; 409 `{running: false}` where none does |
 * | `POST /control/v1/services/{s}/observations` {@link observationBatchSchema} | 200 {@link observationsTakenSchema}, 409 {@link observationsRefusedSchema} |
 * | `GET /control/v1/services/{s}/observations?metric=M&from=MS&to=MS&limit=N` | {@link observationsSchema}: the newest `limit` of the half-open interval, oldest first |
 * | `GET /control/v1/services/{s}/cache` | `{off: true}` where answers are not kept, else {@link gatewayCacheStateSchema} |
 * | `POST /control/v1/services/{s}/cache` {@link gatewayCacheDropSchema} | `{dropped: entries}`: none of them is served any more |
 * | `GET /control/v1/answers/{requestId}` | {@link answerLookupSchema} |
 * | `GET /control/v1/services/{s}/answers?at=MS` | {@link answerAtSchema} |
 * | `GET /control/v1/services/{s}/items?version=&from=&to=&cursor=&limit=` | {@link ItemAnswers} of the answer record |
 * | `GET /control/v1/health` | `{ok, pid, startedAt, address: {service → listening address}, probeAddress: {service → where probes go instead}}` |
 */
export const CONTROL_PREFIX = '/control/v1';

const version = z.string().regex(VERSION_NAME, 'a version name: letters, digits, . _ + -');
const epoch = z.int().min(0);
const eventName = z.enum(EVENTS);
const instant = z.number().min(0);

/** Headers that say how the request is sent, whose it is, or what the router does with it: none can name a version. */
const NAMES_NO_VERSION =
  /^(connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|host|expect|content-.*|accept-encoding|authorization|cookie|x-request-id|x-lastgood-.*)$/i;
function mayNameVersion(header: string): boolean {
  return !NAMES_NO_VERSION.test(header);
}

/** No `.`, `?` or `#` in a way out of it: a path that the router writes leads where its record says. */
const selectedPath = z
  .string()
  .max(300)
  .regex(/^(?:\/[A-Za-z0-9_~+@-]+(?:\.[A-Za-z0-9_~+@-]+)*)+$/);
const selectorSchema = z.discriminatedUnion('by', [
  z.strictObject({ by: z.literal('path'), from: selectedPath, to: selectedPath }),
  z.strictObject({ by: z.literal('model'), public: z.string().min(1).max(200), name: z.string().min(1).max(200) }),
  z.strictObject({
    by: z.literal('header'),
    header: z
      .string()
      .regex(/^[A-Za-z0-9-]{1,64}$/)
      .refine(mayNameVersion, 'a header that is neither of the hop nor ours'),
    value: z.string().regex(/^[\x21-\x7e]{1,200}$/),
  }),
]);

export const backendSchema = z.strictObject({
  address: z.string().regex(/^https?:\/\/[^/\s]+$/),
  instance: z.string().min(1).max(200),
  digest: z.string().max(200),
  selector: selectorSchema.exactOptional(),
});

export const routeRecordSchema: z.ZodType<RouteRecord> = z.strictObject({
  service: z.string().regex(SERVICE_NAME, 'a service name: lower-case letters, digits, -'),
  epoch,
  primary: version,
  share: shareSchema.exactOptional(),
  pins: z.array(z.strictObject({ version, until: instant })).max(20),
  fallback: version.exactOptional(),
  gap: z.strictObject({ since: instant, until: instant, expectedAt: instant }).exactOptional(),
  detached: z.strictObject({ since: instant }).exactOptional(),
  backends: z.record(version, z.array(backendSchema).max(64)),
});

export const routerStateSchema = z.object({
  service: z.string(),
  record: routeRecordSchema.nullable(),
  /** Records below this epoch are refused. */
  floor: epoch,
  inForceSince: instant.nullable(),
  fallback: z.object({ version: z.string(), since: instant, epoch, reason: z.string() }).nullable(),
  /** Requests in flight by version. */
  inFlight: z.record(z.string(), z.int()),
  /** Live pinned sessions by version, and the latest moment at which one of them ends. */
  pinned: z.record(z.string(), z.object({ sessions: z.int(), lastEndsAt: instant })),
  lastSeq: z.int(),
  /**
   * Of a service with several routers, as their composition says it: those that have another record in force, or could
   * not be asked (`reached` false, `record` null). Empty: all agree.
   */
  differing: z
    .array(
      z.object({
        router: z.string(),
        reached: z.boolean(),
        record: routeRecordSchema.nullable(),
        why: z.string(),
      }),
    )
    .exactOptional(),
});
export type RouterState = z.infer<typeof routerStateSchema>;

export const appliedSchema = z.object({
  applied: z.literal(true),
  epoch,
  persistedAt: instant,
  /** Of several routers: those that have not acknowledged it, or were not seen to obey it. */
  missing: z.array(z.object({ router: z.string(), why: z.string() })).exactOptional(),
});
/** What outlives a gateway, of one service; see `stored-state.ts`. */
export const storedServiceSchema = z.strictObject({
  service: z.string(),
  record: routeRecordSchema.nullable(),
  floor: epoch,
  inForceSince: instant.nullable(),
  fallback: z.strictObject({ version: z.string(), since: instant, epoch, reason: z.string() }).nullable(),
  /** Number of its newest row of telemetry: numbers are never given twice. */
  lastSeq: z.int().min(0),
  /** SHA-256 of the session's id, its version, when it began. */
  sessions: z.array(z.tuple([z.string(), z.string(), instant])).max(100_000),
});
export type StoredService = z.infer<typeof storedServiceSchema>;

export const refusedSchema = z.object({
  applied: z.literal(false),
  why: z.enum(['stale-epoch', 'below-floor', 'same-epoch-other-content', 'no-backend', 'invalid']),
  epoch,
  floor: epoch,
  detail: z.string(),
});
export const applyResultSchema = z.discriminatedUnion('applied', [appliedSchema, refusedSchema]);
export type ApplyResult = z.infer<typeof applyResultSchema>;

const latencySchema = z.object({
  count: z.int(),
  sumMs: z.number(),
  p50Ms: z.number(),
  p95Ms: z.number(),
  p99Ms: z.number(),
  maxMs: z.number(),
});

/**
 * Counts of one version in one cohort over at most one second. A row is closed after one second, or 100 ms after its
 * first failure, so that bad news does not wait for the second to end. Rows are numbered without gaps by `seq`.
 */
export const countsRowSchema = z.object({
  kind: z.literal('counts'),
  seq: z.int(),
  fromMs: instant,
  toMs: instant,
  version: z.string(),
  epoch,
  cohort: z.enum(['live', 'drill']),
  /** Answered or failed requests; a request counts once, in the row in which its fate was known. */
  requests: z.int(),
  /** Of these: 5xx, no connection, reset, malformed answer. */
  failures: z.int(),
  /** Of these: no first byte within `firstByteMs` (counted at that moment, before the answer comes or not). */
  timeouts: z.int(),
  /** 4xx: the caller's fault; never counts against the version. */
  clientErrors: z.int(),
  /** Answers whose expected form was missing (no predicted class where one is configured). */
  malformed: z.int(),
  /** Answered by another backend after this one failed before its first byte. */
  repeated: z.int(),
  /** Streams that ended after their first byte without their end. */
  cut: z.int(),
  latency: latencySchema.nullable(),
  predicted: z.record(z.string(), z.int()),
  scoreSum: z.number(),
  scoreCount: z.int(),
  /** Scores by predicted class: bin (`domain/detection/score-bins`) → answers. Absent where no answer had both. */
  scores: z.record(z.string(), z.record(z.string(), z.int())).exactOptional(),
  /** Labels that arrived in this time, joined to the version that answered: by true class. Negative by correction. */
  labels: z.record(z.string(), z.object({ n: z.int(), correct: z.int() })),
  /** The same labels where the answer had a score, by predicted class and its bin: [labelled, right]. */
  judged: z.record(z.string(), z.record(z.string(), z.tuple([z.int(), z.int()]))).exactOptional(),
  /** Of these the wrong ones: predicted class → true class → labels. */
  mistaken: z.record(z.string(), z.record(z.string(), z.int())).exactOptional(),
  /** Mean time from the answer to the arrival of its label, over the labels of this row: when it was answered, not when it was known. */
  labelDelayMs: z.number().exactOptional(),
  /**
   * Counts that whoever wrote the row cannot know (a router that reads no answers): they stand as 0 and say nothing, so
   * that what is judged by them is unmeasured. Absent where all are known.
   */
  notCounted: z.array(z.enum(['timeouts', 'malformed', 'cut'])).exactOptional(),
  /** Of the requests: those with a session that were answered below 500, and the sessions that began with one of them. */
  sessions: z.object({ requests: z.int(), begun: z.int() }).exactOptional(),
});

export const eventRowSchema = z.object({
  kind: z.literal('event'),
  seq: z.int(),
  fromMs: instant,
  toMs: instant,
  event: eventName,
  version: z.string().nullable(),
  epoch,
  detail: z.string(),
});
export const telemetryRowSchema = z.discriminatedUnion('kind', [countsRowSchema, eventRowSchema]);
export type CountsRow = z.infer<typeof countsRowSchema>;
export type EventRow = z.infer<typeof eventRowSchema>;
export type TelemetryRow = z.infer<typeof telemetryRowSchema>;

/** One sampled request: its body as it came (after redaction), its path without the query, and what was answered; deleted by age and count. */
export const sampleSchema = z.object({
  requestId: z.string(),
  atMs: instant,
  version: z.string(),
  path: z.string(),
  contentType: z.string(),
  body: z.string(),
  predicted: z.string().nullable(),
  score: z.number().nullable(),
  label: z.string().nullable(),
  /** Text of the answer, where the service says where it stands; at most 8,192 characters. */
  answer: z.string().nullable().exactOptional(),
  /** Why that text ended, in the server's word; `refusal` where it was the model's own. Null where nobody said. */
  finish: z.string().nullable().exactOptional(),
});
export type Sample = z.infer<typeof sampleSchema>;

/** What was asked, without what was answered: for the quality of the inputs. */
export const sampledInputSchema = z.object({
  atMs: instant,
  version: z.string(),
  path: z.string(),
  contentType: z.string(),
  body: z.string(),
  failed: z.boolean(),
});
export type SampledInput = z.infer<typeof sampledInputSchema>;
export const sampledInputsSchema = z.object({ off: z.boolean().optional(), inputs: z.array(sampledInputSchema) });

export const feedbackItemSchema = z.strictObject({
  requestId: z.string().min(1).max(128),
  label: z.string().min(1).max(128),
  observedAt: z.iso.datetime({ offset: true }),
  source: z.string().min(1).max(128),
});
export const feedbackBatchSchema = z.strictObject({ items: z.array(feedbackItemSchema).min(1).max(10_000) });
export type FeedbackItem = z.infer<typeof feedbackItemSchema>;
export const feedbackResultSchema = z.object({
  accepted: z.int(),
  repeated: z.int(),
  corrected: z.int(),
  /** Answered longer ago than the horizon. */
  late: z.int(),
  unknown: z.array(z.string()),
});
export type FeedbackResult = z.infer<typeof feedbackResultSchema>;

/** Values of declared metrics. `key` makes a repeated batch the same batch; `n` is the number of samples behind a value. */
export const observationBatchSchema = z.strictObject({
  key: z.string().min(1).max(160),
  items: z
    .array(
      z.strictObject({
        metric: z.string().min(1).max(64),
        value: z.number('a finite number'),
        at: z.iso.datetime({ offset: true }),
        n: z.int().min(1).max(1_000_000_000).exactOptional(),
      }),
    )
    .min(1)
    .max(10_000),
});
export type ObservationBatch = z.infer<typeof observationBatchSchema>;
export const observationsTakenSchema = z.object({
  taken: z.literal(true),
  accepted: z.int(),
  /** Older than the horizon: not kept. */
  late: z.int(),
  /** This very batch was taken before; the counts are those of then. */
  repeated: z.boolean(),
});
/** Nothing of the batch was kept. `problems`: place, what was found, what was expected. */
export const observationsRefusedSchema = z.object({ taken: z.literal(false), problems: z.array(z.string()) });
export const observationAnswerSchema = z.discriminatedUnion('taken', [
  observationsTakenSchema,
  observationsRefusedSchema,
]);
export type ObservationAnswer = z.infer<typeof observationAnswerSchema>;
export const observationsSchema = z.object({
  values: z.array(z.object({ seq: z.int(), atMs: instant, value: z.number(), n: z.int().nullable() })),
});

/** One line of the answer record: which version answered which request, and why that one. No input, no output. */
export const answerSchema = z.object({
  at: instant,
  id: z.string(),
  service: z.string(),
  version: z.string(),
  digest: z.string(),
  instance: z.string(),
  epoch,
  reason: z.enum(['primary', 'pin', 'fallback', 'share', 'drill']),
  status: z.int(),
  ms: z.number(),
  class: z.string().nullable(),
  score: z.number().nullable(),
  /** It came from the cache: the request that the model answered with it, on the copy that is named here. */
  cached: z.string().exactOptional(),
  /** The item of a pipeline that the request was for, where its client said so. */
  item: z.string().exactOptional(),
});
export type Answer = z.infer<typeof answerSchema>;

export const answerLookupSchema = z.discriminatedUnion('known', [
  z.object({ known: z.literal(true), answer: answerSchema }),
  z.object({ known: z.literal(false), why: z.string(), gaps: z.array(gapSchema) }),
]);
export type AnswerLookup = z.infer<typeof answerLookupSchema>;
export * from './answer-protocol';

export { gatewayConfigSchema, type GatewayConfig, type GatewayServiceConfig } from './config-schema';
