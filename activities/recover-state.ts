import { z } from 'zod';
import type { ChainedEntry } from '../domain/ledger';
import type { RouteRecord } from '../domain/route';
import type { BreakerState, VersionFacts } from '../domain/service/state';
import type { ControlActivities } from '../workflows/contract/activities';
import type { RecoveredState } from '../workflows/contract/recovery';
import type { Ledger } from './ports';

const pageSize = 500;
/** Months of decisions of a busy service; what is older than this and never changed since counts as never decided. */
const entryLimit = 50_000;
const versionsLimitChars = 12_000;

/** What an entry's `facts.changes` may hold: whole new values of the slices that a lost service needs. */
const changesSchema = z.object({
  route: z.custom<RouteRecord>(isRoute).nullable().optional(),
  versions: z.array(z.custom<VersionFacts>(isVersionFacts)).optional(),
  cooldownUntil: z.number().nullable().optional(),
  breaker: z.custom<BreakerState>(isBreaker).optional(),
  consecutive: z.int().min(0).optional(),
  incident: z.object({ id: z.string(), phase: z.string() }).nullable().optional(),
  incidentCounter: z.int().min(0).optional(),
  nextEpoch: z.int().min(0).optional(),
  mode: z.enum(['observe', 'confirm', 'act']).optional(),
});
type Changes = z.infer<typeof changesSchema>;

/** A decision cannot be read back as one: nothing may be decided on a state that was half understood. */
export class DecisionUnreadable extends Error {
  override readonly name = 'DecisionUnreadable';
  constructor(service: string, seq: number, problem: string) {
    super(`entry ${seq} in the ledger of ${service}: ${problem}`);
  }
}

/** Folds the chain, newest first, until every fact is known or the chain ends. Read-only. */
export function recoverState({ ledger }: { ledger: Ledger }): ControlActivities['recoverState'] {
  return async (service) => {
    const fold = new Fold();
    let before: number | null = null;
    for (let read = 0; read < entryLimit;) {
      const page: ChainedEntry[] = await readBefore(ledger, service, before);
      for (const entry of page) fold.take(entry);
      const oldest = page.at(-1);
      if (oldest === undefined || oldest.seq <= 1) break;
      read += page.length;
      before = oldest.seq;
    }
    return fold.result();
  };
}

/** The page of entries with lower sequence numbers than `before`, newest first. */
async function readBefore(ledger: Ledger, service: string, before: number | null): Promise<ChainedEntry[]> {
  if (before === null) return await ledger.read(service, { newestFirst: true, limit: pageSize });
  const afterSeq = Math.max(0, before - 1 - pageSize);
  const page = await ledger.read(service, { afterSeq, limit: before - 1 - afterSeq });
  return page.reverse();
}

class Fold {
  private newest: ChainedEntry | null = null;
  private route: RouteRecord | null | undefined;
  private highestEpoch = 0;
  private readonly versions = new Map<string, VersionFacts>();
  private cooldownUntil: number | null | undefined;
  private breaker: BreakerState | undefined;
  private consecutive: number | undefined;
  private incident: { id: string; phase: string } | null | undefined;
  private incidentCounter: number | undefined;
  private mode: RecoveredState['mode'] = null;

  take(entry: ChainedEntry): void {
    this.newest ??= entry;
    const { changes } = entry.facts;
    if (changes === undefined) return;
    const parsed = changesSchema.safeParse(changes);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      const problem = `facts.changes.${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not readable'}`;
      throw new DecisionUnreadable(entry.service, entry.seq, problem);
    }
    this.takeChanges(parsed.data);
  }

  private takeChanges(changes: Changes): void {
    if (this.route === undefined) this.route = changes.route;
    this.highestEpoch = Math.max(this.highestEpoch, changes.route?.epoch ?? 0, (changes.nextEpoch ?? 1) - 1);
    for (const facts of changes.versions ?? []) {
      if (!this.versions.has(facts.version)) this.versions.set(facts.version, facts);
    }
    if (this.cooldownUntil === undefined) this.cooldownUntil = changes.cooldownUntil;
    this.breaker ??= changes.breaker;
    this.consecutive ??= changes.consecutive;
    if (this.incident === undefined) this.incident = changes.incident;
    this.incidentCounter ??= changes.incidentCounter;
    this.mode ??= changes.mode ?? null;
  }

  result(): RecoveredState | null {
    if (this.newest === null) return null;
    const open = this.incident && this.incident.phase !== 'ended' ? this.incident.id : null;
    return {
      seq: this.newest.seq,
      at: this.newest.at,
      route: this.route ?? null,
      highestEpoch: this.highestEpoch,
      versions: withinLimit([...this.versions.values()]),
      cooldownUntil: this.cooldownUntil ?? null,
      breaker: this.breaker ?? { open: false, epoch: 0, openedAt: null, incident: null },
      consecutive: this.consecutive ?? 0,
      openIncident: open,
      incidentCounter: this.incidentCounter ?? 0,
      mode: this.mode,
    };
  }
}

/**
 * I15: a result is at most 16 KiB. Who must not be used is never left out; of the others the newest are kept, as those are
 * the ones to choose from.
 */
function withinLimit(versions: readonly VersionFacts[]): VersionFacts[] {
  const barred = ({ standing }: VersionFacts): boolean => standing !== 'candidate' && standing !== 'validated';
  const byNeed = [...versions].sort(
    (left, right) => Number(barred(right)) - Number(barred(left)) || right.importedAt - left.importedAt,
  );
  const kept: VersionFacts[] = [];
  let chars = 0;
  for (const facts of byNeed) {
    const short = { ...facts, why: facts.why.slice(0, 120) };
    chars += JSON.stringify(short).length + 1;
    if (chars <= versionsLimitChars || barred(facts)) kept.push(short);
  }
  return kept.sort((left, right) => left.importedAt - right.importedAt);
}

function isVersionFacts(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    'version' in value &&
    typeof value.version === 'string' &&
    'standing' in value &&
    'digest' in value
  );
}

function isRoute(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    'epoch' in value &&
    typeof value.epoch === 'number' &&
    'primary' in value &&
    'backends' in value
  );
}

function isBreaker(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    'open' in value &&
    typeof value.open === 'boolean' &&
    'epoch' in value &&
    typeof value.epoch === 'number'
  );
}
