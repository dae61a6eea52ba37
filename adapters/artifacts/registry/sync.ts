import type { EvaluationSummary, VersionInfo } from '../../../domain/version';
import { ArtifactRefused } from '../errors';
import { RegistryError, RegistryUnreachable, RegistryVersionRefused } from './errors';
import { lookAgain, moveWords, placeOf, type Move } from './look';
import { listWithin } from './list-within';
import { notesBack, type NotesBack } from './notes-back';
import { pullVersion, type PullOptions } from './pull';
import type { RegistryRecords, Seen } from './records';
import type { RegistryVersion } from './registry';
import { reportsAhead } from './reports';

export interface SyncOptions extends PullOptions {
  readonly records: RegistryRecords;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** How many of the newest versions that are validated are kept in the store. */
  readonly keep: number;
  /** How many of the newest are looked at for that. */
  readonly lookBack: number;
  /** Aliases or stages whose versions are brought in too, validated or not. */
  readonly follow: readonly string[];
  readonly judge: (reports: { readonly evaluation: EvaluationSummary | null; readonly probes: number }) => {
    readonly ok: boolean;
    readonly why: string;
  };
  /** Whether a rollback could choose it, as far as is known; quarantined ones do not count as kept. */
  readonly choosable: (version: string) => boolean;
  /** Null: not known here. */
  readonly standing: (version: string) => string | null;
  readonly writeBack: boolean;
  readonly dryRun: boolean;
  /** Told before they are recorded as seen, so that none is lost by a crash (one may then come twice). */
  readonly onMoves?: (moves: readonly Move[], at: number) => Promise<void>;
}

export interface SyncReport {
  readonly where: string;
  readonly lookedAt: number;
  readonly isFirstLook: boolean;
  readonly moves: readonly Move[];
  readonly gone: readonly string[];
  readonly back: readonly string[];
  /** In a dry run: what would have been fetched. */
  readonly pulled: readonly {
    readonly version: string;
    readonly outcome: string;
    readonly bytes: number;
    readonly lacks: readonly string[];
  }[];
  readonly refused: readonly { readonly version: string; readonly why: string }[];
  /** Looked at and not fetched, with the reason. */
  readonly passedOver: readonly { readonly version: string; readonly why: string }[];
  /** Validated versions of the registry that are in the store now, newest first. */
  readonly validated: readonly string[];
  /** Why fetching ended early; null: it did not. */
  readonly interrupted: string | null;
  readonly notes: NotesBack;
}

/** A refused version is the same tomorrow, but what refused it may have been corrected. */
const REFUSED_FOR_MS = 24 * 3_600_000;
const ROUNDS_MAX = 5;

/**
 * One look at the registry: what moved and what is gone is noted, and the newest validated versions are brought into the
 * store, oldest first. What is not validated by its reports is not fetched at all. Rejects where the registry cannot be
 * listed; nothing was changed then.
 */
export async function syncRegistry(options: SyncOptions): Promise<SyncReport> {
  const { registry, records, rules, signal, dryRun } = options;
  const { service } = rules;
  return await records.alone(service, async () => {
    const versions = await listWithin(registry, signal);
    const look = lookAgain(await records.read(service), registry.where, versions, options.now());
    const { lookedAt } = look.seen;
    if (!dryRun) {
      // At the first look nothing has moved: it is how things stand.
      if (!look.isFirst) await options.onMoves?.(look.moves, lookedAt);
      await noteMoves(look.moves, lookedAt, options);
      await records.write(service, look.seen);
    }
    const fetched = await fetchWanted(versions, look.seen, options);
    const notes = options.writeBack && !dryRun ? await notesBack(versions, options) : { written: [], failed: [] };
    const { moves, gone, back, isFirst: isFirstLook } = look;
    return { where: registry.where, lookedAt, isFirstLook, moves, gone, back, ...fetched, notes };
  });
}

/** Beside the versions that an alias left and reached, as far as they are here. */
async function noteMoves(moves: readonly Move[], at: number, { store, rules }: SyncOptions): Promise<void> {
  for (const move of moves)
    for (const version of [move.from, move.to])
      if (version !== null && (await store.get(rules.service, version)) !== null)
        await store.annotate(rules.service, version, { at, text: `registry: ${moveWords(move)}` });
}

type Fetched = Pick<SyncReport, 'pulled' | 'refused' | 'passedOver' | 'validated' | 'interrupted'>;

