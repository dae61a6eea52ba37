/** The manifest of a version: every file with its digest. The digest of the manifest is the version's identity. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOf, sha256 } from './canonical';

export const ROLES = [
  'weights',
  'tokenizer',
  'preprocessing',
  'adapter',
  'evaluation',
  'profile',
  'probes',
  'other',
] as const;
export type FileRole = (typeof ROLES)[number];

export interface ManifestFile {
  path: string;
  /** Hexadecimal. */
  sha256: string;
  bytes: number;
  role: FileRole;
}

export interface Manifest {
  schema: 1;
  service: string;
  version: string;
  /** ISO 8601. */
  createdAt: string;
  engine: 'open-inference';
  model: string;
  /** In the order of their paths. */
  files: ManifestFile[];
  preprocessing: { version: string };
  external: [];
}

export class ManifestError extends Error {
  override name = 'ManifestError';
}

/** Bytes of a version's files by path, as they were read. */
export type FileBytes = Map<string, Buffer>;

export function manifestDigest(manifest: Manifest): string {
  return digestOf(manifest);
}

/** The manifest that lists what was really read, whatever `manifest.json` claims. */
export function actualManifest(manifest: Manifest, bytes: FileBytes): Manifest {
  return {
    ...manifest,
    files: manifest.files.map((file) => {
      const content = bytes.get(file.path);
      if (!content) throw new ManifestError(`${file.path}: listed, but was not read`);
      return { ...file, sha256: sha256(content), bytes: content.length };
    }),
  };
}

/** Reads the manifest of a directory and each file that it lists, once. */
export async function readVersionFiles(directory: string): Promise<{ manifest: Manifest; bytes: FileBytes }> {
  const manifest = parseManifest(await readFile(join(directory, 'manifest.json'), 'utf8'));
  const bytes: FileBytes = new Map();
  for (const file of manifest.files) bytes.set(file.path, await readFile(join(directory, file.path)));
  return { manifest, bytes };
}

/**
 * @throws ManifestError naming the place, what was found and what was expected; also for a path that leaves the
 * directory, since the content of a version never decides what else is read
 */
export function parseManifest(json: string): Manifest {
  let value: Partial<Record<keyof Manifest, unknown>>;
  try {
    value = JSON.parse(json) as typeof value;
  } catch (error) {
    throw new ManifestError(`manifest.json: not JSON: ${(error as Error).message}`, { cause: error });
  }
  expect('schema', value.schema, value.schema === 1, '1');
  expect('engine', value.engine, value.engine === 'open-inference', '"open-inference"');
  for (const key of ['service', 'version', 'createdAt', 'model'] as const) {
    expect(key, value[key], typeof value[key] === 'string' && value[key] !== '', 'a text');
  }
  expect('files', value.files, Array.isArray(value.files), 'a list');
  (value.files as Partial<Record<keyof ManifestFile, unknown>>[]).forEach((file, index) => {
    const at = `files[${index}]`;
    expect(
      `${at}.path`,
      file.path,
      typeof file.path === 'string' && isInside(file.path),
      'a path inside the directory',
    );
    expect(`${at}.sha256`, file.sha256, /^[0-9a-f]{64}$/.test(String(file.sha256)), '64 hexadecimal digits');
    expect(`${at}.bytes`, file.bytes, Number.isSafeInteger(file.bytes) && Number(file.bytes) >= 0, 'a size');
    expect(`${at}.role`, file.role, (ROLES as readonly unknown[]).includes(file.role), `one of ${ROLES.join(', ')}`);
  });
  return value as Manifest;
}

function isInside(path: string): boolean {
  return /^[\w][\w.-]*(\/[\w][\w.-]*)*$/.test(path);
}

function expect(place: string, found: unknown, ok: boolean, expected: string): void {
  if (!ok) throw new ManifestError(`manifest.json: ${place}: found ${JSON.stringify(found)}, expected ${expected}`);
}
