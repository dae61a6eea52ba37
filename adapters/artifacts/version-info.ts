import { createHash } from 'node:crypto';
import type { EvaluationSummary, VersionInfo } from '../../domain/version';
import { readSmall } from './content';
import { evaluationSchema, parseFile, probesSchema, type Manifest, type ManifestFile } from './manifest';
import type { VersionRecord } from './store-records';
import type { z } from 'zod';

/** Summary of a stored version; null when a report in it is no longer what the manifest says. */
export async function versionInfo(
  root: string,
  record: VersionRecord,
  manifest: Manifest,
): Promise<VersionInfo | null> {
  const evaluation = await report(root, manifest, 'evaluation', evaluationSchema);
  const probes = await report(root, manifest, 'probes', probesSchema);
  if (evaluation === 'broken' || probes === 'broken') return null;
  const summary: EvaluationSummary | null =
    evaluation === 'none' ? null : { accuracy: evaluation.accuracy, n: evaluation.n, byClass: evaluation.byClass };
  return {
    version: manifest.version,
    digest: record.digest,
    createdAt: Date.parse(manifest.createdAt),
    importedAt: record.importedAt,
    engine: manifest.engine,
    model: manifest.model,
    evaluation: summary,
    probes: probes === 'none' ? 0 : probes.probes.length,
    external: manifest.external.map(({ name, version }) => ({ name, version })),
    ...(manifest.contract && { contract: manifest.contract }),
    bytes: manifest.files.reduce((sum, file) => sum + file.bytes, 0),
  };
}

async function report<T>(
  root: string,
  manifest: Manifest,
  role: ManifestFile['role'],
  schema: z.ZodType<T>,
): Promise<T | 'none' | 'broken'> {
  const file = manifest.files.find((listed) => listed.role === role);
  if (file === undefined) return 'none';
  const read = await readSmall(root, file.path);
  if ('problems' in read || createHash('sha256').update(read.bytes).digest('hex') !== file.sha256) return 'broken';
  const parsed = parseFile(file.path, read.bytes, schema);
  return 'problems' in parsed ? 'broken' : parsed.value;
}
