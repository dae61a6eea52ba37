import type { ObservedServing } from './observed-serving';

/**
 * How a request names its version where several answer at one address; the router writes it into the request, so that
 * clients never name a version.
 * - `path`: a path that is `from`, or begins with `from/`, begins with `to` instead (a version of a model in Triton).
 * - `model`: the JSON field `model` of the request is `name` instead of `public`, and `public` again in the answer and
 *   in every chunk of a stream (a LoRA adapter in vLLM).
 * - `header`: the request has this header with this value, whatever the client sent.
 */
export type VersionSelector =
  | { readonly by: 'path'; readonly from: string; readonly to: string }
  | { readonly by: 'model'; readonly public: string; readonly name: string }
  | { readonly by: 'header'; readonly header: string; readonly value: string };

/** One running copy of a version, as the router sees it. */
export interface Backend {
  /** `http://host:port`, no path. */
  readonly address: string;
  /** `service@version#id`, see {@link instanceName}. */
  readonly instance: string;
  /** `sha256:…` of the version's manifest, as the running copy itself reports it. */
  readonly digest: string;
  /** Absent where the address alone names the version. */
  readonly selector?: VersionSelector;
}

/** A second version that takes a part of the new requests until a moment that the router enforces by itself. */
export interface Share {
  readonly version: string;
  /** Part of the unpinned requests, 0–1. */
  readonly weight: number;
  /** Milliseconds since the epoch; from then on the router sends nothing there. */
  readonly until: number;
  /** Id of the drill; its requests are a cohort of their own in the telemetry. */
  readonly drill?: string;
  /** Only of a drill: users keep the primary; `weight` of their requests is copied there, and nobody gets those answers. */
  readonly mirror?: true;
  /** Only of a drill: what the router makes of the answers of its cohort. */
  readonly degrade?: Degradation;
}

/** How a good version is made to look worse for a drill; what is absent stays as it is. */
export interface Degradation {
  /** Part of the answers whose class is replaced by another one that was seen, 0–1. */
  readonly wrongShare?: number;
  readonly addedMs?: number;
  /** Characters of the text that are left; bytes of the answer where its text is not known. */
  readonly truncateTo?: number;
}

/** Of users' requests that a drill may ever answer. */
export const LIVE_DRILL_SHARE_MAX = 0.05;

/** Sessions that began on a version stay there until a moment that the router enforces by itself. */
export interface Pin {
  readonly version: string;
  readonly until: number;
}

/**
 * Memory holds one copy only: the old one is stopped before the new one is loaded, and meanwhile nobody serves, by decision.
 * The record names no copy then; `primary` is the version that served. Milliseconds since 1970.
 */
export interface Gap {
  readonly since: number;
  /** The router promises no end later than this; from then on it says that the gap lasts too long. */
  readonly until: number;
  /** When the new copy is expected to serve; what clients are told as `Retry-After`. */
  readonly expectedAt: number;
}

/**
 * Where the requests of one service go: one record, always replaced whole.
 * `epoch` grows with every change; a router refuses a record whose epoch is below the one in force or below its floor.
 */
export interface RouteRecord {
  readonly service: string;
  readonly epoch: number;
  readonly primary: string;
  readonly share?: Share;
  readonly pins: readonly Pin[];
  /** A standby that the router uses by itself when no backend of `primary` answers. */
  readonly fallback?: string;
  /** Nobody serves until the next record; `backends` is empty. */
  readonly gap?: Gap;
  /** Nobody decides about this service any more: the router goes on by this record alone, and measures nothing. */
  readonly detached?: { readonly since: number };
  readonly backends: Readonly<Record<string, readonly Backend[]>>;
}

/** The fallback as the router uses it: it stays there until a record with a higher epoch arrives. */
export interface FallbackInUse {
  readonly version: string;
  readonly since: number;
  readonly epoch: number;
  readonly reason: string;
}

/** Why a request was answered by the version that answered it. */
export type AnswerReason = 'primary' | 'pin' | 'fallback' | 'share' | 'drill';

