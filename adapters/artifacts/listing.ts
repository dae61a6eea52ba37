import type { ArtifactProblem } from '../../domain/version';
import { readManifest } from './content';
import { ArtifactCorrupt } from './errors';
import { manifestDigest, type ManifestFile } from './manifest';

/**
 * The files that the artifact of this digest has, as its manifest lists them, for whoever places them elsewhere. Rejects
 * with `ArtifactCorrupt` where the directory has no manifest, or one with another digest.
 */
export async function artifactListing(directory: string, digest: string): Promise<readonly ManifestFile[]> {
  const read = await readManifest(directory);
  if ('problems' in read) throw new ArtifactCorrupt(directory, read.problems);
  const found = manifestDigest(read.value);
  if (found === digest) return read.value.files;
  const problem: ArtifactProblem = { path: 'manifest.json', problem: 'changed', expected: digest, found };
  throw new ArtifactCorrupt(directory, [problem]);
}
