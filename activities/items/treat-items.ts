import { itemOutcomes, type ItemOutcome } from '../../domain/items/treated';
import type { ItemsActivities } from '../../workflows/contract/items-activities';
import { withHeartbeat } from '../heartbeat';
import type { HandledUnit } from '../ports';
import { pipelineOf, type ItemsPorts } from './list-items';
import { keepList, readList } from './lists';

const BEAT_MS = 1_000;

/**
 * Does what was decided with the items of one list. Run twice it does it once: what the pipeline's marks (or the receiver of
 * the idempotency key) say was done before is answered from there, and the list of outcomes comes out the same.
 */
export function treatItems({ pipelines, evidence }: ItemsPorts): ItemsActivities['treatItems'] {
  return async ({ service, incident, pipeline, version, digest, action, unit, why, part, previous }) =>
    await withHeartbeat(BEAT_MS, async (signal) => {
      const { lines } = await readList(evidence, service, incident, digest);
      const units = lines.filter((line): line is HandledUnit => 'id' in line);
      const order = { service, incident, pipeline, version, action, unit, why };
      const treated = await pipelineOf(pipelines, service, pipeline).treat(order, units, signal);
      const counts: Partial<Record<ItemOutcome, number>> = {};
      for (const outcome of itemOutcomes) {
        const number = treated.filter((one) => one.outcome === outcome).length;
        if (number > 0) counts[outcome] = number;
      }
      const head = { kind: 'treated' as const, service, incident, pipeline, part, previous };
      return { counts, head: await keepList(evidence, head, treated) };
    });
}
