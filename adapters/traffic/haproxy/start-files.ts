import { writeFileAtomic } from '../../disk/atomic-file';
import { HaproxyAnswerRefused } from './errors';
import { planLanes, type SlotPlan } from './lanes';
import { mapFile, serverStateFile, type HaproxyLayout } from './layout';
import { entriesOf, mapText } from './map-entries';
import { serverStateText } from './slots';
import { readStoredRoute, type StoredRoute, type WrittenRoute } from './stored-route';

/** What HAProxy reads when it starts: the route of this service, and where the servers of every service are. Synced. */
export async function writeStartFiles(
  { directory, services }: HaproxyLayout,
  name: string,
  next: StoredRoute,
  written: WrittenRoute,
): Promise<void> {
  const all = await Promise.all(
    services.map(async (service) => {
      const stored = service.name === name ? next : await readStoredRoute(directory, service.name);
      return { name: service.name, slots: slotsOf(stored), tls: (service.serverTls ?? null) !== null };
    }),
  );
  const planned = planLanes(next, written.record, new Set());
  if ('refused' in planned) throw new HaproxyAnswerRefused(`the route of ${name}: ${planned.refused}`);
  const since = next.fallback?.epoch === written.record.epoch ? next.fallback.since : null;
  const route = { digest: written.digest, fallbackSince: since, former: null };
  // The servers first: a route may only name what is there.
  await writeFileAtomic(serverStateFile(directory), serverStateText(all), 0o640);
  await writeFileAtomic(mapFile(directory, name), mapText(entriesOf(written.record, planned.plan, route)), 0o640);
}

function slotsOf(stored: StoredRoute): readonly SlotPlan[] {
  if (stored.intended === null) return [];
  const planned = planLanes(stored, stored.intended.record, new Set());
  return 'plan' in planned ? planned.plan.slots : [];
}
