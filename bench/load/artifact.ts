import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const MODEL = 'mail';
/** Copied and hashed at each load. */
const WEIGHT_BYTES = 8 * 1024 * 1024;

export const REQUEST = { inputs: [{ name: 'text', shape: [1], datatype: 'BYTES', data: ['hello'] }] };

/** A version that may be deployed: weights, report, one golden probe, and the files of its ground. Resolves to its digest's directory. */
export function writeVersion(
  directory: string,
  service: string,
  version: string,
  files: Readonly<Record<string, string>>,
): string {
  const byClass = { spam: { n: 100, recall: 0.95, precision: 0.95 }, ham: { n: 100, recall: 0.95, precision: 0.95 } };
  const evaluation = { accuracy: 0.95, n: 200, classes: ['ham', 'spam'], byClass };
  const report = {
    schema: 1,
    ...evaluation,
    bySource: {},
    evaluatedAt: '2026-01-01T00:00:00Z',
    dataDigest: 'sha256:00',
  };
  const probe = { id: 'p1', request: REQUEST, expect: { output: 'label', value: 'spam' } };
  const contents: [path: string, role: string, content: string | Buffer][] = [
    ['evaluation.json', 'evaluation', JSON.stringify(report)],
    ['probes.json', 'probes', JSON.stringify({ schema: 1, probes: [probe] })],
    ['weights.safetensors', 'weights', safetensors()],
    ['tokenizer.json', 'tokenizer', `{"version":"${version}"}`],
    ...Object.entries(files).map(([path, content]): [string, string, string] => [path, 'other', content]),
  ];
  mkdirSync(directory, { recursive: true });
  const listed = contents.map(([path, role, content]) => {
    writeFileSync(join(directory, path), content);
    const bytes = Buffer.from(content);
    return { path, sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length, role };
  });
  const manifest = {
    schema: 1,
    service,
    version,
    createdAt: '2026-01-01T00:00:00Z',
    engine: 'open-inference',
    model: MODEL,
    files: listed.sort((left, right) => (left.path < right.path ? -1 : 1)),
    preprocessing: { version: '1' },
    external: [],
  };
  writeFileSync(join(directory, 'manifest.json'), JSON.stringify(manifest));
  return directory;
}

function safetensors(): Buffer {
  const header = Buffer.from(
    JSON.stringify({ w: { dtype: 'F32', shape: [WEIGHT_BYTES / 4], data_offsets: [0, WEIGHT_BYTES] } }),
  );
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, Buffer.alloc(WEIGHT_BYTES)]);
}
