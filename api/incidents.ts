import type { Ledger } from '../activities/ports';
import type { ChainedEntry } from '../domain/ledger';
import type { IncidentSummary } from './types';

const pageEntries = 500;
const scannedEntriesMax = 20_000;

/** Incidents of one service, newest first, folded from its ledger. */
export async function listIncidents(ledger: Ledger, service: string, limit: number): Promise<IncidentSummary[]> {
  const found = new Map<string, IncidentSummary>();
  let upTo = Infinity;
  // From the newest entry backwards: old chains are long, and the question is nearly always about the last days.
  for (let scanned = 0; scanned < scannedEntriesMax; scanned += pageEntries) {
    const page = await pageBefore(ledger, service, upTo);
    for (const entry of page) if (entry.incident !== null && entry.kind !== 'evidence-kept') fold(found, entry);
    const oldest = page.at(-1);
    if (oldest === undefined || oldest.seq <= 1) break;
    upTo = oldest.seq;
    // One more page than needed, so that the oldest one listed has its beginning.
    if (found.size > limit) break;
  }
  return [...found.values()].sort((a, b) => b.beganAt - a.beganAt).slice(0, limit);
}

async function pageBefore(ledger: Ledger, service: string, seq: number): Promise<ChainedEntry[]> {
  if (seq === Infinity) return await ledger.read(service, { newestFirst: true, limit: pageEntries });
  const entries = await ledger.read(service, { afterSeq: Math.max(0, seq - 1 - pageEntries), limit: pageEntries });
  return entries.filter((entry) => entry.seq < seq).reverse();
}

function fold(found: Map<string, IncidentSummary>, entry: ChainedEntry): void {
  const id = entry.incident ?? '';
  const before = found.get(id);
  const ended = entry.kind === 'incident-ended' ? entry.at : null;
  if (before === undefined) {
    found.set(id, {
      service: entry.service,
      incident: id,
      beganAt: entry.at,
      lastAt: entry.at,
      endedAt: ended,
      entries: 1,
      lastKind: entry.kind,
      began: entry.summary,
      last: entry.summary,
    });
    return;
  }
  // Entries come newest first: each is older than what was folded.
  found.set(id, {
    ...before,
    beganAt: entry.at,
    began: entry.summary,
    endedAt: before.endedAt ?? ended,
    entries: before.entries + 1,
  });
}
