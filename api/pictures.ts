import type { FastifyInstance, FastifyRequest } from 'fastify';
import { pictureQuery } from './bodies';
import type { ApiPorts } from './ports';
import { notFound, read } from './problem';

/** One at each moment that is drawn; an incident decides only so often. */
const picturesMax = 100;

/** Pictures of incidents, as they were kept; the ledger says which one is the newest. */
export function registerPictures(
  app: FastifyInstance,
  { ledger, evidence }: Pick<ApiPorts, 'ledger' | 'evidence'>,
  serviceOf: (request: FastifyRequest) => string,
): void {
  app.get('/v1/services/:service/incidents/:incident/chart', { config: { needs: 'look' } }, async (request, reply) => {
    const service = serviceOf(request);
    const { incident } = request.params as { incident: string };
    const { digest: wanted } = read(pictureQuery, request.query, 'query');
    const kept = await ledger.read(service, {
      incident,
      kinds: ['evidence-kept'],
      newestFirst: true,
      limit: wanted === undefined ? 1 : picturesMax,
    });
    const digests = kept.map(({ facts }) => digestOf(facts['chart']));
    const digest = digests.find((each) => wanted === undefined || each === wanted) ?? null;
    if (digest === null)
      throw notFound(
        `no picture ${wanted === undefined ? '' : `${wanted} `}of incident "${incident}" of ${service} is on record`,
      );
    const picture = await evidence.read(service, incident, digest);
    if (picture === null) throw notFound(`the picture ${digest} of ${incident} is on record, and its file is gone`);
    return reply
      .type('image/svg+xml; charset=utf-8')
      .header('etag', `"${digest}"`)
      .header('x-content-type-options', 'nosniff')
      .header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'")
      .send(picture);
  });
}

function digestOf(chart: unknown): string | null {
  const digest = typeof chart === 'object' && chart !== null ? (chart as { digest?: unknown }).digest : null;
  return typeof digest === 'string' ? digest : null;
}
