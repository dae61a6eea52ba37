import type { FastifyInstance, FastifyRequest } from 'fastify';
import { alertmanagerBody, observationsBody, reportQuery, reportTool } from './bodies';
import type { ApiPorts } from './ports';
import { authoriseMetrics } from './identity/caller';
import { badRequest, read } from './problem';
import { callerOf } from './rights';

/** Values from outside. A token that is bound to metrics may speak of those only; a report counts as `report:TOOL`. */
export function registerPushed(
  app: FastifyInstance,
  { pushed, alertsChanged }: ApiPorts,
  serviceOf: (request: FastifyRequest) => string,
): void {
  app.post('/v1/services/:service/observations', { config: { needs: 'observe' } }, async (request) => {
    const service = serviceOf(request);
    const batch = read(observationsBody, request.body, 'body');
    authoriseMetrics(
      callerOf(request),
      batch.items.map(({ metric }) => metric),
    );
    return taken(await pushed.take(service, batch));
  });

  app.post('/v1/services/:service/reports/:tool', { config: { needs: 'observe' } }, async (request) => {
    const service = serviceOf(request);
    const tool = read(reportTool, (request.params as { tool: string }).tool, 'tool');
    authoriseMetrics(callerOf(request), [`report:${tool}`]);
    const { at } = read(reportQuery, request.query, 'query');
    return taken(await pushed.takeReport(service, tool, at, request.body));
  });

  // Its content is not believed: it makes lastgood ask the Alertmanager that the configuration names.
  app.post('/v1/services/:service/alertmanager', { config: { needs: 'observe' } }, (request) => {
    const service = serviceOf(request);
    authoriseMetrics(callerOf(request), ['alertmanager']);
    const { alerts } = read(alertmanagerBody, request.body, 'body');
    const asked = alertsChanged(service);
    if (asked === 0)
      throw badRequest(`${service} declares no metric of an Alertmanager; see services.${service}.metrics`);
    return { asked, alerts: alerts.length };
  });
}

type Answer = Awaited<ReturnType<ApiPorts['pushed']['take']>>;

function taken<A extends Answer>(answer: A): A {
  const either: Answer = answer;
  if (!either.taken) throw badRequest(either.problems.join('; '));
  return answer;
}
