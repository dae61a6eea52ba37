import { z } from 'zod';

const engineSchema = z.object({
  metadata: z.object({ name: z.string(), uid: z.string(), deletionTimestamp: z.string().optional() }),
  spec: z.object({ engineState: z.enum(['active', 'stop']) }),
  status: z
    .object({
      engineStatus: z.enum(['initialized', 'completed', 'stopped']).optional(),
      experiments: z
        .array(z.object({ name: z.string(), status: z.string().default(''), verdict: z.string().default('') }))
        .nullish(),
    })
    .optional(),
});

const resultSchema = z.object({
  status: z
    .object({
      experimentStatus: z
        .object({
          phase: z
            .enum(['Running', 'Completed', 'Completed_With_Error', 'Completed_With_Probe_Failure', 'Stopped', 'Error'])
            .optional(),
          verdict: z.enum(['Pass', 'Fail', 'Stopped', 'Awaited', 'Error']).optional(),
          probeSuccessPercentage: z.string().optional(),
          errorOutput: z.unknown().optional(),
        })
        .default({}),
    })
    .optional(),
});

export interface EngineReading {
  readonly state: 'pending' | 'running' | 'completed' | 'stopped';
  readonly uid: string;
  /** An experiment runs in its pod, or ran. */
  readonly began: boolean;
}

/** @throws z.ZodError where it is no ChaosEngine */
export function readEngine(object: unknown): EngineReading {
  const { metadata, status } = engineSchema.parse(object);
  const experiments = status?.experiments ?? [];
  const began = experiments.some(({ status: said }) => said === 'Running' || said.startsWith('Completed'));
  const facts = { uid: metadata.uid, began };
  switch (status?.engineStatus) {
    case 'completed':
      return { ...facts, state: 'completed' };
    case 'stopped':
      return { ...facts, state: 'stopped' };
    default:
      return { ...facts, state: began ? 'running' : 'pending' };
  }
}

export interface ResultReading {
  /** Litmus says that its fault was made and its own probes held. Only a completed one with the verdict Pass is. */
  readonly passed: boolean | null;
  readonly why: string;
}

/** `passed` null: it is not over. @throws z.ZodError where it is no ChaosResult */
export function readResult(object: unknown): ResultReading {
  const {
    phase,
    verdict,
    probeSuccessPercentage: probes,
    errorOutput,
  } = resultSchema.parse(object).status?.experimentStatus ?? {};
  const said = `phase ${phase ?? 'none'}, verdict ${verdict ?? 'none'}${probes === undefined ? '' : `, probes ${probes} %`}`;
  if (phase === undefined || phase === 'Running') return { passed: null, why: said };
  const passed = phase === 'Completed' && verdict === 'Pass';
  const error = errorOutput === undefined || passed ? '' : `: ${JSON.stringify(errorOutput).slice(0, 300)}`;
  return { passed, why: `${said}${error}` };
}
