import type { ApiClient } from './api-client';
import type { Context } from './context';
import { badUse } from './failure';

/** The service that a verb is about: the one named, or the only one there is. */
export async function serviceFor(
  context: Context,
  named: string | undefined,
  usage: (service: string) => string,
): Promise<string> {
  if (named !== undefined) return named;
  const services = await serviceNames(context);
  const [only, other] = services;
  if (only !== undefined && other === undefined) return only;
  throw badUse(`which service? found ${services.join(', ') || 'none'}, expected one of them`, usage(only ?? 'SERVICE'));
}

export async function serviceNames(context: Context): Promise<readonly string[]> {
  const { services } = context.settings();
  return services.length > 0 ? services : (await context.client().services()).map(({ service }) => service);
}

/** `service@version`, or only `version` where there is one service. */
export async function versionFor(
  context: Context,
  text: string,
  usage: (name: string) => string,
): Promise<{ service: string; version: string }> {
  const parts = text.split('@');
  const [service, version] = parts;
  if (parts.length === 2 && service && version) return { service, version };
  if (parts.length === 1 && service && (await serviceNames(context)).includes(service))
    throw badUse(`found "${text}", a service without a version, expected SERVICE@VERSION`, usage(`${service}@VERSION`));
  if (parts.length === 1 && service)
    return { service: await serviceFor(context, undefined, (name) => usage(`${name}@${text}`)), version: text };
  throw badUse(`found "${text}", expected SERVICE@VERSION`, usage('SERVICE@VERSION'));
}

/** The service whose incident or operation of that id is open now. Ids are counted by service, so there may be several. */
export async function serviceOfIncident(
  client: ApiClient,
  id: string,
  named: string | undefined,
  usage: (service: string) => string,
): Promise<string> {
  if (named !== undefined) return named;
  const views = await client.services();
  const matching = views.filter(({ status }) => {
    const state = status?.state;
    return state?.incident?.id === id || state?.operation?.id === id || state?.operation?.incident === id;
  });
  const [hit, other] = matching;
  if (hit && !other) return hit.service;
  if (hit)
    throw badUse(
      `${id}: open in ${matching.map((view) => view.service).join(' and ')}, expected one service`,
      usage(hit.service),
    );
  const [only, second] = views;
  // Nobody has it open: the one service that there is says best why not.
  if (only && !second) return only.service;
  throw badUse(`${id}: no service has an open incident or operation of that id`, 'lastgood incidents');
}
