import type { RouteRecord } from '../../../domain/route';
import { LANES, SLOTS, type SlotRole } from './layout';
import { sameSelector } from './selectors';
import type { Lane, StoredRoute } from './stored-route';

export interface Place {
  readonly host: string;
  readonly port: number;
}

/** What a slot has to be: `free` ones are whatever they were before. */
export interface SlotPlan {
  readonly lane: number;
  readonly role: SlotRole;
  readonly places: readonly Place[];
}

export interface LanePlan {
  readonly lanes: Readonly<Record<string, Lane>>;
  readonly numbers: Readonly<Record<string, number>>;
  readonly laneOf: Readonly<Record<string, number>>;
  /** Both roles of each lane that the record uses. */
  readonly slots: readonly SlotPlan[];
}

export type Planned = { readonly plan: LanePlan } | { readonly refused: string };

/** Versions that get requests under the record at some time, the primary first. */
export function versionsNamed(record: RouteRecord): string[] {
  const named = new Set([record.primary]);
  if (record.fallback !== undefined) named.add(record.fallback);
  if (record.share) named.add(record.share.version);
  // A pin without a server has nowhere to stay: its sessions move, as they would at its end.
  for (const { version } of record.pins) if ((record.backends[version] ?? []).length > 0) named.add(version);
  return [...named];
}

/** A version of the record has no lane yet: then it counts which of the others are busy. */
export function needsLane({ lanes }: Pick<StoredRoute, 'lanes'>, record: RouteRecord): boolean {
  const placed = new Set(Object.values(lanes).map(({ version }) => version));
  return !versionsNamed(record).every((version) => placed.has(version));
}

/** Where each version of the record goes. A version that has a lane keeps it; `busy` lanes are taken only when nothing else is left. */
export function planLanes(stored: StoredRoute, record: RouteRecord, busy: ReadonlySet<number>): Planned {
  const named = versionsNamed(record);
  if (named.length > LANES) {
    return {
      refused: `the record names ${named.length} versions (${named.join(', ')}), at most ${LANES} have a place`,
    };
  }
  const places = new Map<string, Place[]>();
  for (const version of named) {
    const found: Place[] = [];
    for (const { address } of record.backends[version] ?? []) {
      const place = placeOf(address);
      if (place === null) {
        return { refused: `backends.${version}: found ${address}, expected an IP address and a port` };
      }
      found.push(place);
    }
    if (found.length > SLOTS) {
      return { refused: `backends.${version}: found ${found.length} servers, at most ${SLOTS} have a place` };
    }
    places.set(version, found);
  }
  const laneOf = assign(stored.lanes, named, busy);
  const steppingIn = (version: string): string | null =>
    version === record.primary ? (record.fallback ?? null) : record.primary;
  const lanes: Record<string, Lane> = { ...stored.lanes };
  const numbers: Record<string, number> = { ...stored.numbers };
  const slots: SlotPlan[] = [];
  for (const version of named) {
    const lane = laneOf[version] as number;
    lanes[lane] = { version, steppingIn: steppingIn(version), epoch: record.epoch };
    numbers[version] ??= Math.max(0, ...Object.values(numbers)) + 1;
    const second = steppingIn(version);
    slots.push({ lane, role: 'a', places: places.get(version) ?? [] });
    // A request that was written for the one must not reach a server as if it were for the other.
    const standsBy = second !== null && sameSelector(record, version, second);
    slots.push({ lane, role: 'b', places: standsBy ? (places.get(second) ?? []) : [] });
  }
  return { plan: { lanes, numbers, laneOf, slots } };
}

function assign(
  held: Readonly<Record<string, Lane>>,
  named: readonly string[],
  busy: ReadonlySet<number>,
): Record<string, number> {
  const laneOf: Record<string, number> = {};
  for (const [lane, { version }] of Object.entries(held)) if (named.includes(version)) laneOf[version] = Number(lane);
  const taken = new Set(Object.values(laneOf));
  const free = Array.from({ length: LANES }, (_, index) => index + 1)
    .filter((lane) => !taken.has(lane))
    .sort((a, b) => Number(busy.has(a)) - Number(busy.has(b)) || (held[a]?.epoch ?? -1) - (held[b]?.epoch ?? -1));
  for (const version of named) laneOf[version] ??= free.shift() as number;
  return laneOf;
}

/** HAProxy resolves no names here: an address must be one. */
export function placeOf(address: string): Place | null {
  const match = /^https?:\/\/(?:(\d{1,3}(?:\.\d{1,3}){3})|\[([0-9A-Fa-f:]+)\]|(localhost)):(\d{1,5})$/.exec(address);
  if (match === null) return null;
  const [, v4, v6, , port] = match;
  return { host: v4 ?? v6 ?? '127.0.0.1', port: Number(port) };
}
