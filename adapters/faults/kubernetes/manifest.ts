import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { ManifestJson } from '../../../domain/chaos/experiment';
import { FaultRefused } from '../errors';

const name = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9]{0,40}[a-z0-9])?$/, 'a Kubernetes name of at most 42 characters: an ending is added');
const manifestSchema = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name, namespace: z.string().min(1) }),
  spec: z.record(z.string(), z.json()),
});
export type Manifest = z.infer<typeof manifestSchema>;

/** What made an object, so that people and `lastgood chaos abort` know it. */
export const madeBy = { 'app.kubernetes.io/managed-by': 'lastgood-chaos' };

/**
 * A manifest of an experiment with a name of this run: a name that is used again would show the status of the former run.
 * @throws FaultRefused
 */
export function runManifest(given: ManifestJson, apiVersion: string): Manifest {
  const parsed = manifestSchema.safeParse(given);
  if (!parsed.success) throw new FaultRefused(`manifest: ${z.prettifyError(parsed.error)}`);
  const manifest = parsed.data;
  if (manifest.apiVersion !== apiVersion)
    throw new FaultRefused(`manifest.apiVersion: found ${manifest.apiVersion}, expected ${apiVersion}`);
  const { metadata } = manifest;
  const labels = { ...(metadata['labels'] as object | undefined), ...madeBy };
  const ending = randomBytes(4).toString('hex');
  return { ...manifest, metadata: { ...metadata, name: `${metadata.name}-${ending}`, labels } };
}

/** What is on disk before the object is created, and enough to remove it. */
export const clusterUndoSchema = z.strictObject({
  context: z.string(),
  kubeconfig: z.string().nullable(),
  manifest: manifestSchema,
  limitMs: z.number(),
});
