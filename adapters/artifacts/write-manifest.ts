import { realpath } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { ArtifactProblem } from '../../domain/version';
import { writeFileAtomic } from '../disk/atomic-file';
import { defaultLimits, describeFile, limitProblems, type AllowedFormats, type ArtifactLimits } from './content';
import { ArtifactRefused } from './errors';
import { fileRoles, manifestDigest, parseManifest, type Manifest, type ManifestFile } from './manifest';
import { exists } from './objects';
import { MANIFEST, SIGNATURE } from './paths';
import { readTree } from './tree';

type Role = ManifestFile['role'];

export interface ManifestDraft {
  readonly service: string;
  readonly version: string;
  readonly model: string;
  readonly engine: string;
  /** Version of what turns a request into the model's input. */
  readonly preprocessing: string;
  /** By path in the directory; the others are guessed from their names. */
  readonly roles: ReadonlyMap<string, Role>;
  readonly dryRun: boolean;
  /** Write over a manifest that is there. */
  readonly force: boolean;
  readonly limits?: ArtifactLimits;
  /** Formats that an import may refuse all the same: what a host allows is its own affair. Default: none. */
  readonly allowed?: AllowedFormats;
  /** Milliseconds since the epoch; default the system clock. */
  readonly now?: () => number;
}

export interface WrittenManifest {
  readonly file: string;
  readonly digest: string;
  readonly manifest: Manifest;
  /** Files that are refused by every host that does not allow their format. */
  readonly warnings: readonly ArtifactProblem[];
}

/**
 * Writes the manifest of a directory. Rejects with {@link ArtifactRefused} for everything that an import of the result
 * would refuse; then nothing was written.
 */
export async function writeManifest(directory: string, draft: ManifestDraft): Promise<WrittenManifest> {
  const limits = draft.limits ?? defaultLimits;
  const root = await realpath(directory).catch((fault: unknown) => {
    const found = fault instanceof Error ? fault.message : String(fault);
    throw new ArtifactRefused(directory, [{ path: directory, problem: 'unreadable', expected: 'a directory', found }]);
  });
  const refuse = (problems: readonly ArtifactProblem[]): void => {
    if (problems.length > 0) throw new ArtifactRefused(directory, problems);
  };
  const file = join(root, MANIFEST);
  if (!draft.force && (await exists(file)))
    refuse([{ path: MANIFEST, problem: 'extra', expected: 'none yet, or --force', found: 'a manifest' }]);
  const tree = await readTree(root);
  refuse(tree.problems);
  const paths = [...tree.files.keys()].filter((path) => path !== MANIFEST && path !== SIGNATURE).sort();
  refuse(
    [...draft.roles.keys()]
      .filter((path) => !paths.includes(path))
      .map((path) => ({ path, problem: 'missing', expected: 'a file with that role', found: 'nothing' })),
  );
  const files: ManifestFile[] = [];
  const problems: ArtifactProblem[] = [];
  const warnings: ArtifactProblem[] = [];
  for (const path of paths) {
    const role = draft.roles.get(path) ?? roleOf(path);
    const described = await describeFile(root, path, role, limits, draft.allowed ?? []);
    if ('listed' in described) {
      files.push(described.listed);
      warnings.push(...described.warnings);
    } else problems.push(...described.problems);
  }
  refuse(problems);
  const text = `${JSON.stringify(manifestOf(draft, files), null, 2)}\n`;
  // Read back as an import reads it: names that clash, two reports of one kind, a service name that is none.
  const parsed = parseManifest(Buffer.from(text));
  if ('problems' in parsed) throw new ArtifactRefused(directory, parsed.problems);
  refuse(limitProblems(parsed.value, limits));
  if (!draft.dryRun) await writeFileAtomic(file, text, 0o644);
  return { file, digest: manifestDigest(parsed.value), manifest: parsed.value, warnings };
}

function manifestOf({ now = Date.now, ...draft }: ManifestDraft, files: ManifestFile[]): Manifest {
  return {
    schema: 1,
    service: draft.service,
    version: draft.version,
    createdAt: new Date(now()).toISOString(),
    engine: draft.engine,
    model: draft.model,
    files,
    preprocessing: { version: draft.preprocessing },
    external: [],
  };
}

const byName: readonly (readonly [RegExp, Role])[] = [
  [/^evaluation\.json$/, 'evaluation'],
  [/^probes\.json$/, 'probes'],
  [/^profile\.json$/, 'profile'],
  [/^(tokenizer|vocab|merges|special_tokens_map|added_tokens)\b|\.(spm|tiktoken)$/, 'tokenizer'],
  [/^(preprocess|feature_extract)/, 'preprocessing'],
];
const weights = /\.(safetensors|onnx|gguf|pt|pth|bin|plan|h5|pkl|joblib|tflite)$/;

/** The role that a file most likely has, by its name. */
export function roleOf(path: string): Role {
  const name = basename(path).toLowerCase();
  const named = byName.find(([pattern]) => pattern.test(name));
  if (named) return named[1];
  if (!weights.test(name)) return 'other';
  return /adapter|lora/.test(path.toLowerCase()) ? 'adapter' : 'weights';
}

export const roleNames: readonly string[] = fileRoles;

export function isRole(text: string): text is Role {
  return roleNames.includes(text);
}
