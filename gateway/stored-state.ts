import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { storedServiceSchema, type StoredService } from './protocol';
import { Storage } from './storage';

type Row = Record<'service' | 'record' | 'fallback', string | null> &
  Record<'last_seq' | 'floor', number> & { in_force_since: number | null };

/**
 * What outlives the gateway, for a backup: routes, floors, a fallback in use, and which version each session began on.
 * Measurements are not in it. A running gateway tells it of itself; of one that does not run it is read in a process of
 * its own, because a database that was opened is locked until its process has ended.
 */
export function storedServices(storage: Storage, only?: string): StoredService[] {
  const rows = storage.prepare('SELECT * FROM services ORDER BY service').all() as unknown as Row[];
  const sessions = storage.prepare('SELECT session_sha, version, born_ms FROM sessions WHERE service = ?');
  return rows
    .filter(({ service }) => only === undefined || service === only)
    .map((row) =>
      storedServiceSchema.parse({
        service: row.service,
        record: row.record === null ? null : JSON.parse(row.record),
        floor: row.floor,
        inForceSince: row.in_force_since,
        fallback: row.fallback === null ? null : JSON.parse(row.fallback),
        lastSeq: row.last_seq,
        sessions: (sessions.all(row.service) as { session_sha: string; version: string; born_ms: number }[]).map(
          ({ session_sha, version, born_ms }) => [session_sha, version, born_ms],
        ),
      }),
    );
}

/** @throws GatewayStorageError while a gateway has it open */
export function storedState(dataDir: string): StoredService[] {
  return existsSync(join(dataDir, 'gateway.db')) ? storedServices(new Storage(dataDir)) : [];
}

/** Makes the database that a gateway begins with. Throws where there is one already: a route in force is never replaced here. */
export function putBack(dataDir: string, input: unknown, release: string): void {
  const services = z.array(storedServiceSchema).parse(input);
  if (existsSync(join(dataDir, 'gateway.db'))) throw new Error(`${join(dataDir, 'gateway.db')} is there already`);
  const storage = new Storage(dataDir, release);
  storage.durable(() => {
    for (const { service, record, floor, inForceSince, fallback, lastSeq, sessions } of services) {
      storage
        .prepare(
          'INSERT INTO services (service, last_seq, record, floor, in_force_since, fallback) VALUES (?, ?, ?, ?, ?, ?)',
        )
        .run(service, lastSeq, textOf(record), floor, inForceSince, textOf(fallback));
      const insert = storage.prepare(
        'INSERT INTO sessions (service, session_sha, version, born_ms) VALUES (?, ?, ?, ?)',
      );
      for (const session of sessions) insert.run(service, ...session);
    }
  });
  storage.close();
}

function textOf(value: unknown): string | null {
  return value === null ? null : JSON.stringify(value);
}
