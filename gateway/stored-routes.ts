import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { routeRecordSchema } from './protocol';
import { Storage } from './storage';
import type { RouteRecord } from '../domain/route';

/**
 * The records of a gateway that does not run, for whoever starts it: what they name must run before it serves. Rejected by
 * the database's own lock while a gateway runs.
 * @throws GatewayStorageError
 */
export function storedRoutes(dataDir: string): RouteRecord[] {
  if (!existsSync(join(dataDir, 'gateway.db'))) return [];
  const storage = new Storage(dataDir);
  try {
    const rows = storage.prepare('SELECT record FROM services WHERE record IS NOT NULL').all() as { record: string }[];
    return rows.flatMap(({ record }) => {
      const parsed = routeRecordSchema.safeParse(JSON.parse(record));
      return parsed.success ? [parsed.data] : [];
    });
  } finally {
    storage.close();
  }
}
