import { placesOf } from '../detection/where-to-look';
import type { ServiceState, StandingDegradation } from './state';
import type { Turn } from './turn';

const RULES_WITH_TOLD = 3;
/** A state that was over for less is the same story: a value that swings about its limit pages once, not all night. */
const QUIET_MINUTES = 60;
/** More states that come and go at a time than people can follow; the oldest is forgotten, and told once more (I15). */
const REMEMBERED = 8;

/**
 * Whether people should hear of it now: true at its begin, and again only after it was over for an hour. What was told as
 * a page needs no ticket; what was a ticket may still become a page. Where it waits for a person (`waits`), it is told again
 * an hour after it was told last: the one before may have been closed when its state ended. Under older rules everything is news.
 */
export function isNews(turn: Turn, so: string, hard: boolean, waits = false): boolean {
  const { state } = turn;
  if (state.rules < RULES_WITH_TOLD) return true;
  const known = toldLately(turn, so, true) || (!hard && toldLately(turn, so, false));
  if (!known || !waits) remember(turn, nameOf(so, hard));
  return !known;
}

/** It was so until now: the quiet hour begins here. */
export function stillSo(turn: Turn, so: string): void {
  for (const hard of [true, false]) if (toldLately(turn, so, hard)) remember(turn, nameOf(so, hard));
}

/** A degradation ended: whatever people were told because of it held until now. */
export function stillSoOf(turn: Turn, entry: StandingDegradation): void {
  const held = entry.heldBy === null ? [] : [heldSo(entry, entry.heldBy)];
  for (const so of [...held, environmentSo(entry.reasons), environmentSo([])]) stillSo(turn, so);
}

/** The brake without its ids and numbers: another incident behind the same brake is no news by itself. */
export function heldSo({ version, verdict }: Pick<StandingDegradation, 'version' | 'verdict'>, why: string): string {
  return `held/${version}/${verdict.metric}/${why.replaceAll(/\S*\d\S*/g, '')}`;
}

/** Everything that is bad because of one place is one story, whatever the metrics. */
export function environmentSo(reasons: readonly string[]): string {
  return `environment/${(placesOf(reasons) ?? '').replaceAll(/\S*\d\S*/g, '')}`;
}

export function approvalSo({ version, verdict: { metric } }: About): string {
  return `approval/${version}/${metric}`;
}

export function nobodySo({ version, verdict: { metric } }: About): string {
  return `nobody/${version}/${metric}`;
}

interface About {
  readonly version: string;
  readonly verdict: { readonly metric: string };
}

function toldLately({ state, now }: Turn, so: string, hard: boolean): boolean {
  const name = nameOf(so, hard);
  const [, last = -Infinity] = (state.told ?? []).find(([known]) => known === name) ?? [];
  return minutesOf(now) - last < QUIET_MINUTES;
}

function remember(turn: Turn, name: string): void {
  const { state, now } = turn;
  const others: NonNullable<ServiceState['told']> = (state.told ?? []).filter(([known]) => known !== name);
  state.told = [...others, [name, minutesOf(now)] as const].slice(-REMEMBERED);
}

function minutesOf(ms: number): number {
  return Math.floor(ms / 60_000);
}

/** 32 bits of FNV-1a: two states with the same name would have to come within the same hour. */
function nameOf(so: string, hard: boolean): string {
  let hash = 2_166_136_261;
  for (const character of `${so}${hard ? '!' : ''}`) {
    hash ^= character.codePointAt(0) ?? 0;
    hash = Math.imul(hash, 16_777_619);
  }
  return (hash >>> 0).toString(36);
}
