import { z } from 'zod';
import type {
  Answer,
  AnswerLookup,
  Attachment,
  BackupOutline,
  CacheInvalidated,
  CacheView,
  ChainPage,
  ChartsView,
  DrillScheduleView,
  FeedbackResult,
  Health,
  IncidentSummary,
  ItemsView,
  LedgerPage,
  LedgerVerification,
  Me,
  ObservationsTaken,
  Problem,
  Proposal,
  ProvenanceView,
  Restoration,
  RestorationAccepted,
  ServiceView,
  VersionProof,
  VersionView,
} from '../types';

/** What the interface answers, as schemas. Each is compared with its type by the compiler: an answer fits its schema. */
type Plain<T> = T extends readonly (infer E)[]
  ? Plain<E>[]
  : T extends object
    ? { -readonly [K in keyof T]: Plain<T[K]> }
    : T;
const of =
  <T>() =>
  <S extends z.ZodType>(schema: Plain<T> extends z.input<S> ? S : never): S =>
    schema;

const ms = z.number().describe('milliseconds since the epoch');
const open = z.record(z.string(), z.unknown());
const actor = z.object({ name: z.string(), proof: z.string(), from: z.string() });
const names = z.array(z.string());
const object = z.looseObject({});

export const problem = of<Problem>()(
  z.object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string().describe('one sentence: what was found, what was expected, what to do'),
  }),
);

export const answer = of<Answer>()(
  z.object({
    requestId: z.string(),
    decision: z.enum(['accepted', 'refused', 'planned']),
    why: z.string(),
    reference: z.string().nullable().describe('incident or operation'),
    repeated: z.boolean(),
    plan: names,
  }),
);

export const proposal = of<Proposal>()(
  z.object({
    ...{ id: z.string(), service: z.string(), act: z.string(), by: z.string(), reason: z.string() },
    ...{ at: ms, until: ms },
  }),
);

export const health = of<Health>()(
  z.object({
    ...{ ok: z.boolean(), pid: z.int(), startedAt: ms, version: z.string() },
    parts: z.array(
      z.object({ part: z.enum(['temporal', 'workers', 'ledger', 'gateway']), ok: z.boolean(), why: z.string() }),
    ),
  }),
);

export const me = of<Me>()(
  z.object({
    ...{ actor, roles: names, rights: names },
    services: names.nullable().describe('null: every service'),
    metrics: names.nullable().describe('null: no limit by metric'),
  }),
);

export const entry = of<LedgerPage['entries'][number]>()(
  z.object({
    ...{ service: z.string(), key: z.string(), at: ms, kind: z.string(), incident: z.string().nullable(), actor },
    ...{ summary: z.string(), facts: open, seq: z.int(), previousHash: z.string(), hash: z.string() },
  }),
);

export const ledgerPage = of<LedgerPage>()(
  z.object({ entries: z.array(entry), head: z.object({ seq: z.int(), hash: z.string() }).nullable() }),
);

export const verification = of<LedgerVerification>()(
  z.object({
    ok: z.boolean(),
    entries: z.int(),
    breaks: z.array(z.object({ seq: z.int(), problem: z.string() })),
  }),
);

/** The parts that programs read; what else the deciding workflow tells is there as well, and may change. */
export const serviceView = of<ServiceView>()(
  z.object({
    ...{ service: z.string(), model: z.string(), at: ms, source: z.enum(['workflow', 'gateway', 'none']) },
    status: z
      .object({
        service: z.string(),
        readiness: z.object({
          ...{ ready: z.boolean(), target: z.string().nullable(), warm: z.boolean(), provenAt: ms.nullable() },
          ...{ expectedMs: z.number().nullable(), why: z.string() },
        }),
        state: z.object({
          mode: z.enum(['observe', 'confirm', 'act']),
          declared: z.object({ epoch: z.int(), primary: z.string() }).nullable(),
          breaker: z.object({ open: z.boolean(), epoch: z.int(), incident: z.string().nullable() }),
          incident: z
            .object({ id: z.string(), phase: z.string(), metric: z.string(), sentence: z.string() })
            .nullable(),
          operation: z
            .object({ id: z.string(), kind: z.string(), step: z.string(), waiting: z.string().nullable() })
            .nullable(),
          ...{ cooldownUntil: ms.nullable(), pausedUntil: ms.nullable(), pausedWhy: z.string().nullable() },
          ...{ consecutive: z.int(), versions: z.array(z.object({ version: z.string(), standing: z.string() })) },
        }),
        ledgerLag: z.object({ entries: z.int(), oldestAt: ms.nullable() }),
      })
      .nullable(),
    gateway: z.object({ record: z.object({ epoch: z.int(), primary: z.string() }).nullable() }).nullable(),
    entrance: z.string().nullable(),
    notKnown: names,
  }),
);

export const incident = of<IncidentSummary>()(
  z.object({
    ...{ service: z.string(), incident: z.string(), beganAt: ms, lastAt: ms, endedAt: ms.nullable() },
    ...{ entries: z.int(), lastKind: z.string(), began: z.string(), last: z.string() },
  }),
);

