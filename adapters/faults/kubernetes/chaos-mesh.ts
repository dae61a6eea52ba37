import { z } from 'zod';
import type { ManifestJson } from '../../../domain/chaos/experiment';
import { FaultDidNotHappen, FaultRefused, FaultRemains, FaultSelectsNothing } from '../errors';
import { comesTrue, proof, type FaultMaker } from '../local/fault-maker';
import type { KubernetesApi, Resource } from './api';
import { readMesh, type MeshReading } from './chaos-mesh-status';
import type { KubernetesPlace } from './client';
import { clusterUndoSchema, runManifest, type Manifest } from './manifest';

const API_VERSION = 'chaos-mesh.org/v1alpha1';
/** Kinds that hit pods; those that hit physical machines or clouds reach beyond a service. */
const plurals: Readonly<Record<string, string>> = {
  PodChaos: 'podchaos',
  NetworkChaos: 'networkchaos',
  StressChaos: 'stresschaos',
  IOChaos: 'iochaos',
  DNSChaos: 'dnschaos',
  TimeChaos: 'timechaos',
  HTTPChaos: 'httpchaos',
};
const selectorSchema = z.looseObject({ namespaces: z.array(z.string().min(1)).min(1) });

const RECOVER_MS = 60_000;
/** `Selected` is false for a moment before the controller has looked. */
const EMPTY_FOR_MS = 1_000;

export type OpenCluster = (place: KubernetesPlace) => Promise<KubernetesApi>;

/**
 * A fault that Chaos Mesh makes: an object is created, its status followed until all that it selects is hit, and it is
 * deleted; its finalizer keeps it until everything has recovered. An object that selects nothing is an error.
 */
export function chaosMesh(open: OpenCluster): FaultMaker<'chaos-mesh'> {
  return {
    async prepare(service, { manifest: given, context, kubeconfig, limitMs }) {
      const manifest = runManifest(given, API_VERSION);
      expectSelector(manifest);
      const { server } = await open({ context, kubeconfig });
      const { name, namespace } = manifest.metadata;
      const undo = { context, kubeconfig, manifest: manifest as unknown as ManifestJson, limitMs };
      const target = `${manifest.kind} ${namespace}/${name} at ${server} (context ${context})`;
      return { kind: 'chaos-mesh', service, target, undo };
    },
    async inject({ undo }) {
      const { manifest, limitMs, ...place } = clusterUndoSchema.parse(undo);
      const api = await open(place);
      const { namespace } = manifest.metadata;
      const made = readMesh(await api.create(resourceOf(manifest), namespace, manifest), actionOf(manifest));
      const seen = await follow(api, manifest, limitMs, ({ phase }) => phase === 'injected' || phase === 'one-shot');
      if (seen === null) throw new FaultDidNotHappen(`${manifest.kind}: the object is gone before it was in effect`);
      if (seen.uid !== made.uid)
        throw new FaultDidNotHappen(`${manifest.kind}: somebody made another object of that name`);
      if (seen.phase === 'selects-nothing') throw new FaultSelectsNothing(`${manifest.kind}: ${seen.why}`);
      if (seen.phase !== 'injected' && seen.phase !== 'one-shot')
        throw new FaultDidNotHappen(`${manifest.kind} within ${limitMs / 1_000} s: ${seen.phase}, ${seen.why}`);
      return proof(`${manifest.kind}: ${seen.why}`, { ...seen });
    },
    async remove({ undo }) {
      const { manifest, limitMs: _, ...place } = clusterUndoSchema.parse(undo);
      const api = await open(place);
      const { name, namespace } = manifest.metadata;
      await api.remove(resourceOf(manifest), namespace, name);
      const seen = await follow(api, manifest, RECOVER_MS, () => false);
      if (seen !== null)
        throw new FaultRemains(
          `${manifest.kind} ${namespace}/${name} is deleted and its finalizer keeps it: ${seen.why}. Chaos Mesh has not undone it; ` +
            `look at its controller, and only when you know that nothing is left: kubectl annotate ${plurals[manifest.kind] ?? ''} -n ${namespace} ${name} chaos-mesh.chaos-mesh.org/cleanFinalizer=forced`,
        );
      return proof(`${manifest.kind} ${namespace}/${name} is gone, so everything has recovered`);
    },
  };
}

/** Until it is as wanted, selects nothing, or is gone (null); else the last reading when the time is over. */
async function follow(
  api: KubernetesApi,
  manifest: Manifest,
  limitMs: number,
  wanted: (reading: MeshReading) => boolean,
): Promise<MeshReading | null> {
  const { name, namespace } = manifest.metadata;
  let last: MeshReading | null = null;
  let emptySince: number | null = null;
  await comesTrue(async () => {
    const object = await api.get(resourceOf(manifest), namespace, name);
    last = object === null ? null : readMesh(object, actionOf(manifest));
    if (last === null || wanted(last)) return true;
    if (last.phase !== 'selects-nothing' || last.beingDeleted) emptySince = null;
    else emptySince ??= performance.now();
    return emptySince !== null && performance.now() - emptySince >= EMPTY_FOR_MS;
  }, limitMs);
  return last;
}

function resourceOf({ kind }: Manifest): Resource {
  const plural = plurals[kind];
  if (plural === undefined)
    throw new FaultRefused(`manifest.kind: found ${kind}, expected one of ${Object.keys(plurals).join(', ')}`);
  return { group: 'chaos-mesh.org', version: 'v1alpha1', plural };
}

function actionOf({ spec }: Manifest): string | null {
  return typeof spec['action'] === 'string' ? spec['action'] : null;
}

/** Without namespaces it would hit whatever the rights of Chaos Mesh allow. */
function expectSelector(manifest: Manifest): void {
  resourceOf(manifest);
  const selector = selectorSchema.safeParse(manifest.spec['selector']);
  if (!selector.success)
    throw new FaultRefused('manifest.spec.selector.namespaces: is missing, expected the namespaces that may be hit');
}
