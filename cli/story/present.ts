import type { Entry } from '../types';
import { numberOf, recordOf, textOf } from './facts';

/** What is in force by the ledger's own word: the newest value of each fact that entries carry. */
export interface Present {
  readonly primary: string | null;
  readonly epoch: number | null;
  readonly routedAt: number | null;
  readonly cooldownUntil: number | null;
  readonly breaker: { readonly open: boolean; readonly epoch: number; readonly incident: string | null } | null;
  readonly mode: string | null;
  /** Version → standing and why, as far as the entries tell. */
  readonly standing: Readonly<Record<string, { readonly standing: string; readonly why: string }>>;
  /** A fallback that the router began and no later route ended. */
  readonly fallback: { readonly version: string; readonly since: number } | null;
  readonly asOf: number | null;
}

/** Folds entries of one chain, oldest first. */
export function foldPresent(entries: readonly Entry[]): Present {
  let present: Present = {
    primary: null,
    epoch: null,
    routedAt: null,
    cooldownUntil: null,
    breaker: null,
    mode: null,
    standing: {},
    fallback: null,
    asOf: null,
  };
  for (const entry of entries) present = foldEntry(present, entry);
  return present;
}

function foldEntry(before: Present, entry: Entry): Present {
  let present: Present = { ...before, asOf: entry.at };
  if (entry.kind === 'fallback-began') {
    const version = textOf(entry.facts, 'version');
    if (version !== null)
      present = { ...present, fallback: { version, since: numberOf(entry.facts, 'since') ?? entry.at } };
  }
  const changes = recordOf(entry.facts, 'changes');
  if (!changes) return present;
  const route = recordOf(changes, 'route');
  if (route) {
    const primary = textOf(route, 'primary');
    const epoch = numberOf(route, 'epoch');
    const moved = primary !== before.primary;
    present = { ...present, primary, epoch, routedAt: moved ? entry.at : before.routedAt };
    if (epoch !== before.epoch) present = { ...present, fallback: null };
  }
  if ('cooldownUntil' in changes) present = { ...present, cooldownUntil: numberOf(changes, 'cooldownUntil') };
  const breaker = recordOf(changes, 'breaker');
  if (breaker)
    present = {
      ...present,
      breaker: {
        open: breaker['open'] === true,
        epoch: numberOf(breaker, 'epoch') ?? 0,
        incident: textOf(breaker, 'incident'),
      },
    };
  const mode = textOf(changes, 'mode');
  if (mode !== null) present = { ...present, mode };
  return { ...present, standing: foldStanding(present.standing, changes['versions']) };
}

function foldStanding(before: Present['standing'], versions: unknown): Present['standing'] {
  if (!Array.isArray(versions)) return before;
  const standing: Record<string, { standing: string; why: string }> = { ...before };
  for (const item of versions) {
    if (typeof item !== 'object' || item === null) continue;
    const facts = item as Entry['facts'];
    const version = textOf(facts, 'version');
    if (version !== null)
      standing[version] = { standing: textOf(facts, 'standing') ?? '?', why: textOf(facts, 'why') ?? '' };
  }
  return standing;
}
