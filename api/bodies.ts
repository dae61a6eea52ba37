import { z } from 'zod';

const moment = z.iso.datetime({ offset: true, error: 'expected a time such as 2026-05-01T12:00:00Z' });

/** Bodies and queries of the routes. Messages of acts are parsed by the contract's own schemas. */
export const feedbackBody = z.strictObject({
  items: z
    .array(
      z.strictObject({
        requestId: z.string().min(1).max(128),
        label: z.string().min(1).max(128),
        observedAt: moment,
        source: z.string().min(1).max(128),
      }),
    )
    .min(1)
    .max(10_000),
});

export const observationsBody = z.strictObject({
  key: z.string().min(1).max(128),
  items: z
    .array(
      z.strictObject({
        metric: z.string().min(1).max(64),
        value: z.number('expected a finite number'),
        at: moment,
        n: z.int().min(1).max(1_000_000_000).exactOptional(),
      }),
    )
    .min(1)
    .max(10_000),
});

/** The moment that a report is about: it does not say so itself. */
export const reportQuery = z.strictObject({ at: moment });
/** What an Alertmanager posts, as far as it is looked at; later releases may add to it. */
export const alertmanagerBody = z.object({
  version: z.literal('4', 'the webhook of an Alertmanager, version "4"'),
  alerts: z.array(z.object({ status: z.enum(['firing', 'resolved']) })).max(10_000),
});

/** What a signed call says. Its type keeps what lastgood itself signs from being sent back to it. */
export const rollbackCallBody = z.strictObject({
  type: z.literal('rollback', 'rollback'),
  reason: z.string().min(1).max(500),
  to: z.string().min(1).max(64).exactOptional(),
  dryRun: z.boolean().exactOptional(),
});

const sequence = z.coerce.number().int().min(0);
export const chainQuery = z.strictObject({ after: sequence, until: sequence });

export const attachBody = z.strictObject({
  requestId: z.string().min(1).max(64),
  reason: z.string().min(1).max(500),
});

export const acceptRestorationBody = z.strictObject({
  requestId: z.string().min(1).max(50),
  reason: z.string().min(1).max(500),
  /** Digest of the list that the person has looked at. */
  seen: z.string().regex(/^[0-9a-f]{64}$/, 'the digest of the differences'),
  /** Absent: the one that the backup had. */
  mode: z.enum(['observe', 'confirm', 'act']).optional(),
});

export const reportTool = z.enum(['evidently', 'whylogs']);

export const importBody = z.strictObject({ path: z.string().min(1).max(4_096) });

/** At most what fits into the facts of one entry; more is sent as several. */
export const pruningBody = z.strictObject({
  requestId: z.string().min(1).max(128),
  atMs: z.number().min(0),
  keep: z.int().min(1),
  reason: z.string().min(1).max(500),
  versions: z
    .array(z.strictObject({ version: z.string().min(1).max(64), digest: z.string().min(1).max(80) }))
    .min(1)
    .max(50),
});

export const signOffBody = z.strictObject({
  requestId: z.string().min(1).max(128).optional(),
  /** Absent: all pipelines of the incident. */
  pipeline: z.string().min(1).max(64).optional(),
  reason: z.string().min(1).max(500),
});
export const itemsOrderBody = z.strictObject({
  pipeline: z.string().min(1).max(64),
  order: z.enum(['retry', 'skip']),
  reason: z.string().min(1).max(500),
});
export const listDigest = z.string().regex(/^sha256:[0-9a-f]{64}$/, 'expected sha256: and 64 hexadecimal digits');
export const incidentName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'expected the name of an incident: letters, digits, . _ -');
const fact = z.json();

/** The begin or the end of a chaos experiment. */
export const chaosBody = z.strictObject({
  run: z.string().regex(/^[a-z0-9-]{1,64}$/),
  phase: z.enum(['began', 'ended']),
  experiment: z.string().min(1).max(64),
  atMs: z.number().min(0),
  reason: z.string().min(1).max(500),
  summary: z.string().min(1).max(700),
  /** The name of the service once more, by whoever runs it. */
  consent: z.string().max(64).optional(),
  facts: z.record(z.string().max(64), fact),
});

export const blindBody = z.strictObject({
  fromMs: z.number().min(0),
  toMs: z.number().min(0),
  why: z.string().min(1).max(500),
});

const wholeNumber = z
  .string()
  .regex(/^\d{1,15}$/, 'expected a whole number')
  .transform(Number);
const flag = z.enum(['0', '1', 'true', 'false']).transform((text) => text === '1' || text === 'true');

export const ledgerQuery = z.strictObject({
  after: wholeNumber.optional(),
  incident: z.string().min(1).max(64).optional(),
  kinds: z.string().max(1_000).optional(),
  until: wholeNumber.optional(),
  limit: wholeNumber.optional(),
  newestFirst: flag.optional(),
});

/** The last entry that a listener has. */
export const eventsQuery = z.strictObject({ after: wholeNumber.optional() });

/** More would be read from the gateway, which has requests to answer. */
const CHART_SPAN_MAX_MS = 3_600_000;
export const chartsQuery = z.strictObject({
  span: wholeNumber.pipe(z.number().min(300_000).max(CHART_SPAN_MAX_MS)).optional(),
});

export const answersQuery = z.strictObject({ at: wholeNumber });
/** With `version` and `reason` of an answer, as its record has them; else about what was live. */
export const provenanceQuery = z.strictObject({
  at: wholeNumber,
  version: z.string().min(1).max(64).optional(),
  reason: z.enum(['primary', 'pin', 'fallback', 'share', 'drill']).optional(),
});
export const incidentsQuery = z.strictObject({ service: z.string().optional(), limit: wholeNumber.optional() });
export const pictureQuery = z.strictObject({
  digest: z
    .string()
    .regex(/^sha256:[0-9a-f]{1,64}$/, 'expected sha256: and hexadecimal digits')
    .optional(),
});
