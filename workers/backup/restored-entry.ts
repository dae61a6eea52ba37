import type { Actor, Json, LedgerEntry } from '../../domain/ledger';
import type { RecoveredState } from '../../domain/service/recovery';
import { restoredFactsSchema, type RestoredFacts } from '../../workflows/contract/restored';
import type { BackedUpService, BackupManifest } from './manifest';

export interface Restoring {
  readonly file: string;
  readonly manifest: BackupManifest;
  readonly actor: Actor;
  readonly reason: string;
  readonly now: number;
}

const versionsMax = 60;

/** From what, by whom, how old; and what makes the service begin in `observe`, above every epoch that was seen. */
export function restoredEntry(
  { file, manifest, actor, reason, now }: Restoring,
  service: BackedUpService,
  {
    state,
    drillSchedule,
    anchorBeyond,
  }: { state: RecoveredState | null; drillSchedule: string | null; anchorBeyond: number | null },
): LedgerEntry {
  const { head, highestEpoch } = service;
  const route = state?.route ?? null;
  const facts: RestoredFacts = {
    file,
    release: manifest.release,
    host: manifest.host,
    madeAt: manifest.madeAt,
    ageMs: Math.max(0, now - manifest.madeAt),
    reason,
    head: head === null ? null : { seq: head.seq, hash: head.hash },
    modeBefore: state?.mode ?? null,
    declared: route === null ? null : { primary: route.primary, epoch: route.epoch },
    highestEpoch,
    operation: state?.operation?.id ?? null,
    versions: (state?.versions ?? [])
      .slice(-versionsMax)
      .map(({ version, digest, standing }) => ({ version, digest, standing })),
    drillSchedule,
    anchorBeyond,
    brokenAt: service.breaks[0]?.seq ?? null,
  };
  return {
    service: service.service,
    key: `restore/${manifest.madeAt}/${now}`,
    at: now,
    kind: 'restored',
    incident: null,
    actor,
    summary:
      `restored by ${actor.name} from a backup of ${new Date(manifest.madeAt).toISOString()} (${ageWords(facts.ageMs)} old), ` +
      `made by lastgood ${manifest.release} on ${manifest.host}; mode observe until a person accepts what differs: ${reason}`,
    facts: {
      ...(restoredFactsSchema.parse(facts) as unknown as { readonly [key: string]: Json }),
      changes: { mode: 'observe', nextEpoch: highestEpoch + 1 },
    },
  };
}

export function ageWords(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  if (minutes < 1) return `${Math.round(ms / 1000)} s`;
  if (minutes < 120) return `${minutes} min`;
  return minutes < 48 * 60 ? `${Math.round(minutes / 60)} h` : `${Math.round(minutes / 1440)} days`;
}
