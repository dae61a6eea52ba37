import { createHash } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import type { RouteRecord } from '../../../domain/route';
import { routeRecordSchema } from '../../../gateway/protocol';
import { readTextIfThere, writeFileAtomic } from '../../disk/atomic-file';
import { HaproxyFileBroken } from './errors';
import { announcedFile, routeFile } from './layout';

/** Who is in a lane: the version of its `a` slots, and the one that steps in from its `b` slots. */
export interface Lane {
  readonly version: string;
  readonly steppingIn: string | null;
  /** Epoch that last named it: of the free ones the one that was left longest ago is taken. */
  readonly epoch: number;
}

/** A record as it was written down for HAProxy, with the lanes that it uses. */
export interface WrittenRoute {
  readonly record: RouteRecord;
  readonly digest: string;
  /** When it was first written, in milliseconds since 1970. */
  readonly at: number;
}

export interface StoredRoute {
  readonly floor: number;
  /** Highest record that was ever sent: written before HAProxy is told. */
  readonly intended: WrittenRoute | null;
  /** The last one that was seen in force; where it differs from `intended`, HAProxy says which of the two holds. */
  readonly confirmed: WrittenRoute | null;
  readonly lanes: Readonly<Record<string, Lane>>;
  /** Each version's number, which never changes: a session remembers it. */
  readonly numbers: Readonly<Record<string, number>>;
  /** Since when HAProxy uses the fallback of the record with that epoch; it outlives a restart only here. */
  readonly fallback: { readonly epoch: number; readonly since: number } | null;
}

const writtenSchema = z.strictObject({ record: routeRecordSchema, digest: z.string(), at: z.number() });
const storedSchema: z.ZodType<StoredRoute> = z.strictObject({
  floor: z.int().min(0),
  intended: writtenSchema.nullable(),
  confirmed: writtenSchema.nullable(),
  lanes: z.record(
    z.string().regex(/^\d+$/),
    z.strictObject({ version: z.string(), steppingIn: z.string().nullable(), epoch: z.int() }),
  ),
  numbers: z.record(z.string(), z.int().min(1)),
  fallback: z.strictObject({ epoch: z.int(), since: z.number() }).nullable(),
});

const nothing: StoredRoute = { floor: 0, intended: null, confirmed: null, lanes: {}, numbers: {}, fallback: null };
const limitBytes = 4 * 1024 * 1024;

/** @throws HaproxyFileBroken: nothing is guessed, because a forgotten floor would let a stale record pass */
export async function readStoredRoute(directory: string, service: string): Promise<StoredRoute> {
  const file = routeFile(directory, service);
  // In this order: what is moved in between is found in the second one.
  const announced = await readAnnounced(directory, service);
  let stored = nothing;
  try {
    const text = await readTextIfThere(file, limitBytes);
    if (text !== null) stored = storedSchema.parse(JSON.parse(text));
  } catch (fault) {
    const why =
      fault instanceof z.ZodError ? z.prettifyError(fault) : fault instanceof Error ? fault.message : String(fault);
    throw new HaproxyFileBroken(
      `${file}: ${why}; expected what lastgood wrote there. Restore it, or move it away: lastgood then applies the declared route above every epoch that HAProxy knows`,
      { cause: fault },
    );
  }
  const later = (announced?.intended?.record.epoch ?? 0) > (stored.intended?.record.epoch ?? 0);
  return later && announced !== null ? announced : stored;
}

/**
 * Says what comes next before HAProxy is told: whoever reads after a crash of this process finds it. It is not synced: a
 * power cut takes HAProxy's memory with it, which then starts on what {@link writeStoredRoute} and the start files last said.
 */
export async function announceRoute(directory: string, service: string, next: StoredRoute): Promise<void> {
  await writeFile(announcedFile(directory, service), JSON.stringify(next), { mode: 0o640 });
}

/** On disk, synced, when it resolves; nothing is announced any more then. */
export async function writeStoredRoute(directory: string, service: string, stored: StoredRoute): Promise<void> {
  await writeFileAtomic(routeFile(directory, service), `${JSON.stringify(stored, null, 1)}\n`, 0o640);
  await rm(announcedFile(directory, service), { force: true });
}

/** Half of one was never acted on: it is none. */
async function readAnnounced(directory: string, service: string): Promise<StoredRoute | null> {
  const text = await readTextIfThere(announcedFile(directory, service), limitBytes);
  if (text === null) return null;
  try {
    return storedSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

/** Short enough for a map, long enough that no two records of a service share it. */
export function recordDigest(record: RouteRecord): string {
  return createHash('sha256').update(JSON.stringify(record)).digest('hex').slice(0, 32);
}

/** What HAProxy finds when it starts: the newest record of each service, for whoever must have its servers running by then. */
export async function writtenRecords(directory: string, services: readonly string[]): Promise<RouteRecord[]> {
  const stored = await Promise.all(services.map((service) => readStoredRoute(directory, service)));
  return stored.flatMap(({ intended }) => (intended === null ? [] : [intended.record]));
}