async function fetchWanted(versions: readonly RegistryVersion[], seen: Seen, options: SyncOptions): Promise<Fetched> {
  const { records, rules, now, dryRun } = options;
  const pulled: SyncReport['pulled'][number][] = [];
  const refused = new Map<string, string>();
  let memory = { ...seen.refused };
  const recently = (version: string): string | null => {
    const was = memory[version];
    return refused.get(version) ?? (was !== undefined && now() - was.at < REFUSED_FOR_MS ? was.why : null);
  };
  const verdicts = new Map<string, Verdict>();
  for (let round = 1; ; round++) {
    const { wanted, passedOver, validated, unreachable } = await choose(versions, recently, verdicts, options);
    const result = (interrupted: string | null): Fetched => ({
      pulled,
      refused: [...refused].map(([version, why]) => ({ version, why })),
      passedOver: passedOver.filter(({ version }) => !refused.has(version)),
      validated,
      interrupted,
    });
    if (dryRun) {
      pulled.push(...wanted.map(({ version }) => ({ version, outcome: 'would be fetched', bytes: 0, lacks: [] })));
      return result(unreachable);
    }
    if (wanted.length === 0 || unreachable !== null || round === ROUNDS_MAX) return result(unreachable);
    for (const entry of wanted.reverse()) {
      try {
        const { outcome, info, lacks } = await pullVersion(
          entry,
          options,
          placeOf(entry, options.registry, seen, now()),
        );
        await noteOrigin(entry, info, options);
        pulled.push({ version: entry.version, outcome, bytes: info.bytes, lacks });
      } catch (fault) {
        if (fault instanceof RegistryUnreachable) return result(fault.message);
        if (!(fault instanceof RegistryError) && !(fault instanceof ArtifactRefused)) throw fault;
        // What is refused leaves its place to an older one, in the next round.
        refused.set(entry.version, fault.message);
        // No room, an object that is not pushed yet: another thing at the next look.
        if (!(fault instanceof RegistryVersionRefused || fault instanceof ArtifactRefused)) continue;
        memory = { ...memory, [entry.version]: { at: now(), why: fault.message.slice(0, 1_000) } };
        await records.write(rules.service, { ...seen, refused: memory });
      }
    }
  }
}

export async function noteOrigin(
  entry: RegistryVersion,
  info: VersionInfo,
  options: PullOptions & { readonly now: () => number },
): Promise<void> {
  const { registry, store, rules } = options;
  const named = entry.aliases.map((alias) => ` @${alias}`).join('');
  const text = `registry: brought from ${registry.where}, version ${entry.id}${named}, ${entry.origin}`;
  await store.annotate(rules.service, info.version, { at: options.now(), text: text.slice(0, 2_000) });
}

interface Choice {
  /** Newest first. */
  readonly wanted: RegistryVersion[];
  readonly passedOver: { readonly version: string; readonly why: string }[];
  readonly validated: string[];
  /** Why not all could be asked for. */
  readonly unreachable: string | null;
}

type Verdict = { readonly ok: boolean; readonly why: string };

async function choose(
  versions: readonly RegistryVersion[],
  refusedLately: (version: string) => string | null,
  verdicts: Map<string, Verdict>,
  options: SyncOptions,
): Promise<Choice> {
  const { registry, store, rules, signal, keep, lookBack, follow, judge, choosable } = options;
  const local = new Map((await store.list(rules.service)).map((info) => [info.version, info]));
  const wanted: RegistryVersion[] = [];
  const passedOver: Choice['passedOver'] = [];
  const validated: string[] = [];
  let count = 0;
  const ready = versions.filter(({ version, state }) => {
    if (state !== 'ready') passedOver.push({ version, why: `the registry says that it is ${state}` });
    return state === 'ready';
  });
  for (const [place, entry] of ready.entries()) {
    const { version } = entry;
    const info = local.get(version);
    const followed = entry.aliases.some((alias) => follow.includes(alias));
    const isLooked = count < keep && place < lookBack;
    if (info !== undefined) {
      if (!judge(info).ok || !choosable(version)) continue;
      validated.push(version);
      count++;
      continue;
    }
    if (!isLooked && !followed) continue;
    const before = refusedLately(version);
    if (before !== null) {
      passedOver.push({ version, why: `refused lately: ${before}` });
      continue;
    }
    if (!choosable(version)) {
      passedOver.push({ version, why: 'no rollback could choose it' });
      continue;
    }
    const verdict = verdicts.get(version) ?? (await judgeAhead(entry, { registry, rules, signal, judge }));
    if ('unreachable' in verdict) return { wanted, passedOver, validated, unreachable: verdict.unreachable };
    verdicts.set(version, verdict);
    if (verdict.ok && isLooked) count++;
    if ((verdict.ok && isLooked) || followed) wanted.push(entry);
    else passedOver.push({ version, why: verdict.why });
  }
  return { wanted, passedOver, validated, unreachable: null };
}

async function judgeAhead(
  entry: RegistryVersion,
  { registry, rules, signal, judge }: Pick<SyncOptions, 'registry' | 'rules' | 'signal' | 'judge'>,
): Promise<Verdict | { readonly unreachable: string }> {
  try {
    const ahead = await reportsAhead(await registry.open(entry, signal), entry, rules, signal);
    const { ok, why } = judge(ahead);
    return { ok, why: ok || ahead.lacks.length === 0 ? why : ahead.lacks.join('; ') };
  } catch (fault) {
    if (fault instanceof RegistryUnreachable) return { unreachable: fault.message };
    if (!(fault instanceof RegistryError)) throw fault;
    return { ok: false, why: fault.message };
  }
}
