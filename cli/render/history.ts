import type { Entry } from '../types';
import { numberOf, recordOf, textOf } from '../story/facts';
import { worthTelling } from './explain';
import { clock, day, moment, table } from './words';

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
  readonly madeLive: Entry | null;
  readonly decision: Entry | null;
  /** The chain does not reach back that far, or not all of it could be read. */
  readonly gap: string | null;
}

/** Entries of one chain up to the moment, oldest first. */
export function liveThen(service: string, at: number, entries: readonly Entry[]): LiveThen {
  let live = null as { readonly version: string; readonly epoch: number | null; readonly entry: Entry } | null;
  let epoch: number | null = null;
  let fallback: LiveThen['fallback'] = null;
  for (const entry of entries) {
    if (entry.at > at) continue;
    const route = recordOf(recordOf(entry.facts, 'changes') ?? {}, 'route');
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

/** The decision whose block of epochs holds the one that made the version live. */
function decisionFor(entries: readonly Entry[], made: Entry, epoch: number | null): Entry | null {
  const before = entries.filter(
    (entry) =>
      entry.at <= made.at &&
      ['rollback-decided', 'deploy-decided', 'operator-act', 'foreign-change'].includes(entry.kind),
  );
  const granted = before.findLast(({ facts }) => {
    const [from, to] = (textOf(facts, 'epochs') ?? '').split('..').map(Number);
    return epoch !== null && from !== undefined && to !== undefined && epoch >= from && epoch <= to;
  });
  return granted ?? null;
}

function gapOf(entries: readonly Entry[], at: number): string {
  const first = entries[0];
  if (!first || first.at > at)
    return first ? `the ledger of the service begins at ${moment(first.at)}` : 'the ledger has no entry of that time';
  return 'no entry up to that moment declares a route: nothing was live yet';
}

export function renderLiveThen(then: LiveThen): string[] {
  const { service, at, version, since, fallback, madeLive, decision, gap } = then;
  if (version === null) return [`${service} at ${moment(at)}: not known: ${gap ?? ''}`];
  const lines = [
    `${service} at ${moment(at)}: ${service}@${version}, live since ${since === null ? '?' : moment(since)}`,
  ];
  if (fallback)
    lines.push(`  but the router served by its fallback ${fallback.version} since ${moment(fallback.since)}`);
  const decided = decision ?? madeLive;
  if (decided) {
    lines.push(
      `  decided: ${decided.summary}`,
      `  by ${decided.actor.name} (${decided.actor.proof}${decided.actor.from ? `, ${decided.actor.from}` : ''}) at ${moment(decided.at)}, entry ${decided.seq}`,
    );
    if (decided.incident !== null)
      lines.push(`  the whole story: lastgood explain ${decided.incident} --service ${service}`);
  }
  return lines;
}

const details = new Set<Entry['kind']>([
  'step-began',
  'step-succeeded',
  'standby-changed',
  'standing-changed',
  'instance-retired',
  'configured',
  'fallback-declared',
  'fallback-withdrawn',
  'reconciled',
]);

export function decisionsOf(entries: readonly Entry[]): Entry[] {
  return worthTelling(entries).filter(({ kind }) => !details.has(kind));
}

/** Decisions only, unless everything is asked for. */
export function renderHistory(entries: readonly Entry[], all: boolean): string[] {
  const shown = all ? entries : decisionsOf(entries);
  const lines: string[] = [];
  let today = '';
  const rows = table(
    shown.map((entry) => [
      clock(entry.at),
      entry.incident ?? '·',
      entry.kind,
      `${entry.summary}${entry.actor.name === 'lastgood' ? '' : ` — ${entry.actor.name}`}`,
    ]),
    '  ',
  );
  shown.forEach((entry, index) => {
    const date = day(entry.at);
    if (date !== today) lines.push(date);
    today = date;
    lines.push(rows[index] ?? '');
  });
  return lines;
}
