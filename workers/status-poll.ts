import type { Decisions } from '../api/ports';
import type { openAlerts } from './alerts';
import type { Configuration } from './configuration/configuration';
import type { Leadership } from './leadership';
import type { ControllerMetrics } from './metrics';
import { pause } from './process-options';
import { Turns } from './turns';

const everyMs = 5_000;
/** Each half second; each is a workflow task. Of many services one is older than `everyMs` when its turn comes. */
const atOnce = 10;

export interface StatusPoll {
  readonly configuration: Pick<Configuration, 'services'>;
  readonly decisions: Pick<Decisions, 'status'>;
  readonly metrics: Pick<ControllerMetrics, 'observe' | 'observeLeads'>;
  readonly alerts: Pick<ReturnType<typeof openAlerts>, 'follow'>;
  readonly leadership: Pick<Leadership, 'leads'>;
  /** Services that settled an incident since they were last looked at; emptied here. */
  readonly settled: Set<string>;
  /** Nobody decides about them. */
  readonly detached: ReadonlySet<string>;
  readonly signal: AbortSignal;
}

/** What each service says of itself, for `/metrics` and for the end of its alerts, until the signal. */
export async function pollStatus(polled: StatusPoll): Promise<void> {
  const { configuration, decisions, metrics, alerts, leadership, settled, detached, signal } = polled;
  const everybody = configuration.services.map(({ name }) => name);
  const ended = new Set<string>();
  let turns = new Turns(everybody, everyMs, atOnce);
  for (; !signal.aborted; await pause(500, signal)) {
    metrics.observeLeads(leadership.leads());
    if (!leadership.leads()) {
      ended.clear();
      turns = new Turns(everybody, everyMs, atOnce);
      continue;
    }
    // A settled incident is looked at at once: its exposure is in the state now.
    const names = turns.take(performance.now(), settled);
    settled.clear();
    for (const name of names) {
      if (detached.has(name)) {
        // Nobody is left who could say that its alerts are over.
        if (!ended.has(name)) alerts.follow(name, null);
        ended.add(name);
        continue;
      }
      ended.delete(name);
      const status = await decisions.status(name).catch(() => null);
      metrics.observe(name, status, Date.now());
      // Who does not answer has not said that its incident is over.
      if (status !== null) alerts.follow(name, status.state.incident);
    }
  }
}
