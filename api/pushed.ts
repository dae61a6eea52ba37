import type { FastifyInstance, FastifyRequest } from 'fastify';
import { alertmanagerBody, observationsBody, reportQuery, reportTool } from './bodies';
import type { ApiPorts } from './ports';
import { badRequest, read } from './problem';

/**
 * Values from outside, by the rules of `feedback`: whoever may speak at the listener may push. A token that is bound to
 * one service and its metrics belongs here, once callers have roles.
 */
export function registerPushed(
  app: FastifyInstance,
  { pushed, alertsChanged }: ApiPorts,
  serviceOf: (request: FastifyRequest) => string,
): void {
  app.post('/v1/services/:service/observations', async (request) => {
    const service = serviceOf(request);
    const batch = read(observationsBody, request.body, 'body');
    return taken(await pushed.take(service, batch));
  });

  app.post('/v1/services/:service/reports/:tool', async (request) => {
    const service = serviceOf(request);
    const tool = read(reportTool, (request.params as { tool: string }).tool, 'tool');
    const { at } = read(reportQuery, request.query, 'query');
    return taken(await pushed.takeReport(service, tool, at, request.body));
  });

  // Its content is not believed: it makes lastgood ask the Alertmanager that the configuration names.
  app.post('/v1/services/:service/alertmanager', (request) => {
    const service = serviceOf(request);
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