export const version = of<VersionView>()(
  z.object({
    ...{ version: z.string(), digest: z.string(), createdAt: ms, importedAt: ms, engine: z.string() },
    ...{ model: z.string(), probes: z.int(), bytes: z.number(), live: z.boolean(), standby: z.boolean() },
    ...{ standing: z.string().nullable(), why: z.string().nullable(), evaluation: object.nullable() },
    human: z.object({ by: z.string(), at: ms }).nullable(),
  }),
);

export const answerLookup = of<AnswerLookup>()(
  z.union([
    z.object({ known: z.literal(true), answer: z.object({ service: z.string(), version: z.string().nullable() }) }),
    z.object({ known: z.literal(false), why: z.string() }),
  ]),
);

export const feedbackResult = of<FeedbackResult>()(
  z.object({ accepted: z.int(), repeated: z.int(), corrected: z.int(), late: z.int(), unknown: names }),
);

export const observationsTaken = of<ObservationsTaken>()(z.object({ taken: z.literal(true), accepted: z.int() }));

export const cache = of<CacheView>()(
  z.object({ cache: z.string(), strategy: z.string(), state: object.nullable(), why: z.string() }),
);
export const cacheInvalidated = of<CacheInvalidated>()(
  z.object({ outcomes: z.array(z.object({ cache: z.string(), done: z.boolean(), why: z.string() })) }),
);

export const items = of<ItemsView>()(
  z.object({
    ...{ incident: z.string(), began: entry, treated: z.array(entry), ended: entry.nullable() },
    ...{ signedOff: z.array(entry), progress: object.nullable() },
  }),
);

export const schedule = of<{ schedule: DrillScheduleView | null }>()(
  z.object({
    schedule: z
      .object({
        ...{ everyMs: z.number().nullable(), cron: z.string().nullable(), paused: z.boolean() },
        ...{ note: z.string().nullable(), next: z.array(ms), last: ms.nullable(), skipped: z.int() },
      })
      .nullable(),
  }),
);

export const imported = z.object({
  outcome: z.enum(['imported', 'already-there', 'repaired']),
  info: z.object({ version: z.string(), digest: z.string() }),
  remarks: names.optional(),
});
export const recorded = z.object({ recorded: z.int() });
export const charts = of<ChartsView>()(
  z.object({
    service: z.string(),
    at: ms,
    fromMs: ms,
    toMs: ms,
    binMs: z.int(),
    charts: z.array(
      z.object({
        metric: z.string(),
        tier: z.string(),
        unit: z.string().nullable(),
        verdict: z.string(),
        observed: z.number().nullable(),
        center: z.number().nullable(),
        ucl: z.number().nullable(),
        lcl: z.number().nullable(),
        points: z.array(z.array(z.number().nullable())).describe('moment and value'),
        alarms: z.array(object),
      }),
    ),
    marks: z.array(z.object({ atMs: ms, sentence: z.string() })),
    notKnown: names,
  }),
);

export const versionProof = of<VersionProof>()(
  z.object({
    version: z.string(),
    digest: z.string(),
    manifest: z.string().describe('canonical JSON; its SHA-256 is the digest'),
    evaluation: z.object({ path: z.string(), digest: z.string(), text: z.string() }).nullable(),
  }),
);

export const provenance = of<ProvenanceView>()(
  z.object({
    version: z.string().nullable().describe('that answered, or was live'),
    reason: z.string(),
    declared: object,
    madeLive: object.nullable().describe('the ledger entry with which it came to its traffic'),
    decision: object.nullable(),
    because: z.array(object),
    vouched: z.array(object),
    judged: object.nullable(),
    evaluation: object.nullable(),
    notKnown: names,
  }),
);

export const backupOutline = of<BackupOutline>()(
  z.object({ release: z.string(), chains: z.array(z.object({ service: z.string(), head: object.nullable() })) }),
);

export const chainPage = of<ChainPage>()(z.object({ rows: z.array(object) }));

export const attachment = of<Attachment>()(
  z.object({
    service: z.string(),
    attached: z.boolean(),
    ended: z.boolean().describe('all that a detachment had to do is done'),
    at: ms.nullable(),
    by: z.string().nullable(),
    summary: z.string(),
    addresses: names.describe('where the copies listen that serve on'),
  }),
);

export const restoration = of<Restoration>()(
  z.object({
    service: z.string(),
    restoredAt: ms,
    by: z.string(),
    summary: z.string(),
    modeBefore: z.string().nullable(),
    acceptedAt: ms.nullable(),
    differences: names,
    digest: z.string().describe('of the differences; an acceptance names it as seen'),
  }),
);

export const restorationAccepted = of<RestorationAccepted>()(
  z.object({
    mode: z.string(),
    differences: names,
    answers: z.array(z.object({ decision: z.string(), why: z.string() })),
  }),
);

export const anything = object;
