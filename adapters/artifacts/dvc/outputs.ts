import { posix } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { pathProblem } from '../paths';
import { RegistryAnswerRefused, RegistryVersionRefused } from '../registry/errors';

/** An output that DVC tracks: an object of its storage. */
export interface Output {
  /** Relative to the repository. */
  readonly path: string;
  /** Hex, without `.dir`. */
  readonly md5: string;
  readonly isDirectory: boolean;
}

const out = z.looseObject({
  path: z.string(),
  md5: z.string().optional(),
  hash: z.string().optional(),
  files: z.unknown().optional(),
  cloud: z.unknown().optional(),
});
const dvcFile = z.looseObject({ wdir: z.string().prefault('.'), outs: z.array(out).prefault([]) });
const lockFile = z.looseObject({
  schema: z.string().optional(),
  stages: z.record(z.string(), z.looseObject({ outs: z.array(out).prefault([]) })).prefault({}),
});
const yamlFile = z.looseObject({
  artifacts: z.record(z.string(), z.looseObject({ path: z.string().optional() })).nullish(),
});

/** Outputs of `NAME.dvc` (in folder `folder`). */
export function outputsOfDvcFile(what: string, folder: string, text: Buffer): Output[] {
  const { wdir, outs } = read(what, dvcFile, text);
  return outs.map((one) => output(what, posix.join(folder, wdir), one));
}

/** Outputs of all stages of a `dvc.lock`. */
export function outputsOfLock(what: string, folder: string, text: Buffer): Output[] {
  const { stages, schema } = read(what, lockFile, text);
  if (schema !== undefined && schema !== '2.0')
    throw new RegistryVersionRefused(`${what}: found schema ${JSON.stringify(schema)}, expected '2.0'`);
  return Object.values(stages).flatMap(({ outs }) => outs.map((one) => output(what, folder, one)));
}

/** Path of an artifact in the `artifacts` of a `dvc.yaml`, relative to the repository; null where it is not there. */
export function artifactPathIn(what: string, folder: string, name: string, text: Buffer): string | null {
  const { artifacts } = read(what, yamlFile, text);
  const path = artifacts && Object.hasOwn(artifacts, name) ? artifacts[name]?.path : undefined;
  return path === undefined ? null : inside(what, posix.join(folder, path));
}

/** A path of the repository, normalised. */
export function inside(what: string, path: string): string {
  const normal = posix.normalize(path).replace(/\/+$/, '');
  if (normal.includes('${'))
    throw new RegistryVersionRefused(`${what}: found the path ${path}, which has a parameter in it; set registry.path`);
  const problem = pathProblem(normal);
  if (problem !== null)
    throw new RegistryVersionRefused(`${what}: found the path ${problem.found}, expected ${problem.expected}`);
  return normal;
}

function output(what: string, folder: string, { path, md5, hash, files, cloud }: z.infer<typeof out>): Output {
  const at = inside(what, posix.join(folder, path));
  if (cloud !== undefined || files !== undefined)
    throw new RegistryVersionRefused(
      `${what}: ${at} is kept by the versions of a cloud's bucket, which lastgood does not read`,
    );
  const match = /^([0-9a-f]{32})(\.dir)?$/.exec(md5 ?? '');
  if (match?.[1] === undefined)
    throw new RegistryVersionRefused(
      `${what}: ${at} has no md5 (found ${JSON.stringify(md5 ?? null)}); \`dvc commit\` writes it`,
    );
  if (hash !== 'md5')
    throw new RegistryVersionRefused(
      `${what}: ${at} was tracked by DVC 2 (no \`hash: md5\`), whose sums are not those of the bytes; \`dvc cache migrate --dvc-files\` and a new tag bring it up to date`,
    );
  return { path: at, md5: match[1], isDirectory: match[2] !== undefined };
}

function read<S extends z.ZodType>(what: string, schema: S, bytes: Buffer): z.output<S> {
  let value: unknown;
  try {
    // No aliases that grow without an end: such files have none.
    value = parse(bytes.toString('utf8'), { maxAliasCount: 0, logLevel: 'error' });
  } catch (cause) {
    throw new RegistryAnswerRefused(`${what}: ${cause instanceof Error ? cause.message.split('\n')[0] : 'no YAML'}`, {
      cause,
    });
  }
  const parsed = schema.safeParse(value ?? {}, { reportInput: true });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new RegistryAnswerRefused(
    `${what}: ${issue?.path.join('.') || '(the whole file)'}: found ${(JSON.stringify(issue?.input) ?? 'nothing').slice(0, 80)}: ${issue?.message ?? ''}`,
  );
}
