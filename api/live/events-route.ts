import type { FastifyInstance, FastifyRequest } from 'fastify';
import { eventsQuery } from '../bodies';
import type { ApiPorts } from '../ports';
import { badRequest, read } from '../problem';
import { callerOf } from '../rights';
import type { EventStream } from './event-stream';
import type { LiveFeeds } from './live-feeds';

/**
 * `GET /v1/services/{s}/events`: server-sent events. `status` (the view of a service, at first and when it changes), `entry` (of the
 * ledger; its id is the sequence), `end` (`{why}`). Resumes after `Last-Event-ID`, or after `?after=` where a client has none yet.
 */
export function registerEvents(
  app: FastifyInstance,
  { ledger }: Pick<ApiPorts, 'ledger'>,
  live: LiveFeeds,
  known: (request: FastifyRequest) => ApiPorts['services'][number],
): void {
  const streams = new Set<EventStream>();

  app.get('/v1/services/:service/events', { config: { needs: 'look' } }, async (request, reply) => {
    const service = known(request);
    const after = resumeAfter(request);
    if (after !== null) {
      // A ledger that does not answer says nothing against it.
      const head = await ledger.head(service.name).catch(() => undefined);
      const end = head === null ? 0 : (head?.seq ?? Infinity);
      if (after > end)
        throw badRequest(
          `Last-Event-ID: found ${after}, but the ledger of ${service.name} ends at ${end}; listen without it, and read the ledger anew`,
        );
    }
    const { actor } = callerOf(request);
    const stream = live.open(service, actor.name, after);
    streams.add(stream);
    const alive = setInterval(() => {
      // Whoever lost the right meanwhile (expired, taken out of the file, another role) hears nothing any more.
      request.proveAgain().then(
        () => stream.alive(),
        (error: unknown) => stream.end((error as Error).message),
      );
    }, live.limits.aliveMs);
    stream.body.once('close', () => {
      clearInterval(alive);
      streams.delete(stream);
    });
    return reply
      .type('text/event-stream')
      .header('cache-control', 'no-store')
      .header('x-accel-buffering', 'no')
      .send(stream.body);
  });

  app.addHook('preClose', (done) => {
    for (const stream of streams) stream.end('the controller stops; come back to the one that follows');
    done();
  });
}

function resumeAfter(request: FastifyRequest): number | null {
  const { after } = read(eventsQuery, request.query, 'query');
  const last = request.headers['last-event-id'];
  if (last === undefined || last === '') return after ?? null;
  return read(eventsQuery, { after: last }, 'Last-Event-ID').after ?? null;
}
