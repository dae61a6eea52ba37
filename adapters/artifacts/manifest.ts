import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { z } from 'zod';
import type { ExpectedTokens } from '../../activities/ports';
import type { ArtifactProblem } from '../../domain/version';
import { PATHS_MAX } from '../../domain/environment/input-fields';
import type { InputProfile } from '../../domain/environment/input-profile';
import type { Json } from '../../domain/ledger';
import { contractSchema } from './contract-schema';
import { clashes, MANIFEST, pathProblem } from './paths';
import { JsonRefused, parseStrictJson } from './strict-json';
import { SERVICE_NAME, VERSION_NAME } from '../../domain/names';

const rate = z.number().min(0).max(1);
const count = z.int().min(0);
const text = z.string().min(1).max(1000);

export const fileRoles = [
  'weights',
  'tokenizer',
  'preprocessing',
  'adapter',
  'evaluation',
  'profile',
  'probes',
  'other',
] as const;

export const manifestSchema = z.strictObject({
  schema: z.literal(1),
  service: z.string().regex(SERVICE_NAME, 'a service name: lower-case letters, digits, -'),
  version: z.string().regex(VERSION_NAME, 'a version name: letters, digits, . _ + -'),
  createdAt: z.iso.datetime({ offset: true }),
  engine: text,
  model: text,
  files: z
    .array(
      z.strictObject({
        path: z.string().min(1),
        sha256: z.string().regex(/^[0-9a-f]{64}$/),
        bytes: count,
        role: z.enum(fileRoles),
      }),
    )
    .min(1)
    .max(10_000),
  preprocessing: z.strictObject({ version: text }),
  external: z.array(z.strictObject({ name: text, address: text, version: text })).max(100),
  /** What the model takes and gives; a rollback goes only where the clients of now are understood. */
  contract: contractSchema.exactOptional(),
});
export type Manifest = z.infer<typeof manifestSchema>;
export type ManifestFile = Manifest['files'][number];

const classQuality = z.strictObject({ n: count, recall: rate, precision: rate });
export const evaluationSchema = z.strictObject({
  schema: z.literal(1),
  classes: z.array(text).min(1).max(1000),
  accuracy: rate,
  n: count,
  byClass: z.record(text, classQuality),
  /** By source folder or the like; read by people, not by decisions. */
  bySource: z.record(text, z.json()),
  evaluatedAt: z.iso.datetime({ offset: true }),
  dataDigest: text,
});
export type EvaluationReport = z.infer<typeof evaluationSchema>;

const jsonValue: z.ZodType<Json> = z.json();
const asked = { text: z.string().max(100_000).exactOptional(), output: text.exactOptional() };
export const expectedTokens: z.ZodType<ExpectedTokens> = z.union(
  [
    z.strictObject({ ids: z.array(count).min(1).max(20_000), ...asked }),
    z.strictObject({ count, sha256: z.string().regex(/^[0-9a-f]{64}$/), ...asked }),
  ],
  'token ids: {ids: […]}, or {count, sha256}; and text or output where needed',
);
export const probesSchema = z.strictObject({
  schema: z.literal(1),
  probes: z
    .array(
      z.strictObject({
        id: text,
        request: jsonValue,
        expect: z.strictObject({
          output: text,
          value: z.union([z.string(), z.number()]),
          tolerance: z.number().min(0).exactOptional(),
          tokens: expectedTokens.exactOptional(),
        }),
      }),
    )
    .max(1000),
});
const histogram = z.strictObject({ edges: z.array(z.number()).max(100), counts: z.array(count).min(1).max(101) });
const inputProfile: z.ZodType<InputProfile> = z.strictObject({
  inputs: count,
  unreadable: count,
  fields: z
    .record(
      z.string().max(200),
      z.strictObject({
        present: count,
        redacted: count,
        kinds: z.partialRecord(z.enum(['null', 'boolean', 'number', 'text', 'list', 'object', 'redacted']), count),
        numbers: z.strictObject({ min: z.number(), max: z.number(), histogram }).nullable(),
        categories: z.record(z.string().max(64), count).nullable(),
      }),
    )
    .refine((fields) => Object.keys(fields).length <= PATHS_MAX, `at most ${PATHS_MAX} fields`),
});
/** The data profile; what the inputs looked like is read by the environment's health, everything else by people. */
export const profileSchema = z.looseObject({ schema: z.literal(1), inputProfile: inputProfile.exactOptional() });

export type Parsed<T> = { readonly value: T } | { readonly problems: ArtifactProblem[] };

/** Parses a JSON file of an artifact; every problem names file and path in it. */
export function parseFile<T>(path: string, bytes: Uint8Array, schema: z.ZodType<T>): Parsed<T> {
  let json: unknown;
  try {
    json = parseStrictJson(bytes);
  } catch (fault) {
    if (!(fault instanceof JsonRefused)) throw fault;
    return { problems: [{ path, problem: 'invalid', expected: 'JSON with one meaning', found: fault.message }] };
  }
  const parsed = schema.safeParse(json, { reportInput: true });
  if (parsed.success) return { value: parsed.data };
  return { problems: parsed.error.issues.map((issue) => issueProblem(path, issue)) };
}

function issueProblem(file: string, issue: z.core.$ZodIssue): ArtifactProblem {
  const where = issue.path.length === 0 ? file : `${file}#${issue.path.map(String).join('.')}`;
  const found = issue.code === 'unrecognized_keys' ? `unknown ${issue.keys.join(', ')}` : briefly(issue.input);
  return { path: where, problem: 'invalid', expected: issue.message, found };
}

function briefly(value: unknown): string {
  const shown = value === undefined ? 'nothing' : (JSON.stringify(value) ?? typeof value);
  return shown.length > 120 ? `${shown.slice(0, 120)}…` : shown;
}

/** Parses a manifest and checks what a schema cannot say: safe paths, no clash, sorted, at most one of each report. */
export function parseManifest(bytes: Uint8Array): Parsed<Manifest> {
  const parsed = parseFile(MANIFEST, bytes, manifestSchema);
  if ('problems' in parsed) return parsed;
  const { files } = parsed.value;
  const paths = files.map((file) => file.path);
  const problems = paths.map(pathProblem).filter((problem) => problem !== null);
  problems.push(...clashes(paths));
  paths.forEach((path, at) => {
    const before = paths[at - 1];
    if (before !== undefined && before > path) {
      problems.push({ path, problem: 'invalid', expected: 'files sorted by path', found: `after ${before}` });
    }
  });
  for (const role of ['evaluation', 'profile', 'probes'] as const) {
    const named = files.filter((file) => file.role === role);
    for (const file of named.slice(1)) {
      problems.push({
        path: file.path,
        problem: 'invalid',
        expected: `one file of role ${role}`,
        found: 'another one',
      });
    }
  }
  return problems.length > 0 ? { problems } : parsed;
}

/** Identity of a version: SHA-256 of the canonical JSON (RFC 8785) of its manifest, as `sha256:<hex>`. */
export function manifestDigest(manifest: Manifest): string {
  return `sha256:${createHash('sha256').update(canonicalManifest(manifest)).digest('hex')}`;
}

/** The text that is hashed. */
export function canonicalManifest(manifest: Manifest): string {
  const canonical = canonicalize(manifest);
  if (canonical === undefined) throw new TypeError('a manifest is always serialisable');
  return canonical;
}
