import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import type { VersionProof } from '../../activities/ports';
import { readManifest, readSmall } from './content';
import { canonicalManifest, manifestDigest } from './manifest';
import { StoreRecords } from './store-records';

/**
 * What shows which version a name stands for and how it was evaluated: the canonical manifest, whose SHA-256 is the version's
 * digest, and the evaluation report as it lies in the store. Null where the store has no such version, or its manifest is
 * no longer the one that was imported. A report whose bytes are not those of the manifest is left out.
 */
export async function versionProof(directory: string, service: string, version: string): Promise<VersionProof | null> {
  const root = resolve(directory);
  const record = await new StoreRecords(root).read(service, version);
  if (record === null) return null;
  const object = join(root, 'objects', record.digest.slice('sha256:'.length));
  const read = await readManifest(object);
  if (!('value' in read) || manifestDigest(read.value) !== record.digest) return null;
  const listed = read.value.files.find(({ role }) => role === 'evaluation');
  const proof = { version, digest: record.digest, manifest: canonicalManifest(read.value), evaluation: null };
  if (listed === undefined) return proof;
  const file = await readSmall(object, listed.path);
  if ('problems' in file || createHash('sha256').update(file.bytes).digest('hex') !== listed.sha256) return proof;
  return {
    ...proof,
    evaluation: {
      path: listed.path,
      digest: `sha256:${listed.sha256}`,
      text: Buffer.from(file.bytes).toString('utf8'),
    },
  };
}
