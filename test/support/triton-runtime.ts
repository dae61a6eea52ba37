import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ListedFile } from '../../adapters/serving/triton/placement';
import type { TritonRuntimeOptions } from '../../adapters/serving/triton/triton-runtime';
import { temporaryDirectory } from './temporary';
import { MODEL, tritonFiles, tritonRepository, type TritonLight } from './triton-server';

/** A directory with the files of a version, as the artifact store would give it. */
export function tritonArtifact(light: TritonLight): string {
  const directory = temporaryDirectory('triton-artifact');
  for (const [name, content] of Object.entries(tritonFiles(light))) writeFileSync(join(directory, name), content);
  return directory;
}

/** Lists what is there, whatever digest it is asked for. */
export async function listDirectory(artifact: string): Promise<ListedFile[]> {
  return readdirSync(artifact, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const bytes = readFileSync(join(entry.parentPath, entry.name));
      const path = join(entry.parentPath, entry.name).slice(artifact.length + 1);
      return { path, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
    });
}

/** Options of a runtime with records of its own; by default on a repository of its own too, and nobody at the address. */
export function tritonOptions(change: Partial<TritonRuntimeOptions> = {}): TritonRuntimeOptions {
  const repository = change.repository ?? tritonRepository(temporaryDirectory('triton-repository'));
  const directory = temporaryDirectory('triton-runtime');
  mkdirSync(directory, { recursive: true });
  return {
    address: 'http://127.0.0.1:9',
    model: MODEL,
    repository,
    subdirectory: '',
    directory,
    listing: listDirectory,
    loadLimitMs: 20_000,
    watchEveryMs: 50,
    ...change,
  };
}
