import { resolve } from 'node:path';
import { z } from 'zod';
import type { ImportRules } from '../../adapters/artifacts/registry/reports';
import type { Contradiction } from './cross-checks';
import { count, duration, httpUrl, path } from './fields';

/** Where a service's versions come from, and how they become artifacts. */
const name = z.string('a name').min(1, 'a name').max(250);
const inside = z
  .string('a path in the version')
  .regex(/^(?!\/)(?!.*(^|\/)\.\.?(\/|$))[^\\]+$/, 'a relative path without . and .. parts');
const figure = z.string('the name of a figure').min(1, 'the name of a figure').max(250);
const secret = {
  file: path.optional(),
  env: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable')
    .optional(),
};
const secretWords = 'exactly one of file and env (the secret itself never stands in this file)';
const oneSecret = z
  .strictObject(secret, { error: secretError })
  .refine((given) => (given.file === undefined) !== (given.env === undefined), { message: secretWords });

/** Other faults, such as an unknown key, keep their own words. */
function secretError({ code }: { readonly code?: string | undefined }): string | undefined {
  return code === 'invalid_type' ? '{file: PATH} or {env: NAME}; the secret never stands here' : undefined;
}

const figures = z.strictObject({
  /** A JSON file that has them; without it the registry's own metrics, `param:NAME` and `tag:NAME`. */
  json: inside.optional(),
  classes: z.array(name).min(1, 'at least one class').max(1_000),
  accuracy: figure.prefault('accuracy'),
  n: figure.prefault('n'),
  recall: figure.prefault('recall_{class}'),
  precision: figure.prefault('precision_{class}'),
  classN: figure.prefault('n_{class}'),
});

const common = {
  /** Of the newest versions that are validated. */
  keep: count(3, 50).prefault(3),
  lookBack: count(3, 500).prefault(20),
  every: duration({ min: '10s', max: '1d' }).prefault('5m'),
  follow: z.array(name).max(20).prefault([]),
  preprocessing: z
    .union([name, z.strictObject({ tag: name })], 'the version of the preprocessing, or {tag: NAME} that says it')
    .prefault('1'),
  evaluation: z
    .union([inside, figures], 'a path in the version, or {classes, …} with the names of its figures')
    .prefault('evaluation.json'),
  probes: inside.prefault('probes.json'),
  profile: inside.prefault('profile.json'),
};

const mlflow = z.strictObject({
  kind: z.literal('mlflow'),
  url: httpUrl.refine((url) => !/^https?:\/\/[^/]*@/.test(url), 'an address without a name and a password; see auth'),
  /** Default: `model` of the service. */
  model: name.optional(),
  auth: z
    .union(
      [z.strictObject({ user: name, password: oneSecret }), z.strictObject({ token: oneSecret })],
      '{user, password: {file}} or {token: {file}}',
    )
    .optional(),
  caFile: path.optional(),
  writeBack: z.boolean().prefault(true),
  ...common,
});

const dvc = z.strictObject({
  kind: z.literal('dvc'),
  /** A clone on this machine. */
  repository: path.refine(
    (at) => !/^([a-z][a-z0-9+.-]*:\/\/|[^/\s]+@[^/\s]+:)/i.test(at),
    'the path of a clone on this machine',
  ),
  /** Default: `model` of the service. */
  artifact: z
    .string()
    .regex(/^([A-Za-z0-9._/-]+:)?[A-Za-z0-9]([A-Za-z0-9/_-]*[A-Za-z0-9])?$/, 'the name of an artifact, as GTO has it')
    .optional(),
  path: inside.optional(),
  remote: name.optional(),
  fetch: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._/-]*$/, 'the name of a Git remote, such as origin')
    .optional(),
  /** A note goes into the clone, so somebody must want it. */
  writeBack: z.boolean().prefault(false),
  ...common,
});

export const registrySchema = z.discriminatedUnion('kind', [mlflow, dvc]);
type RegistryText = z.output<typeof registrySchema>;

/** Read at each call, and never kept in the configuration. */
export type SecretPlace = { readonly file: string } | { readonly env: string };

export interface RegistryConfiguration {
  readonly source:
    | {
        readonly kind: 'mlflow';
        readonly url: string;
        readonly model: string;
        readonly auth:
          { readonly user: string; readonly password: SecretPlace } | { readonly token: SecretPlace } | null;
        readonly caFile: string | null;
      }
    | {
        readonly kind: 'dvc';
        readonly repository: string;
        readonly artifact: string;
        readonly path: string | null;
        readonly remote: string | null;
        readonly fetch: string | null;
      };
  readonly keep: number;
  readonly lookBack: number;
  readonly everyMs: number;
  readonly follow: readonly string[];
  readonly writeBack: boolean;
  readonly rules: ImportRules;
}

export interface RegistryService {
  readonly name: string;
  readonly model: string;
  readonly engine: string;
}

export function resolveRegistry(
  text: RegistryText | undefined,
  service: RegistryService,
  here: string,
): RegistryConfiguration | null {
  if (text === undefined) return null;
  const { keep, lookBack, every, follow, writeBack, evaluation, preprocessing, probes, profile } = text;
  return {
    source: resolveSource(text, service, here),
    ...{ keep, lookBack, everyMs: every, follow, writeBack },
    rules: {
      service: service.name,
      engine: service.engine,
      model: service.model,
      preprocessing: typeof preprocessing === 'string' ? { text: preprocessing } : preprocessing,
      evaluation: resolveEvaluation(evaluation),
      probes,
      profile,
    },
  };
}

function resolveSource(text: RegistryText, { model }: RegistryService, here: string): RegistryConfiguration['source'] {
  const absolute = (file: string): string => resolve(here, file);
  const place = ({ file, env = '' }: z.output<typeof oneSecret>): SecretPlace =>
    file === undefined ? { env } : { file: absolute(file) };
  if (text.kind === 'mlflow') {
    const { url, auth, caFile } = text;
    return {
      kind: 'mlflow',
      url,
      model: text.model ?? model,
      auth:
        auth === undefined
          ? null
          : 'user' in auth
            ? { user: auth.user, password: place(auth.password) }
            : { token: place(auth.token) },
      caFile: caFile === undefined ? null : absolute(caFile),
    };
  }
  const { repository, artifact = model, path: at = null, remote = null, fetch = null } = text;
  return { kind: 'dvc', repository: absolute(repository), artifact, path: at, remote, fetch };
}

function resolveEvaluation(text: RegistryText['evaluation']): ImportRules['evaluation'] {
  if (typeof text === 'string') return { from: 'file', file: text };
  const { json, ...names } = text;
  return json === undefined ? { from: 'figures', names } : { from: 'json', file: json, names };
}

/** What no single value shows. Paths begin at the service. */
export function checkRegistry(text: RegistryText | undefined): Contradiction[] {
  if (text === undefined) return [];
  const found: Contradiction[] = [];
  const at = (key: string, problem: string): void => void found.push({ path: ['registry', key], problem });
  if (text.lookBack < text.keep)
    at('lookBack', `found ${text.lookBack}, expected at least keep (${text.keep}): so many would never be found`);
  const { evaluation } = text;
  if (text.kind === 'dvc' && typeof evaluation !== 'string' && evaluation.json === undefined)
    at('evaluation', 'found names of figures without json: DVC keeps no metrics, expected the JSON file that has them');
  return found;
}
