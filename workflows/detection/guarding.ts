import { condition } from '@temporalio/workflow';
import { control, watch } from '../proxies';
import type { Detecting } from './detecting';
import { watching } from './inputs';

const GUARD_RETURN_MS = 10 * 60_000;
const SERVING_EVERY_MS = 10_000;
/** Of many services: a deploy by somebody else is found at the next look, whenever that is. */
const SERVING_PATIENCE = 4;
const SERVING_RETURN_MS = 60 * 60_000;

/** Repeats the proof of the standby, and tells the service when its outcome changes. */
export async function guardOnce(detection: Detecting): Promise<void> {
  const { service, loops } = detection;
  await condition(() => (detection.state.route?.standby ?? null) !== null);
  const { route, standbyKnown } = detection.state;
  if (!route?.standby) return;
  const { version, backend } = route.standby;
  const { instance } = backend;
  const known = standbyKnown?.instance === instance ? standbyKnown.proof : 'unproven';
  const { proofIntervalMs: intervalMs } = route.policy.standby;
  const result = await loops.cancellable('guard', () =>
    watch.guardStandby.executeWithOptions(watching(route, instance), [
      { service, version, model: route.model, backend, intervalMs, returnAfterMs: GUARD_RETURN_MS, known },
    ]),
  );
  if (!result || detection.state.route?.standby?.backend.instance !== instance) return;
  detection.change({ standbyKnown: { instance, proof: result.ok ? 'ok' : 'failed' } });
  detection.reports.proofOf({ version, instance, ok: result.ok, at: result.at, why: result.why });
}

/** A deploy by somebody else: who answers at the address is somebody else. Also finds the first version of a service. */
export async function lookWhoServes(detection: Detecting): Promise<void> {
  const { service, reports, loops } = detection;
  await condition(() => isExternal(detection));
  const live = detection.state.route?.live ?? null;
  const known = detection.state.servingKnown ?? (live && { key: live.digest, address: live.address });
  const summary = live?.instance ?? 'nothing is live';
  const options =
    detection.state.route === null ? { summary } : watching(detection.state.route, summary, SERVING_PATIENCE);
  const input = { intervalMs: SERVING_EVERY_MS, returnAfterMs: SERVING_RETURN_MS };
  const result = await loops.cancellable('serving', () =>
    watch.watchServing.executeWithOptions(options, [{ service, live: live?.address ?? null, known, ...input }]),
  );
  if (!result?.seen) return;
  const route = await control.observeRoute.executeWithOptions({ summary: 'somebody else serves' }, [service]);
  reports.observe({ ...route, serving: result.seen });
  await condition(() => !reports.owesServing);
}

/** By the input of the start; a service that was given to something else later is known by its live copy. */
function isExternal({ external, state }: Detecting): boolean {
  return external || (state.route?.live?.instance.endsWith('#external') ?? false);
}
