import { z } from 'zod';
import type { ManifestJson } from '../../../domain/chaos/experiment';
import { FaultDidNotHappen, FaultRefused, FaultRemains, FaultSelectsNothing } from '../errors';
import { comesTrue, proof, type FaultMaker } from '../local/fault-maker';
import type { KubernetesApi } from './api';
import type { OpenCluster } from './chaos-mesh';
import { readEngine, readResult, type EngineReading } from './litmus-status';
import { clusterUndoSchema, runManifest, type Manifest } from './manifest';

const API_VERSION = 'litmuschaos.io/v1alpha1';
const engines = { group: 'litmuschaos.io', version: 'v1alpha1', plural: 'chaosengines' };
const results = { group: 'litmuschaos.io', version: 'v1alpha1', plural: 'chaosresults' };
const specSchema = z.looseObject({
  appinfo: z.looseObject({
    appns: z.string().min(1),
    applabel: z.string().min(1),
    appkind: z.string().min(1),
  }),
  experiments: z.array(z.looseObject({ name: z.string().min(1) })).length(1),
});
const STOP_MS = 60_000;

/**
 * A fault that Litmus makes: a ChaosEngine is created, followed until its experiment runs, and stopped by its `engineState`.
 * Its verdict counts only where it is `Completed` with `Pass`; anything else that is over did not prove the fault.
 */
export function litmus(open: OpenCluster): FaultMaker<'litmus'> {
  return {
    async prepare(service, { manifest: given, context, kubeconfig, limitMs }) {
      const made = runManifest(given, API_VERSION);
      if (made.kind !== 'ChaosEngine')
        throw new FaultRefused(`manifest.kind: found ${made.kind}, expected ChaosEngine`);
      const spec = specSchema.safeParse(made.spec);
      if (!spec.success)
        throw new FaultRefused(
          `manifest.spec: expected appinfo with appns, applabel and appkind, and one experiment: ${z.prettifyError(spec.error)}`,
        );
      const manifest = { ...made, spec: { ...made.spec, engineState: 'active' } };
      const { server } = await open({ context, kubeconfig });
      const { name, namespace } = manifest.metadata;
      const undo = { context, kubeconfig, manifest: manifest as unknown as ManifestJson, limitMs };
      const target = `ChaosEngine ${namespace}/${name} at ${server} (context ${context})`;
      return { kind: 'litmus', service, target, undo };
    },
    async inject({ undo }) {
      const { manifest, limitMs, ...place } = clusterUndoSchema.parse(undo);
      const api = await open(place);
      const { namespace, name } = manifest.metadata;
      const { uid } = readEngine(await api.create(engines, namespace, manifest));
      let seen: EngineReading | null = null;
      await comesTrue(async () => {
        const object = await api.get(engines, namespace, name);
        seen = object === null ? null : readEngine(object);
        return seen === null || seen.began || seen.state === 'completed' || seen.state === 'stopped';
      }, limitMs);
      const reading = seen as EngineReading | null;
      if (reading === null || reading.uid !== uid)
        throw new FaultDidNotHappen('ChaosEngine: the object is gone before its experiment ran');
      if (reading.began && reading.state !== 'stopped') {
        await expectNoFailure(api, manifest);
        return proof(`ChaosEngine: its experiment runs (${reading.state})`, { ...reading });
      }
      // An engine that ends without an experiment found no application that its labels name.
      if (reading.state === 'completed')
        throw new FaultSelectsNothing(
          'ChaosEngine: it completed and no experiment ever ran: its appinfo selects nothing',
        );
      throw new FaultDidNotHappen(`ChaosEngine within ${limitMs / 1_000} s: ${reading.state}, no experiment runs`);
    },
    async remove({ undo }) {
      const { manifest, limitMs: _, ...place } = clusterUndoSchema.parse(undo);
      const api = await open(place);
      const { namespace, name } = manifest.metadata;
      const object = await api.get(engines, namespace, name);
      if (object === null) return proof(`ChaosEngine ${namespace}/${name} is not there`);
      const said = await resultWords(api, manifest);
      if (readEngine(object).state !== 'completed')
        await api.mergePatch(engines, namespace, name, { spec: { engineState: 'stop' } });
      const over = await comesTrue(async () => {
        const now = await api.get(engines, namespace, name);
        return now === null || ['completed', 'stopped'].includes(readEngine(now).state);
      }, STOP_MS);
      if (!over) throw new FaultRemains(`ChaosEngine ${namespace}/${name} was told to stop and has not stopped`);
      await api.remove(engines, namespace, name);
      if (!(await comesTrue(async () => (await api.get(engines, namespace, name)) === null, STOP_MS)))
        throw new FaultRemains(`ChaosEngine ${namespace}/${name} is deleted and a finalizer keeps it`);
      return proof(`ChaosEngine ${namespace}/${name} has ended and is gone; its result: ${said}`);
    },
  };
}

function resultName({ metadata, spec }: Manifest): string {
  const [experiment] = specSchema.parse(spec).experiments;
  return `${metadata.name}-${experiment?.name ?? ''}`;
}

async function resultOf(api: KubernetesApi, manifest: Manifest): Promise<ReturnType<typeof readResult> | null> {
  const object = await api.get(results, manifest.metadata.namespace, resultName(manifest));
  return object === null ? null : readResult(object);
}

async function resultWords(api: KubernetesApi, manifest: Manifest): Promise<string> {
  return (await resultOf(api, manifest))?.why ?? 'none';
}

/** An experiment that is over already and failed did not make its fault, whatever the engine says. */
async function expectNoFailure(api: KubernetesApi, manifest: Manifest): Promise<void> {
  const result = await resultOf(api, manifest);
  if (result?.passed === false) throw new FaultDidNotHappen(`ChaosResult ${resultName(manifest)}: ${result.why}`);
}
