import { z } from 'zod';

const conditionTypes = ['Selected', 'AllInjected', 'AllRecovered', 'Paused'] as const;

/** As Chaos Mesh writes it; what it does not know of us may be there too. */
const objectSchema = z.object({
  metadata: z.object({ name: z.string(), uid: z.string(), deletionTimestamp: z.string().optional() }),
  status: z
    .object({
      conditions: z.array(z.object({ type: z.string(), status: z.enum(['True', 'False', 'Unknown']) })).default([]),
      experiment: z
        .object({
          desiredPhase: z.enum(['Run', 'Stop']).optional(),
          containerRecords: z
            .array(
              z.object({
                id: z.string(),
                phase: z.enum(['Injected', 'Not Injected', '']).default(''),
                injectedCount: z.number().default(0),
                recoveredCount: z.number().default(0),
              }),
            )
            .nullish(),
        })
        .default({}),
    })
    .optional(),
});

/**
 * `pending`: nothing is known yet. `selects-nothing`: its selector matched nothing, so it is void. `partial`: some of what
 * was selected is hit. `one-shot`: it was done, and there is nothing to recover.
 */
export type MeshPhase =
  'pending' | 'selects-nothing' | 'partial' | 'injected' | 'one-shot' | 'paused' | 'recovering' | 'recovered';

export interface MeshReading {
  readonly phase: MeshPhase;
  readonly uid: string;
  readonly beingDeleted: boolean;
  readonly selected: number;
  readonly hit: number;
  readonly why: string;
}

/** Actions that are done once: a killed pod is not brought back by Chaos Mesh. */
const oneShot: readonly string[] = ['pod-kill', 'container-kill'];

/**
 * Reads the status of a chaos object strictly. `AllRecovered` is true before the injection too, so counts and desired phase
 * decide, and never that condition alone.
 * @throws z.ZodError where it is no such object
 */
export function readMesh(object: unknown, action: string | null): MeshReading {
  const { metadata, status } = objectSchema.parse(object);
  const { uid } = metadata;
  const records = status?.experiment.containerRecords ?? [];
  const hit = records.filter(({ injectedCount }) => injectedCount > 0).length;
  const recovered = records.filter(
    ({ injectedCount, recoveredCount }) => injectedCount > 0 && recoveredCount >= injectedCount,
  ).length;
  const facts = { uid, beingDeleted: metadata.deletionTimestamp !== undefined, selected: records.length, hit };
  const is = (type: (typeof conditionTypes)[number]): string | null =>
    status?.conditions.find((condition) => condition.type === type)?.status ?? null;
  const reading = (phase: MeshPhase, why: string): MeshReading => ({ ...facts, phase, why });
  if (status === undefined) return reading('pending', 'Chaos Mesh has not looked at it: does its controller run?');
  if (is('Selected') === 'False') return reading('selects-nothing', 'its selector matches nothing');
  if (is('Paused') === 'True') return reading('paused', 'it is paused');
  if (records.length === 0) return reading('pending', 'nothing is selected yet');
  if (action !== null && oneShot.includes(action))
    return hit === records.length
      ? reading('one-shot', `${action} was done to ${hit} of ${records.length}`)
      : reading(hit === 0 ? 'pending' : 'partial', `${action} was done to ${hit} of ${records.length}`);
  const stopping = status.experiment.desiredPhase === 'Stop' || facts.beingDeleted;
  if (stopping && hit > 0)
    return recovered === hit && is('AllRecovered') === 'True'
      ? reading('recovered', `all ${hit} have recovered`)
      : reading('recovering', `${recovered} of ${hit} have recovered`);
  if (hit === records.length && is('AllInjected') === 'True') return reading('injected', `all ${hit} are hit`);
  return reading(hit === 0 ? 'pending' : 'partial', `${hit} of ${records.length} are hit`);
}
