import type { Server } from './servers';

export const WAYS = ['gateway', 'haproxy', 'nginx', 'traefik'] as const;
export type WayName = (typeof WAYS)[number];

/** Where the requests of a way go. */
export interface Target {
  readonly primary: Server;
  /** Takes over when the primary is dead. */
  readonly standby: Server | null;
  /** Sessions of another version stay there until then (milliseconds since 1970), where the way knows sessions. */
  readonly pins: { readonly server: Server; readonly until: number } | null;
}

/** A router under test. */
export interface Way {
  readonly name: WayName;
  /** Knows sessions, and a moment at which they end. */
  readonly pins: boolean;
  readonly entrance: string;
  /** Resolves when the way has said that it is done; the traffic shows whether it is. */
  move(target: Target): Promise<void>;
  stop(): Promise<void>;
}

/** Lifetime of a session in the two ways that know sessions. */
export const SESSION_MAX_MS = 3_000;
