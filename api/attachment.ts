import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Actor, LedgerEntry } from '../domain/ledger';
import { attachBody } from './bodies';
import type { ApiPorts } from './ports';
import { ApiError, read } from './problem';
import type { Attachment } from './types';

/** Whether lastgood has let go of a service, how far that is, and taking it on again. */
export function registerAttachment(
  app: FastifyInstance,
  ports: ApiPorts,
  about: {
    readonly serviceOf: (request: FastifyRequest) => string;
    readonly actorOf: (request: FastifyRequest) => Actor;
  },
): void {
  app.get('/v1/services/:service/attachment', { config: { needs: 'look' } }, (request) =>
    attachmentOf(ports, about.serviceOf(request)),
  );

  app.post('/v1/services/:service/attachment', { config: { needs: 'detach' } }, async (request) => {
    const service = about.serviceOf(request);
    const { requestId, reason } = read(attachBody, request.body, 'body');
    const attachment = await attachmentOf(ports, service);
    if (attachment.attached) throw refused(`${service} is not detached`);
    if (!attachment.ended) throw refused(`the detachment of ${service} has not ended yet; wait until it has`);
    await ports.ledger.append(attachedEntry(service, about.actorOf(request), requestId, reason));
    ports.attachmentsChanged?.();
    return await attachmentOf(ports, service);
  });
}

export async function attachmentOf({ ledger }: Pick<ApiPorts, 'ledger'>, service: string): Promise<Attachment> {
  const [newest] = await ledger.read(service, { kinds: ['detached', 'attached'], newestFirst: true, limit: 1 });
  if (newest?.kind !== 'detached')
    return { service, attached: true, ended: true, at: null, by: null, summary: '', addresses: [] };
  const { stage, addresses } = newest.facts;
  return {
    service,
    attached: false,
    ended: stage === 'ended',
    at: newest.at,
    by: newest.actor.name,
    summary: newest.summary,
    addresses: Array.isArray(addresses) ? addresses.filter((one): one is string => typeof one === 'string') : [],
  };
}

function attachedEntry(service: string, actor: Actor, requestId: string, reason: string): LedgerEntry {
  return {
    service,
    key: `attach/${requestId}`,
    at: Date.now(),
    kind: 'attached',
    incident: null,
    actor,
    summary: `${actor.name} attaches the service again, as one that something else runs: ${reason}`,
    facts: { reason },
  };
}

function refused(why: string): ApiError {
  return new ApiError(409, 'It is refused', why);
}
