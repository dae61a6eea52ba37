import type { ProvenanceView } from '../../api/types';
import type { Entry } from '../types';
import { worthTelling } from './explain';
import { clock, day, moment, table } from './words';

export type LiveThen = ProvenanceView['declared'];

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
  const rows = table(shown.map(cellsOf), '  ');
  shown.forEach((entry, index) => {
    const date = day(entry.at);
    if (date !== today) lines.push(date);
    today = date;
    lines.push(rows[index] ?? '');
  });
  return lines;
}

/** One entry as it comes. */
export function renderEntry(entry: Entry): string {
  return cellsOf(entry).join('  ');
}

function cellsOf({ at, incident, kind, summary, actor }: Entry): string[] {
  return [clock(at), incident ?? '·', kind, `${summary}${actor.name === 'lastgood' ? '' : ` — ${actor.name}`}`];
}
