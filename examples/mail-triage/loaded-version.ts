/** Loads a version directory for serving: every listed file is read once, and what was read is what is reported. */
import { applyAdapter } from './adapter';
import { CLASSES } from './corpus';
import {
  actualManifest,
  manifestDigest,
  readVersionFiles,
  type FileBytes,
  type FileRole,
  type Manifest,
} from './manifest';
import type { LinearModel } from './model';
import { parsePreprocessing, type Preprocessing } from './preprocessing';
import { readSafetensors, type Tensor } from './safetensors';
import { parseTokenizer, type TokenizerConfig } from './tokenizer';

export interface LoadedVersion {
  version: string;
  /** Digest of the manifest computed from the bytes that were read: another tokenizer file gives another digest. */
  digest: string;
  model: LinearModel;
  tokenizer: TokenizerConfig;
  preprocessing: Preprocessing;
}

export class LoadError extends Error {
  override name = 'LoadError';
}

/**
 * Does not compare with the digests that the manifest claims: that is the caller's part, who knows which version it
 * asked for. What is reported is the truth about this process.
 * @throws ManifestError, SafetensorsError or LoadError when something cannot be served
 */
export async function loadVersion(directory: string): Promise<LoadedVersion> {
  const { manifest, bytes } = await readVersionFiles(directory);
  const tokenizer = parseTokenizer(only(manifest, bytes, 'tokenizer').toString('utf8'));
  const preprocessing = parsePreprocessing(only(manifest, bytes, 'preprocessing').toString('utf8'));
  if (preprocessing.version !== manifest.preprocessing.version) {
    throw new LoadError(
      `preprocessing.json: version ${preprocessing.version}, but the manifest says ${manifest.preprocessing.version}`,
    );
  }
  return {
    version: manifest.version,
    digest: manifestDigest(actualManifest(manifest, bytes)),
    model: loadModel(manifest, bytes, tokenizer),
    tokenizer,
    preprocessing,
  };
}

function loadModel(manifest: Manifest, bytes: FileBytes, tokenizer: TokenizerConfig): LinearModel {
  const buckets = 2 ** tokenizer.bucketBits;
  const weights = readSafetensors(only(manifest, bytes, 'weights'), 'weights.safetensors');
  const base: LinearModel = {
    buckets,
    weights: shaped('weights', weights.tensors['weights'], [CLASSES.length, buckets]),
    bias: shaped('bias', weights.tensors['bias'], [CLASSES.length]),
  };
  const adapter = readSafetensors(only(manifest, bytes, 'adapter'), 'adapter.safetensors');
  const rank = adapter.tensors['a']?.shape[0] ?? 0;
  const scale = Number(adapter.metadata['scale'] ?? '1');
  if (!Number.isFinite(scale))
    throw new LoadError(`adapter scale: found ${adapter.metadata['scale']}, expected a number`);
  return applyAdapter(base, {
    rank,
    scale,
    a: shaped('a', adapter.tensors['a'], [rank, buckets]),
    b: shaped('b', adapter.tensors['b'], [CLASSES.length, rank]),
  });
}

function shaped(name: string, tensor: Tensor | undefined, shape: number[]): Float32Array {
  if (!tensor || tensor.shape.join() !== shape.join()) {
    throw new LoadError(
      `tensor ${name}: found shape [${tensor?.shape.join() ?? 'missing'}], expected [${shape.join()}]`,
    );
  }
  return tensor.data;
}

function only(manifest: Manifest, bytes: FileBytes, role: FileRole): Buffer {
  const files = manifest.files.filter((file) => file.role === role);
  const found = files.length === 1 ? bytes.get((files[0] as { path: string }).path) : undefined;
  if (!found) throw new LoadError(`manifest.json: ${files.length} files with role ${role}, expected one`);
  return found;
}
