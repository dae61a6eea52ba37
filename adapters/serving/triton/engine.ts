import type { Engine } from '../../../activities/ports';
import { openInferenceEngine } from '../open-inference';
import type { TritonRecords } from './records';

/**
 * Open Inference as Triton speaks it: the readiness of the version alone counts, for the server's own stays "no" for good
 * once any load has failed. Its metadata tell a version by its number and know no digest; what that number stands for is
 * what lastgood placed there, hashed and loaded (`placed-files`). Where the records are not (another host), the answers to
 * the golden probes are all that tells versions apart.
 */
export function tritonEngine({ records }: { readonly records: TritonRecords }): Engine {
  const engine = openInferenceEngine({ modelReadyOnly: true });
  return {
    ...engine,
    async identity(address, model, limits) {
      const { version: reported } = await engine.identity(address, model, limits);
      const unknown = { digest: null, version: null, means: 'probe-fingerprint' as const };
      if (reported === null || !(await records.areHere())) return unknown;
      const record = await records.byNumber(Number(reported));
      const ours = record !== null && record.model === model.split('/')[0];
      if (ours) return { digest: record.digest, version: record.version, means: 'placed-files' };
      return { digest: null, version: `number ${reported}, which lastgood did not place`, means: 'model-metadata' };
    },
  };
}
