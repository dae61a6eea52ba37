import { statfs } from 'node:fs/promises';
import type { Alert, Ledger } from '../activities/ports';
import type { LegalHoldView } from '../api/types';
import type { ChainedEntry, LedgerEntry } from '../domain/ledger';
import type { Logger } from 'pino';
import type { Configuration, ServiceConfiguration } from './configuration/configuration';
import { whileLeading, type Leadership } from './leadership';

const ACT = 'legal-hold';
const lookEveryMs = 60_000;
/** The disk is called short below this share or this size, whichever is reached first. */
const shortShare = 0.15;
const shortBytes = 5 * 1024 ** 3;
const fullShare = 0.05;
const fullBytes = 1024 ** 3;

/** Logs and alerts of a process are about all of its services: one hold keeps them. */
export function isHeld({ services }: Pick<Configuration, 'services'>): boolean {
  return services.some(({ legalHold }) => legalHold !== null);
}

export type Disk = LegalHoldView['disk'];

/** Free and total bytes of the disk of the data directory; null where it cannot be asked. */
export async function diskOf(directory: string): Promise<Disk> {
  const facts = await statfs(directory).catch(() => null);
  return facts && { freeBytes: facts.bavail * facts.bsize, totalBytes: facts.blocks * facts.bsize };
}

export function diskState({ freeBytes, totalBytes }: NonNullable<Disk>): 'enough' | 'short' | 'nearly-full' {
  if (freeBytes < Math.min(fullShare * totalBytes, fullBytes)) return 'nearly-full';
  return freeBytes < Math.min(shortShare * totalBytes, shortBytes) ? 'short' : 'enough';
}

/**
 * Writes down that a hold of the configuration began, changed or ended, with who answers for it and why. The chain itself
 * remembers what was written last, so that a restart writes nothing, and of two controllers only one does.
 */
export async function recordHold(
  ledger: Pick<Ledger, 'read' | 'append'>,
  { name, legalHold }: Pick<ServiceConfiguration, 'name' | 'legalHold'>,
  file: string,
  now: number,
): Promise<boolean> {
  const last = await lastHold(ledger, name);
  const before = last === null || last.facts['on'] !== true ? null : last.facts;
  const same =
    legalHold === null ? before === null : before?.['reason'] === legalHold.reason && before['by'] === legalHold.by;
  if (same) return false;
  const by = legalHold?.by ?? String(before?.['by'] ?? '');
  const reason = legalHold?.reason ?? `taken out of ${file}; it was: ${String(before?.['reason'] ?? '')}`;
  const entry: LedgerEntry = {
    service: name,
    key: `${ACT}/${last?.seq ?? 0}`,
    at: now,
    kind: 'operator-act',
    incident: null,
    // Nobody has proven who wrote the file: its word is recorded as its word.
    actor: { name: by, proof: 'unverified', from: file },
    summary:
      `legal hold ${legalHold === null ? 'ends' : before === null ? 'begins' : 'is changed'}, by ${by}: ${reason}`.slice(
        0,
        900,
      ),
    facts: { act: ACT, on: legalHold !== null, reason: reason.slice(0, 500), by },
  };
  try {
    await ledger.append(entry);
    return true;
  } catch (error) {
    // Another controller was first, at its own time: its entry stands under this key.
    if ((error as Error).name !== 'LedgerConflict') throw error;
    return false;
  }
}

async function lastHold(ledger: Pick<Ledger, 'read'>, service: string): Promise<ChainedEntry | null> {
  const pageEntries = 1_000;
  for (let until: number | null = null; ;) {
    const acts: ChainedEntry[] = await ledger.read(service, {
      kinds: ['operator-act'],
      newestFirst: true,
      limit: pageEntries,
      ...(until === null ? {} : { untilMs: until }),
    });
    const found = acts.find(({ facts }) => facts['act'] === ACT);
    const oldest = acts.at(-1);
    if (found || oldest === undefined || acts.length < pageEntries || oldest.at === until) return found ?? null;
    until = oldest.at;
  }
}

/** Under a hold nothing makes room: people must hear of it long before the ledger cannot be written. */
export function diskAlert(service: string, disk: NonNullable<Disk>, directory: string, now: number): Alert | null {
  const state = diskState(disk);
  if (state === 'enough') return null;
  const gib = (bytes: number): string => `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
  // A new key each day: what is not mended is told again.
  const day = Math.floor(now / 86_400_000);
  return {
    key: `legal-hold-disk/${service}/${state}/${day}`,
    service,
    incident: null,
    severity: state === 'nearly-full' ? 'page' : 'ticket',
    at: now,
    title: `${service}: the disk runs full under a legal hold`,
    wrong: `${gib(disk.freeBytes)} of ${gib(disk.totalBytes)} are free at ${directory}, and the legal hold deletes nothing.`,
    did: 'Went on recording: samples, answers, telemetry, evidence and logs stay.',
    users: 'They are served as before; a full disk would stop the recording, and then the decisions.',
    must: 'Give the data directory more room, or move what is held to another place and end the hold.',
    command: 'lastgood doctor',
    link: null,
  };
}

export interface HoldKeeper {
  readonly configuration: Pick<Configuration, 'services' | 'file' | 'dataDir'>;
  readonly ledger: Pick<Ledger, 'read' | 'append'>;
  readonly alerts: { send(alert: Alert): Promise<unknown> };
  readonly now?: () => number;
}

/** One look: what the configuration says is on record, and the disk has room. Rejects where the ledger does not answer. */
export async function lookAtHolds({ configuration, ledger, alerts, now = Date.now }: HoldKeeper): Promise<void> {
  const { services, file, dataDir } = configuration;
  for (const service of services) await recordHold(ledger, service, file, now());
  const held = services.filter(({ legalHold }) => legalHold !== null);
  const disk = held.length === 0 ? null : await diskOf(dataDir);
  for (const { name } of held) {
    const alert = disk && diskAlert(name, disk, dataDir, now());
    if (alert) await alerts.send(alert);
  }
}

/** Looks at room on the disk of what may not be deleted, until the signal; where this controller leads, for two would tell it twice. */
export async function keepHolds({
  leadership,
  log,
  signal,
  ...looked
}: Parameters<typeof lookAtHolds>[0] & {
  readonly leadership: Pick<Leadership, 'leads'>;
  readonly log: Pick<Logger, 'warn'>;
  readonly signal: AbortSignal;
}): Promise<void> {
  await whileLeading(leadership, signal, async () => {
    try {
      await lookAtHolds(looked);
    } catch (error) {
      log.warn({ err: error }, 'legal holds could not be looked at; the next look tries again');
    }
    return lookEveryMs;
  });
}
