import type { ChainedEntry, Json } from './ledger';

type Facts = ChainedEntry['facts'];

/** What was live at a moment, and the decision that made it so. */
export interface LiveThen {
  readonly service: string;
  readonly at: number;
  readonly version: string | null;
  readonly epoch: number | null;
  readonly since: number | null;
  /** The router served by its fallback then. */
  readonly fallback: { readonly version: string; readonly since: number; readonly why: string } | null;
  /** The entry with which the version became the declared primary. */
  readonly madeLive: ChainedEntry | null;
  readonly decision: ChainedEntry | null;
  /** The chain does not reach back that far, or not all of it could be read. */
  readonly gap: string | null;
}

/** Entries of one chain up to the moment, oldest first. */
export function liveThen(service: string, at: number, entries: readonly ChainedEntry[]): LiveThen {
  let live = null as { readonly version: string; readonly epoch: number | null; readonly entry: ChainedEntry } | null;
  let epoch: number | null = null;
  let fallback: LiveThen['fallback'] = null;
  for (const entry of entries) {
    if (entry.at > at) continue;
    const route = routeOf(entry);
    const primary = route ? textOf(route, 'primary') : null;
    if (route && primary !== null) {
      const next = numberOf(route, 'epoch');
      if (next !== epoch) fallback = null;
      epoch = next;
      if (primary !== live?.version) live = { version: primary, epoch, entry };
    }
    if (entry.kind === 'fallback-began') {
      const version = textOf(entry.facts, 'version');
      if (version !== null)
        fallback = { version, since: numberOf(entry.facts, 'since') ?? entry.at, why: entry.summary };
    }
  }
  return {
    service,
    at,
    version: live?.version ?? null,
    epoch,
    since: live?.entry.at ?? null,
    fallback,
    madeLive: live?.entry ?? null,
    decision: live ? decisionFor(entries, live.entry, live.epoch) : null,
    gap: live ? null : gapOf(entries, at),
  };
}

/** The last time that this version became the primary, up to the moment, and its decision: for sessions that stayed on it. */
export function lastLive(
  version: string,
  at: number,
  entries: readonly ChainedEntry[],
): { readonly madeLive: ChainedEntry; readonly decision: ChainedEntry | null } | null {
  let before: string | null = null;
  let found: { readonly entry: ChainedEntry; readonly epoch: number | null } | null = null;
  for (const entry of entries) {
    const route = entry.at <= at ? routeOf(entry) : null;
    const primary = route ? textOf(route, 'primary') : null;
    if (route === null || primary === null) continue;
    if (primary === version && before !== version) found = { entry, epoch: numberOf(route, 'epoch') };
    before = primary;
  }
  return found && { madeLive: found.entry, decision: decisionFor(entries, found.entry, found.epoch) };
}

const decisions = new Set<ChainedEntry['kind']>([
  'rollback-decided',
  'deploy-decided',
  'operator-act',
  'foreign-change',
]);

/** The decision whose block of epochs holds the one that made the version live. */
function decisionFor(entries: readonly ChainedEntry[], made: ChainedEntry, epoch: number | null): ChainedEntry | null {
  const granted = entries.findLast(({ at, kind, facts }) => {
    if (at > made.at || !decisions.has(kind)) return false;
    const [from, to] = (textOf(facts, 'epochs') ?? '').split('..').map(Number);
    return epoch !== null && from !== undefined && to !== undefined && epoch >= from && epoch <= to;
  });
  return granted ?? null;
}

function gapOf(entries: readonly ChainedEntry[], at: number): string {
  const first = entries[0];
  if (!first || first.at > at)
    return first
      ? `the ledger of the service begins at ${new Date(first.at).toISOString()}`
      : 'the ledger has no entry of that time';
  return 'no entry up to that moment declares a route: nothing was live yet';
}

/** The route that an entry declares, whole; null where it declares none. */
export function routeOf({ facts }: ChainedEntry): Facts | null {
  return recordOf(recordOf(facts, 'changes') ?? {}, 'route');
}

/** Careful reading of what an entry carries: entries of older releases may lack a fact. */
export function textOf(facts: Facts, name: string): string | null {
  const value = facts[name];
  return typeof value === 'string' ? value : null;
}

export function numberOf(facts: Facts, name: string): number | null {
  const value = facts[name];
  return typeof value === 'number' ? value : null;
}

export function recordOf(facts: Facts, name: string): Facts | null {
  const value: Json | undefined = facts[name];
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Facts) : null;
}
