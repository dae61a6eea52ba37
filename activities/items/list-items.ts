import type { ItemsActivities } from '../../workflows/contract/items-activities';
import { withHeartbeat } from '../heartbeat';
import type { EvidenceStore, Pipeline, Pipelines } from '../ports';
import { keepList } from './lists';

export interface ItemsPorts {
  readonly pipelines: Pipelines;
  readonly evidence: EvidenceStore;
}

/** The configuration has no pipeline of this name (any more). */
export class PipelineUnknown extends Error {
  override readonly name = 'PipelineUnknown';
}

/** Few enough that a list with long ids stays below what evidence may have. */
const PAGE_UNITS = 1_000;
const BEAT_MS = 1_000;

/** Changes nothing but the evidence, whose files are named by their content. */
export function listItems({ pipelines, evidence }: ItemsPorts): ItemsActivities['listItems'] {
  return async ({ service, incident, pipeline, cursor, count, ...window }) =>
    await withHeartbeat(BEAT_MS, async () => {
      const found = pipelineOf(pipelines, service, pipeline);
      const total = count ? await found.count(window) : null;
      const { units, next } = await found.list(window, cursor, PAGE_UNITS);
      const head = { kind: 'found' as const, service, incident, pipeline, part: 1, previous: null };
      const digest = units.length === 0 ? null : await keepList(evidence, head, units);
      const { guarantee } = found;
      return { found: units.length, digest, next, total, guarantee, knowsBatches: found.partlyHandled !== undefined };
    });
}

/** As {@link listItems}. */
export function listPartlyHandled({ pipelines, evidence }: ItemsPorts): ItemsActivities['listPartlyHandled'] {
  return async ({ service, incident, pipeline, cursor, part, previous, ...window }) =>
    await withHeartbeat(BEAT_MS, async () => {
      const found = pipelineOf(pipelines, service, pipeline);
      if (!found.partlyHandled) return { partly: 0, next: null, head: previous };
      const { units, next } = await found.partlyHandled(window, cursor, PAGE_UNITS);
      const head = { kind: 'partly-handled' as const, service, incident, pipeline, part, previous };
      return {
        partly: units.length,
        next,
        head: units.length === 0 ? previous : await keepList(evidence, head, units),
      };
    });
}

export function pipelineOf(pipelines: Pipelines, service: string, name: string): Pipeline {
  const found = pipelines.of(service, name);
  if (found) return found;
  throw new PipelineUnknown(`services.${service}.pipelines has no ${name}`);
}
