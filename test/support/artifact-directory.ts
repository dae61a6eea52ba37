import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface FileSpec {
  readonly role: string;
  readonly content: string | Buffer;
}

/** A safetensors file with one F32 tensor of the given numbers. */
export function safetensors(values: readonly number[], header?: unknown): Buffer {
  const data = Buffer.alloc(values.length * 4);
  values.forEach((value, at) => data.writeFloatLE(value, at * 4));
  const json = Buffer.from(
    JSON.stringify(header ?? { w: { dtype: 'F32', shape: [values.length], data_offsets: [0, data.length] } }),
  );
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, data]);
}

export function artifactFiles(seed: string): Record<string, FileSpec> {
  return {
    'adapter/delta.safetensors': { role: 'adapter', content: safetensors([0.5]) },
    'evaluation.json': {
      role: 'evaluation',
      content: JSON.stringify({
        schema: 1,
        classes: ['ham', 'spam'],
        accuracy: 0.9,
        n: 200,
        byClass: { ham: { n: 100, recall: 0.95, precision: 0.86 }, spam: { n: 100, recall: 0.85, precision: 0.94 } },
        bySource: {},
        evaluatedAt: '2026-01-02T00:00:00Z',
        dataDigest: 'sha256:00',
      }),
    },
    'probes.json': {
      role: 'probes',
      content: JSON.stringify({
        schema: 1,
        probes: [{ id: 'p1', request: { text: 'win money' }, expect: { output: 'label', value: 'spam' } }],
      }),
    },
    'profile.json': { role: 'profile', content: JSON.stringify({ schema: 1, lengths: [1, 2] }) },
    'tokenizer.json': { role: 'tokenizer', content: `{"lowercase":true,"seed":"${seed}"}` },
    'weights.safetensors': { role: 'weights', content: safetensors([1, 2, 3]) },
  };
}

export interface ArtifactSpec {
  readonly service?: string;
  readonly version: string;
  readonly files?: Readonly<Record<string, FileSpec>>;
  /** Last word on the manifest before it is written. */
  readonly manifest?: (manifest: Record<string, unknown>) => unknown;
}

/** Writes an artifact into `directory` (made when missing) and answers with the directory. */
export function writeArtifact(directory: string, spec: ArtifactSpec): string {
  const files = spec.files ?? artifactFiles(spec.version);
  for (const [path, { content }] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), content);
  }
  const manifest: Record<string, unknown> = {
    schema: 1,
    service: spec.service ?? 'mail',
    version: spec.version,
    createdAt: '2026-01-01T00:00:00Z',
    engine: 'open-inference',
    model: 'mail',
    files: Object.keys(files)
      .sort()
      .map((path) => listed(path, files[path] as FileSpec)),
    preprocessing: { version: '2' },
    external: [{ name: 'features', address: 'http://features.internal', version: '7' }],
  };
  const written = spec.manifest ? spec.manifest(manifest) : manifest;
  writeFileSync(join(directory, 'manifest.json'), typeof written === 'string' ? written : JSON.stringify(written));
  return directory;
}

function listed(path: string, { role, content }: FileSpec): Record<string, unknown> {
  const bytes = Buffer.from(content);
  return { path, sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length, role };
}
