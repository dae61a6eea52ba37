import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { RouteRecord } from '../domain/route';
import { routeRecordSchema } from './protocol';
import { Storage } from './storage';

/**
 * The records of a gateway that does not run, for whoever starts it: what they name must run before it serves. In a
 * process of its own, as the gateway is: a database that was opened is locked until its process has ended.
 * @throws GatewayStorageError while a gateway has it open
 */
export function storedRoutes(dataDir: string): RouteRecord[] {
  if (!existsSync(join(dataDir, 'gateway.db'))) return [];
  const storage = new Storage(dataDir);
  const rows = storage.prepare('SELECT record FROM services WHERE record IS NOT NULL').all() as { record: string }[];
  return rows.flatMap(({ record }) => {
    const parsed = routeRecordSchema.safeParse(JSON.parse(record));
    return parsed.success ? [parsed.data] : [];
  });
}
