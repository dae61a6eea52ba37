import { log, setCurrentDetails, sleep } from '@temporalio/workflow';
import type { ObservedRoute, RouteRecord } from '../domain/route';
import { isLeft, servedRecord } from '../domain/service/detach';
import type { DetachmentInput } from './contract/detachment';
import { detachmentWorkflowId } from './contract/ids';
import { control, hostOf, routerOf } from './proxies';
import { lostCall } from './rollback/activity-failure';
import { inBytes } from './summary';

const tries = 30;
const pauseMs = 2_000;
const hostPauseMs = 5_000;
/** A restart of a host worker, and what stood in its queue before; a load may take the slot beside that. */
const hostAtLeastMs = 3 * 60_000;

/** Where each copy is now. */
interface Outcome {
  readonly outcome: 'stopped' | 'released' | 'left';
  readonly why: string;
}
/** By instance, and by `host NAME` for one that could not be asked. */
type Outcomes = Map<string, Outcome>;

/**
 * Takes lastgood out of a service: the plain record in force first, then the copies that it does not name are stopped (the
 * stop asks the router in the same activity), those that it names are let go of, and the last entry says what became of each.
 */
export async function detachmentWorkflow(input: DetachmentInput): Promise<void> {
  const { service, epoch } = input;
  const told = (input.unsent ?? []).map((alert) =>
    control.sendAlert
      .executeWithOptions({ summary: inBytes(alert.title) }, [alert])
      .catch((error) => log.warn('an alert was not delivered', { key: alert.key, error: String(error) })),
  );
  const { route, applied } =
    input.route === null ? { route: null, applied: 'nobody served' } : await putInForce(input, input.route);
  const outcomes: Outcomes = new Map();
  await Promise.all(input.hosts.map((host) => letGo(input, { host, route, outcomes })));
  const copies = [...outcomes].map(([instance, { outcome, why }]) => ({ instance, outcome, why: why.slice(0, 150) }));
  const words = copies.map(({ instance, outcome, why }) => `${instance} ${outcome}${why === '' ? '' : ` (${why})`}`);
  setCurrentDetails([applied, ...words].map((line) => `- ${line}`).join('\n'));
  await control.recordDecisions([
    {
      service,
      key: `${detachmentWorkflowId(service, epoch)}/1`,
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
        copies: copies.slice(0, 40),
      },
    },
  ]);
  await Promise.all(told);
}

/** The record that copies are judged by afterwards: ours, or what is still in force where the router did not take it. */
async function putInForce(
  input: DetachmentInput,
  decided: RouteRecord,
): Promise<{ readonly route: RouteRecord; readonly applied: string }> {
  for (let attempt = 1; ; attempt++) {
    let why: string;
    let seen: ObservedRoute | null = null;
    try {
      // The router may have gone to its fallback, or to what an operation told it last: that is who serves.
      seen = await control.observeRoute.executeWithOptions({ summary: 'who serves' }, [input.service]);
      const route = servedRecord(decided, input.basis, seen);
      const result = await routerOf(input.host).applyRoute.executeWithOptions(
        { summary: inBytes(`${route.primary}, for good`) },
        [route],
      );
      if (result.applied) return { route, applied: `${route.primary} in force at epoch ${route.epoch}` };
      why = result.detail;
    } catch (error) {
      why = lostCall(error).why;
    }
    log.warn('the last record is not in force yet', { why });
    if (attempt === tries)
      return { route: seen?.record ?? decided, applied: `the record of before stays in force: ${why}` };
    await sleep(pauseMs, { summary: 'the router takes the last record' });
  }
}

interface Letting {
  readonly host: string;
  readonly route: RouteRecord | null;
  readonly outcomes: Outcomes;
}

/** A host has one slot, and others may load there: it is asked again for longer than that takes. */
async function letGo(input: DetachmentInput, letting: Letting): Promise<void> {
  const until = Date.now() + hostAtLeastMs + 2 * input.loadMs;
  while (!(await letGoOnce(input, letting)) && Date.now() < until)
    await sleep(hostPauseMs, { summary: inBytes(`${letting.host} answers`) });
}

/** True when nothing is left to be asked again; what was done is in `outcomes` whatever fails after it. */
async function letGoOnce({ service, graceMs }: DetachmentInput, { host, route, outcomes }: Letting): Promise<boolean> {
  const serving = hostOf(host);
  let found;
  try {
    found = await serving.inspectInstances.executeWithOptions({ summary: 'what runs here' }, [service]);
    outcomes.delete(`host ${host}`);
  } catch (error) {
    outcomes.set(`host ${host}`, { outcome: 'left', why: `its copies are not known: ${lostCall(error).why}` });
    return false;
  }
  let complete = true;
  for (const { instance, version } of found.filter(({ state }) => state !== 'exited')) {
    try {
      if (!isLeft(route, instance, Date.now())) {
        const { outcome, why } = await serving.releaseInstance.executeWithOptions(
          { summary: inBytes(`let go of ${instance}`) },
          [{ service, instance }],
        );
        // What is not ours any more was let go of before.
        outcomes.set(instance, { outcome: outcome === 'kept' ? 'left' : 'released', why });
        continue;
      }
      await untilDrained(service, version);
      const { outcome, why } = await serving.stopInstance.executeWithOptions({ summary: inBytes(`stop ${instance}`) }, [
        { service, instance, graceMs },
      ]);
      outcomes.set(instance, outcome === 'refused' ? { outcome: 'left', why } : { outcome: 'stopped', why: '' });
    } catch (error) {
      outcomes.set(instance, { outcome: 'left', why: lostCall(error).why });
      complete = false;
    }
  }
  return complete;
}

/** Requests that began there end there; for a minute at most. */
async function untilDrained(service: string, version: string): Promise<void> {
  for (let attempt = 1; attempt <= tries; attempt++) {
    const { inFlight } = await control.observeDrain
      .executeWithOptions({ summary: inBytes(`is ${version} drained?`) }, [{ service, version }])
      .catch(() => ({ inFlight: 0 }));
    if (inFlight === 0) return;
    await sleep(pauseMs, { summary: inBytes(`drain of ${version}`) });
  }
}
