import { within } from './failures';
import type { DetectionLimits, Telemetry, TrafficRouter } from './ports';
import type { DrillActivities } from '../workflows/contract/drill';

interface Ports {
  readonly router: TrafficRouter;
  readonly telemetry: Telemetry;
  readonly detection: DetectionLimits;
  /** False where a request has effects beyond its answer. */
  readonly repeatable: (service: string) => boolean;
}

const readMs = 3_000;

/** Preconditions that only the outside world knows; each refusal is a sentence. Read-only. */
export function checkDrill(ports: Ports): DrillActivities['checkDrill'] {
  return async ({ service, way, degraded }) => {
    const { router, telemetry, detection, repeatable } = ports;
    const no = (why: string): { ok: false; why: string } => ({ ok: false, why });
    if ((way !== 'live' || degraded) && router.mirror === undefined)
      return no(
        'this router neither copies requests nor changes answers: drill on a really worse version with --live, or use the gateway (router.kind: gateway)',
      );
    if (way !== 'live' && !repeatable(service))
      return no('requests of this service are not repeatable, so none may be asked twice');
    if (way === 'replay') {
      const { off, samples } = await within(readMs, 'samples', telemetry.samples(service, { limit: 1 }));
      if (off) return no('samples are off, so there are no recorded inputs (services.NAME.samples.share)');
      if (samples.length === 0) return no('no inputs are recorded yet');
    }
    const baseline = await within(readMs, 'the limits', detection.limits(service));
    return baseline === null
      ? no('detection has no limits yet that a worse version could break')
      : { ok: true, baseline };
  };
}
