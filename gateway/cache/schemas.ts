import { z } from 'zod';

/** The cache's part of the control interface and of the configuration; see `protocol.ts`. */
const instant = z.number().min(0);
const cacheStrategy = z.enum(['invalidate', 'version-tagged', 'auto']);

/** Answers are kept for other requests that ask the same. */
export const gatewayCacheConfigSchema = z.strictObject({
  strategy: cacheStrategy,
  /** Of all entries together. */
  maxBytes: z.int().min(0),
  /** Of one answer's body. */
  maxEntryBytes: z.int().min(0),
  maxAgeMs: z.int().min(0),
  /** A request waits so long for the answer of one that asks the same. */
  coalesceMaxMs: z.int().min(0),
  /** Headers of requests that change no answer; all others are part of the key. */
  ignoreHeaders: z.array(z.string()),
  slaP99Ms: z.number().exactOptional(),
  modelPerSecond: z.number().exactOptional(),
});
export type GatewayCacheConfig = z.infer<typeof gatewayCacheConfigSchema>;

export const gatewayCacheStateSchema = z.object({
  strategy: cacheStrategy,
  /** Version that new requests go to. */
  current: z.string().nullable(),
  /** What was done at the last change of the version, and why. */
  choice: z.object({ strategy: z.enum(['invalidate', 'version-tagged']), why: z.string(), at: instant }).nullable(),
  versions: z.record(z.string(), z.object({ entries: z.int(), bytes: z.int() })),
  bytes: z.int(),
  maxBytes: z.int(),
  /** Since the start of the process. */
  hits: z.int(),
  misses: z.int(),
  coalesced: z.int(),
  evicted: z.int(),
  /** Requests that wait now for the answer of an equal one. */
  waiting: z.int(),
  /** Of the last five minutes; null where nothing was asked. */
  hitRate: z.number().nullable(),
  requestsPerSecond: z.number().nullable(),
  missP99Ms: z.number().nullable(),
  lastDrop: z.object({ at: instant, by: z.string(), versions: z.array(z.string()), entries: z.int() }).nullable(),
});
export type GatewayCacheState = z.infer<typeof gatewayCacheStateSchema>;
/** `versions` null: all of them. */
export const gatewayCacheDropSchema = z.strictObject({
  versions: z.array(z.string().max(64)).nullable(),
  by: z.string().max(300),
});
