import { log, setCurrentDetails, sleep } from '@temporalio/workflow';
import { isLeft } from '../domain/service/detach';
import type { DetachmentInput } from './contract/detachment';
import { detachmentWorkflowId } from './contract/ids';
import { control, hostOf, routerOf } from './proxies';
import { lostCall } from './rollback/activity-failure';

const tries = 30;
const pauseMs = 2_000;

/** Where each copy is now. */
interface Outcome {
  readonly instance: string;
  readonly outcome: 'stopped' | 'released' | 'left';
  readonly why: string;
}

/**
 * Takes lastgood out of a service: the plain record in force first, then the copies that it does not name are stopped (the
 * stop asks the router in the same activity), those that it names are let go of, and the last entry says what became of each.
 */
export async function detachmentWorkflow(input: DetachmentInput): Promise<void> {
  const { service, route } = input;
  const applied = route === null ? 'nobody served' : await putInForce(input, route);
  const outcomes: Outcome[] = [];
  for (const host of input.hosts) {
    try {
      outcomes.push(...(await letGo(input, host)));
    } catch (error) {
      outcomes.push({ instance: `host ${host}`, outcome: 'left', why: lostCall(error).why });
    }
  }
  const words = outcomes.map(({ instance, outcome, why }) => `${instance} ${outcome}${why === '' ? '' : ` (${why})`}`);
  setCurrentDetails([applied, ...words].map((line) => `- ${line}`).join('\n'));
  await control.recordDecisions([
    {
      service,
      key: `${detachmentWorkflowId(service, route?.epoch ?? 0)}/1`,
      at: Date.now(),
      kind: 'detached',
      incident: null,
      actor: input.actor,
      summary: `detached; ${applied}; ${words.join('; ') || 'no copy was found'}`.slice(0, 1000),
      facts: {
        stage: 'ended',
        reason: input.reason,
        epoch: route?.epoch ?? null,
        primary: route?.primary ?? null,
        addresses: (route?.backends[route.primary] ?? []).map(({ address }) => address),
        copies: outcomes.slice(0, 40).map((one) => ({ ...one, why: one.why.slice(0, 150) })),
      },
    },
  ]);
}

async function putInForce({ host }: DetachmentInput, route: NonNullable<DetachmentInput['route']>): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    let why: string;
    try {
      const result = await routerOf(host).applyRoute.executeWithOptions({ summary: `${route.primary}, for good` }, [
        route,
      ]);
      if (result.applied) return `${route.primary} in force at epoch ${route.epoch}`;
      why = result.detail;
    } catch (error) {
      why = lostCall(error).why;
    }
    log.warn('the last record is not in force yet', { why });
    if (attempt === tries) return `the record of before stays in force: ${why}`;
    await sleep(pauseMs, { summary: 'the router takes the last record' });
  }
}

async function letGo({ service, route, graceMs }: DetachmentInput, host: string): Promise<Outcome[]> {
  const serving = hostOf(host);
  const found = await serving.inspectInstances.executeWithOptions({ summary: 'what runs here' }, [service]);
  const outcomes: Outcome[] = [];
  for (const { instance, version } of found.filter(({ state }) => state !== 'exited')) {
    if (!isLeft(route, instance, Date.now())) {
      const { outcome, why } = await serving.releaseInstance.executeWithOptions({ summary: `let go of ${instance}` }, [
        { service, instance },
      ]);
      outcomes.push({ instance, outcome: outcome === 'released' ? 'released' : 'left', why });
      continue;
    }
    await untilDrained(service, version);
    const { outcome, why } = await serving.stopInstance.executeWithOptions({ summary: `stop ${instance}` }, [
      { service, instance, graceMs },
    ]);
    outcomes.push({
      instance,
      outcome: outcome === 'refused' ? 'left' : 'stopped',
      why: outcome === 'refused' ? why : '',
    });
  }
  return outcomes;
}

/** Requests that began there end there; for a minute at most. */
async function untilDrained(service: string, version: string): Promise<void> {
  for (let attempt = 1; attempt <= tries; attempt++) {
    const { inFlight } = await control.observeDrain
      .executeWithOptions({ summary: `is ${version} drained?` }, [{ service, version }])
      .catch(() => ({ inFlight: 0 }));
    if (inFlight === 0) return;
    await sleep(pauseMs, { summary: `drain of ${version}` });
  }
}
