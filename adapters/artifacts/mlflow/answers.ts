import { z } from 'zod';
import { RegistryAnswerRefused } from '../registry/errors';

/** What is read of MLflow's answers. It leaves out fields that are empty, and later releases may add others. */
const pairs = z.array(z.object({ key: z.string(), value: z.string().prefault('') })).prefault([]);

export const modelAnswer = z.object({
  registered_model: z.object({
    name: z.string(),
    aliases: z.array(z.object({ alias: z.string(), version: z.coerce.string() })).prefault([]),
  }),
});

const modelVersion = z.object({
  name: z.string(),
  version: z.coerce.string().regex(/^[1-9]\d{0,9}$/, 'a version number'),
  creation_timestamp: z.coerce.number().prefault(0),
  current_stage: z.string().prefault('None'),
  source: z.string().prefault(''),
  run_id: z.string().prefault(''),
  status: z.string().prefault('READY'),
  tags: pairs,
});
export type ModelVersion = z.infer<typeof modelVersion>;

export const versionsAnswer = z.object({
  model_versions: z.array(modelVersion).prefault([]),
  next_page_token: z.string().prefault(''),
});

export const downloadUriAnswer = z.object({ artifact_uri: z.string() });

export const filesAnswer = z.object({
  files: z
    .array(z.object({ path: z.string(), is_dir: z.boolean().prefault(false), file_size: z.coerce.number().optional() }))
    .prefault([]),
});

/** MLflow writes NaN and infinities as text. */
const number = z.union([z.number(), z.string().transform(Number)]);
const metrics = z
  .array(z.object({ key: z.string(), value: number.prefault(0), timestamp: z.coerce.number().prefault(0) }))
  .prefault([]);

export const loggedModelAnswer = z.object({
  model: z.object({ data: z.object({ metrics, params: pairs }).prefault({}) }),
});

export const runAnswer = z.object({
  run: z.object({
    info: z.object({
      run_id: z.string(),
      artifact_uri: z.string().prefault(''),
      end_time: z.coerce.number().prefault(0),
    }),
    data: z
      .object({
        metrics,
        params: pairs,
        tags: pairs,
      })
      .prefault({}),
    inputs: z
      .object({
        dataset_inputs: z.array(z.object({ dataset: z.object({ digest: z.string().prefault('') }) })).prefault([]),
      })
      .prefault({}),
  }),
});

/** @throws RegistryAnswerRefused naming place and finding */
export function read<S extends z.ZodType>(where: string, schema: S, answer: unknown): z.output<S> {
  const parsed = schema.safeParse(answer, { reportInput: true });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const place = issue?.path.join('.') ?? '';
  throw new RegistryAnswerRefused(
    `${where}: ${place || '(the whole answer)'}: found ${(JSON.stringify(issue?.input) ?? 'nothing').slice(0, 80)}, expected ${issue?.message ?? 'something else'}`,
  );
}
