import { z } from 'zod';
import type { Actor, ChainedEntry } from '../domain/ledger';
import type { Backend, RouteRecord } from '../domain/route';
import type { RecoveredState } from '../domain/service/recovery';
import type { Bake, BreakerState, Confirming, Incident, Operation, VersionFacts } from '../domain/service/state';

/** A decision cannot be read back as one: nothing may be decided on a state that was half understood. */
export class DecisionUnreadable extends Error {
  override readonly name = 'DecisionUnreadable';
  constructor({ service, seq }: ChainedEntry, problem: string) {
    super(`entry ${seq} in the ledger of ${service}: ${problem}`);
  }
}

const at = z.number();
const atOrNull = z.number().nullable();

const backend: z.ZodType<Backend> = z.looseObject({ address: z.string(), instance: z.string(), digest: z.string() });

const route: z.ZodType<RouteRecord> = z.looseObject({
  service: z.string(),
  epoch: z.int().min(0),
  primary: z.string(),
  share: z
    .looseObject({ version: z.string(), weight: z.number(), until: at, drill: z.string().exactOptional() })
    .exactOptional(),
  pins: z.array(z.looseObject({ version: z.string(), until: at })),
  fallback: z.string().exactOptional(),
  gap: z.looseObject({ since: at, until: at, expectedAt: at }).exactOptional(),
  backends: z.record(z.string(), z.array(backend)),
});

/** The last record of a detachment, as its decision has it; throws where it cannot be read. */
export function decidedRoute(fact: unknown): RouteRecord | null {
  return route.nullable().parse(fact);
}

const version = z.custom<VersionFacts>(
  (value) =>
    z
      .looseObject({
        version: z.string(),
        digest: z.string(),
        standing: z.enum(['candidate', 'validated', 'suspect', 'quarantined', 'revoked']),
        importedAt: at,
        why: z.string(),
      })
      .safeParse(value).success,
  'is not what is known of a version',
);

const breaker: z.ZodType<BreakerState> = z.looseObject({
  open: z.boolean(),
  epoch: z.int().min(0),
  openedAt: atOrNull,
  incident: z.string().nullable(),
});

const copy = z.looseObject({ version: z.string(), instance: z.string() });

const actor: z.ZodType<Actor> = z.looseObject({
  name: z.string(),
  proof: z.enum(['lastgood', 'unix-user', 'token', 'oidc', 'mtls', 'webhook', 'unverified', 'external']),
  from: z.string(),
});

const operation: z.ZodType<Operation> = z.looseObject({
  id: z.string(),
  kind: z.enum(['rollback', 'manual-rollback', 'hold-move', 'deploy']),
  incident: z.string().nullable(),
  from: z.string(),
  candidates: z.array(z.string()),
  left: z.array(copy),
  epochs: z.looseObject({ from: z.int(), to: z.int() }),
  startedAt: at,
  actor,
  reason: z.string(),
  lastNo: z.int().min(0),
  step: z.string(),
  version: z.string().nullable(),
  deadlineAt: at,
  waiting: z.string().nullable(),
  shifted: z.boolean(),
  stopping: z.string().nullable(),
});

const incident: z.ZodType<Incident> = z.looseObject({
  id: z.string(),
  phase: z.enum(['awaiting-approval', 'rolling-back', 'waiting-for-human', 'on-fallback', 'confirming', 'ended']),
  tier: z.enum(['immediate', 'short-window', 'trend']),
  metric: z.string(),
  hard: z.boolean(),
  from: z.string(),
  target: z.string().nullable(),
  attribution: z.enum(['model', 'environment', 'undetermined']),
  onsetAt: atOrNull,
  detectedAt: at,
  decidedAt: atOrNull,
  preparedAt: atOrNull,
  shiftedAt: atOrNull,
  settledAt: atOrNull,
  approvalUntil: atOrNull,
  sentence: z.string(),
  dropped: z.array(z.string()),
  automatic: z.boolean(),
  holdMove: z.boolean(),
});

const bake: z.ZodType<Bake> = z.looseObject({ version: z.string(), previous: z.string(), since: at, until: at });

const confirming: z.ZodType<Confirming> = z.looseObject({
  incident: z.string(),
  metric: z.string(),
  from: at,
  until: at,
  measured: z.boolean(),
  alerted: z.boolean(),
  keep: copy.nullable(),
});

const standby: z.ZodType<NonNullable<RecoveredState['standby']>> = z.looseObject({ version: z.string(), backend });

/** What an entry's `facts.changes` may hold: whole new values of the facts that a lost service needs. */
export const recordedFacts = {
  route: route.nullable(),
  versions: z.array(version),
  cooldownUntil: atOrNull,
  breaker,
  consecutive: z.int().min(0),
  mode: z.enum(['observe', 'confirm', 'act']),
  bake: bake.nullable(),
  pausedUntil: atOrNull,
  confirming: confirming.nullable(),
  standby: standby.nullable(),
  operation: operation.nullable(),
  incident: incident.nullable(),
  incidentCounter: z.int().min(0),
  nextEpoch: z.int().min(0),
} as const;

export type FactName = keyof typeof recordedFacts;
export type Recorded<N extends FactName> = z.infer<(typeof recordedFacts)[N]>;

/** One fact as the entry wrote it; undefined where the entry says nothing of it. */
export function recordedFact<N extends FactName>(entry: ChainedEntry, name: N): Recorded<N> | undefined {
  const { changes } = entry.facts;
  if (changes === undefined) return undefined;
  if (typeof changes !== 'object' || changes === null || Array.isArray(changes)) {
    throw new DecisionUnreadable(entry, 'facts.changes: is not an object');
  }
  const value = (changes as Readonly<Record<string, unknown>>)[name];
  if (value === undefined) return undefined;
  const parsed = recordedFacts[name].safeParse(value);
  if (parsed.success) return parsed.data as Recorded<N>;
  const [issue] = parsed.error.issues;
  const path = ['facts.changes', name, ...(issue?.path ?? [])].join('.');
  throw new DecisionUnreadable(entry, `${path}: ${issue?.message ?? 'not readable'}`);
}