export function instanceName(service: string, version: string, id: string): string {
  return `${service}@${version}#${id}`;
}

/** Versions that the record may send a request to now; the expired ends of shares and pins do not count. */
export function versionsInForce(record: RouteRecord, nowMs: number): string[] {
  const named = new Set([record.primary]);
  if (record.share && record.share.until > nowMs) named.add(record.share.version);
  for (const pin of record.pins) if (pin.until > nowMs) named.add(pin.version);
  if (record.fallback !== undefined) named.add(record.fallback);
  return [...named];
}

/** True when a record in force still names the instance: stopping it now would cost requests. */
export function namesInstance(record: RouteRecord, instance: string, nowMs: number): boolean {
  return versionsInForce(record, nowMs).some((version) =>
    (record.backends[version] ?? []).some((backend) => backend.instance === instance),
  );
}

/** Equality of content; key order does not count, the order of pins and backends does. */
export function sameRoute(left: RouteRecord, right: RouteRecord): boolean {
  return JSON.stringify(normalised(left)) === JSON.stringify(normalised(right));
}

function normalised(record: RouteRecord): unknown {
  const { service, epoch, primary, share, pins, fallback, gap } = record;
  return {
    service,
    epoch,
    primary,
    share: share ? [share.version, share.weight, share.until, share.drill ?? null, ...drillParts(share)] : null,
    pins: pins.map((pin) => [pin.version, pin.until]),
    fallback: fallback ?? null,
    gap: gap ? [gap.since, gap.until, gap.expectedAt] : null,
    detached: record.detached?.since ?? null,
    backends: Object.keys(record.backends)
      .sort()
      .map((version) => [
        version,
        (record.backends[version] ?? []).map(({ address, instance, digest, selector }) => [
          address,
          instance,
          digest,
          ...(selector === undefined ? [] : [selectorWords(selector)]),
        ]),
      ]),
  };
}

function drillParts({ mirror, degrade }: Share): unknown[] {
  if (mirror === undefined && degrade === undefined) return [];
  return [mirror ?? false, degrade?.wrongShare ?? 0, degrade?.addedMs ?? 0, degrade?.truncateTo ?? null];
}

/** For `Retry-After`: whole seconds until the new copy is expected, at least one. */
export function retryAfterSeconds({ expectedAt, until }: Gap, nowMs: number): number {
  const at = expectedAt > nowMs ? expectedAt : Math.min(until, nowMs + 5_000);
  return Math.max(1, Math.ceil((at - nowMs) / 1_000));
}

/** The same words for the same selector, for people and for comparison. */
export function selectorWords(selector: VersionSelector): string {
  switch (selector.by) {
    case 'path':
      return `path ${selector.from} -> ${selector.to}`;
    case 'model':
      return `model ${selector.public} -> ${selector.name}`;
    case 'header':
      return `header ${selector.header.toLowerCase()}: ${selector.value}`;
  }
}

/** One of several routers that does not have the record of the most advanced one in force. */
export interface DifferingRouter {
  readonly router: string;
  /** False: it could not be asked, and what it serves by is not known. */
  readonly reached: boolean;
  /** Of its record; null where it has none, or could not be asked. */
  readonly epoch: number | null;
  readonly why: string;
}

/** What a look at the router gives for reconcile. */
export interface ObservedRoute {
  /** When it was read, in milliseconds since 1970; an older look says nothing about what began after it. */
  readonly readAt?: number;
  readonly record: RouteRecord | null;
  readonly floor: number;
  readonly fallback: {
    readonly version: string;
    readonly since: number;
    readonly epoch: number;
    readonly reason: string;
  } | null;
  readonly pinned: Readonly<Record<string, { readonly sessions: number; readonly lastEndsAt: number }>>;
  /** Of several routers: those that have another record in force, or could not be asked. Absent where there is only one. */
  readonly differing?: readonly DifferingRouter[];
  /** Who answers at the address of a service that something else runs, where that was looked at. */
  readonly serving?: ObservedServing | null;
}
