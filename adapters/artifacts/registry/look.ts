import type { Registry, RegistryVersion } from './registry';
import type { Seen } from './records';

/** An alias or a stage that names another version than at the look before; null: none. */
export interface Move {
  readonly alias: string;
  readonly from: string | null;
  readonly to: string | null;
}

export interface Look {
  readonly seen: Seen;
  readonly moves: readonly Move[];
  /** Versions that were there at the look before and are not any more. */
  readonly gone: readonly string[];
  /** Versions that had gone and are there again. */
  readonly back: readonly string[];
  readonly isFirst: boolean;
}

/** What changed at the registry since the look before. A look at another registry is a first one. */
export function lookAgain(before: Seen | null, where: string, versions: readonly RegistryVersion[], at: number): Look {
  const known = before?.where === where ? before : null;
  const there = new Map(versions.map((entry) => [entry.version, entry]));
  const aliases = new Map(
    versions.flatMap(({ version, aliases: names }) => names.map((name) => [name, version] as const)),
  );
  const moves: Move[] = [];
  for (const alias of [...new Set([...aliases.keys(), ...Object.keys(known?.aliases ?? {})])].sort()) {
    const from = known?.aliases[alias]?.version ?? null;
    const to = aliases.get(alias) ?? null;
    if (from !== to) moves.push({ alias, from, to });
  }
  const gone: string[] = [];
  const back: string[] = [];
  const facts: Seen['versions'] = {};
  for (const [version, was] of Object.entries(known?.versions ?? {})) {
    if (there.has(version)) continue;
    if (was.goneSince === null) gone.push(version);
    facts[version] = { ...was, goneSince: was.goneSince ?? at };
  }
  for (const [version, { id, origin }] of there) {
    const was = known?.versions[version];
    if (was !== undefined && was.goneSince !== null) back.push(version);
    const same = was !== undefined && (was.origin === undefined || was.origin === origin);
    const cameAt = known === null ? null : same ? (was.cameAt ?? null) : at;
    facts[version] = { id, seenAt: at, goneSince: null, cameAt, origin };
  }
  const since = (alias: string, version: string): number => {
    const was = known?.aliases[alias];
    return was?.version === version ? was.since : at;
  };
  const seen: Seen = {
    schema: 1,
    where,
    lookedAt: at,
    versions: facts,
    aliases: Object.fromEntries(
      [...aliases].map(([alias, version]) => [alias, { version, since: since(alias, version) }]),
    ),
    refused: Object.fromEntries(Object.entries(known?.refused ?? {}).filter(([version]) => there.has(version))),
  };
  return { seen, moves, gone, back, isFirst: known === null };
}

/**
 * The moment that counts where a version must not be newer than another one. The date of a tag is whatever its author
 * wrote: a version that came after the first look is not older than the look that found it. A server's own date stands.
 */
export function placeOf(
  { version, createdAt, origin }: Pick<RegistryVersion, 'version' | 'createdAt' | 'origin'>,
  { kind, where }: Pick<Registry, 'kind' | 'where'>,
  seen: Seen | null,
  now: number,
): number {
  if (kind !== 'dvc' || seen?.where !== where) return createdAt;
  const was = seen.versions[version];
  const isKnown = was !== undefined && (was.origin === undefined || was.origin === origin);
  return Math.max(createdAt, isKnown ? (was.cameAt ?? 0) : now);
}

/** A move, in words. */
export function moveWords({ alias, from, to }: Move): string {
  if (to === null) return `@${alias} names no version any more (was ${from ?? 'none'})`;
  return from === null ? `@${alias} names ${to}` : `@${alias} moved from ${from} to ${to}`;
}
