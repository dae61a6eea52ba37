import type { ChainedEntry } from '../domain/ledger';
import type { RouteRecord } from '../domain/route';
import type { VersionFacts } from '../domain/service/state';
import type { ControlActivities } from '../workflows/contract/activities';
import type { RecoveredState } from '../workflows/contract/recovery';
import type { Ledger } from './ports';
import { recordedFact, type FactName, type Recorded } from './recorded-facts';

const pageSize = 500;
/** Months of decisions of a busy service; what is older than this and never changed since counts as never decided. */
const entryLimit = 50_000;
/** I15: a result is at most 16 KiB; what is not a version is small, and comes first. */
const resultLimitChars = 15_500;

/** Folds the chain, newest first. Read-only, so it may run twice. */
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

/** Facts of which the newest value counts, and only that one is read. */
const newestOf = [
  'cooldownUntil',
  'breaker',
  'consecutive',
  'mode',
  'bake',
  'pausedUntil',
  'confirming',
  'standby',
  'operation',
  'incident',
  'incidentCounter',
] as const satisfies readonly FactName[];
type Newest = { [N in (typeof newestOf)[number]]?: Recorded<N> };

class Fold {
  private newest: ChainedEntry | null = null;
  private readonly facts: Newest = {};
  private route: RouteRecord | null | undefined;
  /** A shift that an operation wrote and the service had not written yet: the service is told a moment later. */
  private shiftedTo: RouteRecord | null = null;
  private highestEpoch = 0;
  private detached = false;
  private readonly versions = new Map<string, VersionFacts>();

  take(entry: ChainedEntry): void {
    this.newest ??= entry;
    // What was decided before the service was detached is over; what is known of versions, and the epochs, stay.
    if (entry.kind === 'detached') this.detached = true;
    for (const name of newestOf) if (!this.detached || name === 'incidentCounter') this.takeFact(entry, name);
    const route = recordedFact(entry, 'route');
    this.highestEpoch = Math.max(this.highestEpoch, route?.epoch ?? 0, (recordedFact(entry, 'nextEpoch') ?? 1) - 1);
    if (!this.detached && this.route === undefined && route !== undefined) this.takeRoute(entry, route);
    for (const facts of recordedFact(entry, 'versions') ?? []) {
      if (!this.versions.has(facts.version)) this.versions.set(facts.version, facts);
    }
  }

  private takeFact<N extends keyof Newest>(entry: ChainedEntry, name: N): void {
    if (this.facts[name] === undefined) Object.assign(this.facts, { [name]: recordedFact(entry, name) });
  }

  /** What the service declared counts; a shift of an operation counts beside it only when it is above it. */
  private takeRoute(entry: ChainedEntry, route: RouteRecord | null): void {
    if (entry.key.startsWith(`service/${entry.service}/`)) this.route = route;
    else if (route && route.epoch > (this.shiftedTo?.epoch ?? 0)) this.shiftedTo = route;
  }

  result(): RecoveredState | null {
    if (this.newest === null) return null;
    const { facts, shiftedTo } = this;
    const declared = this.route ?? null;
    const incident = facts.incident ?? null;
    const core: Omit<RecoveredState, 'versions'> = {
      seq: this.newest.seq,
      at: this.newest.at,
      route: shiftedTo && shiftedTo.epoch > (declared?.epoch ?? 0) ? shiftedTo : declared,
      highestEpoch: this.highestEpoch,
      cooldownUntil: facts.cooldownUntil ?? null,
      breaker: facts.breaker ?? { open: false, epoch: 0, openedAt: null, incident: null },
      consecutive: facts.consecutive ?? 0,
      openIncident: incident && incident.phase !== 'ended' ? incident.id : null,
      incidentCounter: facts.incidentCounter ?? 0,
      mode: facts.mode ?? null,
      operation: facts.operation ?? null,
      incident,
      bake: facts.bake ?? null,
      confirming: facts.confirming ?? null,
      pausedUntil: facts.pausedUntil ?? null,
      standby: facts.standby ?? null,
    };
    return {
      ...core,
      versions: withinLimit([...this.versions.values()], resultLimitChars - JSON.stringify(core).length),
    };
  }
}

/**
 * Who must not be used, and who a person vouched for, is never left out (in the worst case without the words about it); of
 * the others the newest are kept, as those are the ones to choose from.
 */
function withinLimit(versions: readonly VersionFacts[], limitChars: number): VersionFacts[] {
  const byImport = [...versions].sort((left, right) => left.importedAt - right.importedAt);
  if (JSON.stringify(byImport).length <= limitChars) return byImport;
  const needed = ({ standing, human }: VersionFacts): boolean =>
    (standing !== 'candidate' && standing !== 'validated') || (human ?? null) !== null;
  const byNeed = [...versions].sort(
    (left, right) => Number(needed(right)) - Number(needed(left)) || right.importedAt - left.importedAt,
  );
  const kept: VersionFacts[] = [];
  let chars = 0;
  for (const facts of byNeed) {
    const short = { ...facts, why: facts.why.slice(0, 120) };
    const size = JSON.stringify(short).length + 1;
    if (chars + size <= limitChars) kept.push(short);
    else if (needed(facts)) kept.push({ ...facts, why: '' });
    else continue;
    chars += size;
  }
  return kept.sort((left, right) => left.importedAt - right.importedAt);
}
