import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ChainedEntry, Json, LedgerEntry } from '../domain/ledger';
import { itemsOrderSchema } from '../workflows/contract/items';
import { itemsOrderBody, listDigest, signOffBody } from './bodies';
import type { Caller } from './identity/caller';
import type { ApiPorts } from './ports';
import { ApiError, notFound, read } from './problem';
import { appendOnce } from './repeated';
import type { ItemsProgress, ItemsView } from './types';

const ENTRY_KINDS = ['items-began', 'items-treated', 'items-ended', 'items-signed-off'] as const;
const INCIDENTS = 20;

type Ports = Pick<ApiPorts, 'ledger' | 'evidence' | 'items'>;

/** What a degraded version handled, by incident: what was done with it, the lists, and the word of a person. */
export function registerItems(
  app: FastifyInstance,
  ports: Ports,
  serviceOf: (request: FastifyRequest) => string,
  callerOf: (request: FastifyRequest) => Caller,
): void {
  app.get(
    '/v1/services/:service/items',
    { config: { needs: 'look' } },
    async (request): Promise<{ incidents: ItemsView[] }> => {
      const service = serviceOf(request);
      const began = await ports.ledger.read(service, { kinds: ['items-began'], newestFirst: true, limit: INCIDENTS });
      const incidents = began.flatMap(({ incident }) => (incident === null ? [] : [incident]));
      return { incidents: await Promise.all(incidents.map((incident) => viewItems(ports, service, incident))) };
    },
  );

  app.get('/v1/services/:service/items/:incident', { config: { needs: 'look' } }, (request) =>
    viewItems(ports, serviceOf(request), incidentOf(request)),
  );

  app.get(
    '/v1/services/:service/items/:incident/lists/:digest',
    { config: { needs: 'treatItems' } },
    async (request, reply) => {
      const digest = read(listDigest, (request.params as { digest: string }).digest, 'digest');
      const incident = incidentOf(request);
      const list = await ports.evidence.read(serviceOf(request), incident, digest, 'ndjson');
      if (list === null) throw notFound(`the list ${digest} of ${incident} is not kept here`);
      return reply.type('application/x-ndjson').send(list);
    },
  );

  app.post('/v1/services/:service/items/:incident/sign-off', { config: { needs: 'treatItems' } }, async (request) => {
    const service = serviceOf(request);
    const incident = incidentOf(request);
    const { pipeline, reason, requestId = randomUUID() } = read(signOffBody, request.body, 'body');
    const { treated } = await viewItems(ports, service, incident);
    const { actor } = callerOf(request);
    const wanted = treated.filter(({ facts }) => pipeline === undefined || facts['pipeline'] === pipeline);
    if (wanted.length === 0)
      throw new ApiError(
        409,
        'Nothing to sign off',
        `no pipeline${pipeline ? ` ${pipeline}` : ''} of ${incident} is treated`,
      );
    const names = wanted.map(({ facts }) => String(facts['pipeline'])).join(', ');
    const entry: LedgerEntry = {
      service,
      key: `items-sign-off/${requestId}`,
      at: Date.now(),
      kind: 'items-signed-off',
      incident,
      actor,
      summary: `the items of ${names} are signed off by ${actor.name}: ${reason}`.slice(0, 1_000),
      facts: {
        reason,
        // The list that was looked at, by its digest: a later one is another list.
        pipelines: wanted.map(({ facts }): Json => ({
          pipeline: facts['pipeline'] ?? null,
          list: facts['list'] ?? null,
        })),
      },
    };
    // Said again, it is the word on the lists of then, whatever was treated meanwhile.
    const there = await appendOnce(
      ports.ledger,
      entry,
      ({ incident: of, facts }) =>
        of === incident && facts['reason'] === reason && isAbout(facts['pipelines'], pipeline),
    );
    const { pipelines } = there.facts;
    return { signedOff: Array.isArray(pipelines) ? pipelines.length : 0 };
  });

  app.post('/v1/services/:service/items/:incident/orders', { config: { needs: 'treatItems' } }, async (request) => {
    const { actor } = callerOf(request);
    const body = read(itemsOrderBody, request.body, 'body');
    if (!ports.items) throw notFound('no pipelines are treated here');
    await ports.items.order(serviceOf(request), incidentOf(request), itemsOrderSchema.parse({ ...body, actor }));
    return { ordered: body.order };
  });
}

function isAbout(pipelines: Json | undefined, pipeline: string | undefined): boolean {
  if (pipeline === undefined) return true;
  const [one, more] = Array.isArray(pipelines) ? (pipelines as readonly { readonly [key: string]: Json }[]) : [];
  return one?.['pipeline'] === pipeline && more === undefined;
}

function incidentOf(request: FastifyRequest): string {
  return (request.params as { incident: string }).incident;
}

async function viewItems(ports: Ports, service: string, incident: string): Promise<ItemsView> {
  const entries = await ports.ledger.read(service, { incident, kinds: ENTRY_KINDS });
  const of = (kind: ChainedEntry['kind']): ChainedEntry[] => entries.filter((entry) => entry.kind === kind);
  const [began] = of('items-began');
  if (!began) throw notFound(`no items of incident "${incident}" of ${service} are on record`);
  const ended = of('items-ended')[0] ?? null;
  const progress = ended === null ? await progressOf(ports, service, incident) : null;
  return { incident, began, treated: of('items-treated'), ended, signedOff: of('items-signed-off'), progress };
}

/** Null where the workflow cannot be asked. */
async function progressOf({ items }: Ports, service: string, incident: string): Promise<ItemsProgress | null> {
  return (await items?.progress(service, incident).catch(() => null)) ?? null;
}

/** What is being treated now, newest first; for the status of a service. */
export async function itemsInProgress(ports: Ports, service: string): Promise<ItemsProgress[]> {
  const began = await ports.ledger.read(service, { kinds: ['items-began'], newestFirst: true, limit: INCIDENTS });
  const ended = await ports.ledger.read(service, { kinds: ['items-ended'], newestFirst: true, limit: INCIDENTS });
  const over = new Set(ended.map(({ incident }) => incident));
  const open = began.flatMap(({ incident }) => (incident === null || over.has(incident) ? [] : [incident]));
  const asked = await Promise.all(open.map((incident) => progressOf(ports, service, incident)));
  return asked.filter((one) => one !== null);
}
