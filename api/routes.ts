import { randomUUID } from 'node:crypto';
import { isAbsolute } from 'node:path';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Actor, LedgerEntry } from '../domain/ledger';
import { rightsOf } from '../domain/roles';
import { messageNames, parseMessage } from '../workflows/contract/messages';
import { mapAtOnce } from './at-once';
import { answersQuery, blindBody, feedbackBody, importBody, incidentsQuery, ledgerQuery, pruningBody } from './bodies';
import { registerAttachment } from './attachment';
import { registerBackup } from './backup';
import { registerCaches } from './caches';
import { registerCharts } from './charts';
import { registerChaos } from './chaos';
import { registerDrillSchedules } from './drill-schedules';
import { registerItems } from './items';
import { listIncidents } from './incidents';
import { registerEvents } from './live/events-route';
import type { LiveFeeds } from './live/live-feeds';
import { registerPictures } from './pictures';
import type { ApiPorts } from './ports';
import { Proposals, registerProposals } from './proposals';
import { registerProvenance } from './provenance';
import { registerRestoration } from './restoration';
import { registerPushed } from './pushed';
import { authoriseMetrics } from './identity/caller';
import { ApiError, badRequest, notFound, unknownName, read } from './problem';
import { callerOf, onlyLocal, visible } from './rights';
import { viewService } from './service-view';
import type { ActName, Answer, IncidentSummary, LedgerPage, Me, Proposal, Pruning, VersionView } from './types';
import { registerRollbackWebhook } from './webhooks/rollback-route';

const actNames = messageNames.filter((name): name is ActName => name !== 'configure');
const ledgerPageMax = 1_000;
const viewsAtOnce = 16;

/** One act of one actor, by whatever way it came: the decision, or that it waits for a second person. */
export type Decide = (
  service: string,
  act: ActName,
  body: Readonly<Record<string, unknown>>,
  actor: Actor,
) => Promise<{ readonly status: 200 | 202 | 409; readonly answer: Answer | Proposal }>;

export function registerRoutes(app: FastifyInstance, ports: ApiPorts, live: LiveFeeds): void {
  const known = (request: FastifyRequest): ApiPorts['services'][number] => {
    const { service } = request.params as { service: string };
    const found = ports.services.find(({ name }) => name === service);
    if (found !== undefined) return found;
    throw unknownName(
      `service: found "${service}", expected one of ${ports.services.map(({ name }) => name).join(', ')}`,
    );
  };

  const proposals = new Proposals(ports);
  const decide: Decide = async (service, act, body, actor) => {
    const proposal = await proposals.propose(service, act, body, actor);
    if (proposal) return { status: 202, answer: proposal };
    const parsed = parseMessage(act, { requestId: randomUUID(), ...body, actor });
    if (!parsed.ok) throw badRequest(parsed.problem);
    const answer = await ports.decisions.act(service, act, parsed.message);
    return { status: answer.decision === 'refused' ? 409 : 200, answer };
  };

  app.get('/v1/health', { config: { needs: 'open' } }, async (_request, reply) => {
    const health = await ports.health();
    return reply.code(health.ok ? 200 : 503).send(health);
  });

  app.get('/metrics', { config: { needs: 'open' } }, async (_request, reply) =>
    reply.type(ports.metrics.contentType).send(await ports.metrics.text()),
  );

  // Anybody who is somebody.
  app.get('/v1/me', { config: { needs: () => null } }, (request): Me => {
    const { actor, roles, services, metrics } = callerOf(request);
    return { actor, roles, rights: rightsOf(roles), services, metrics };
  });

  app.get('/v1/services', { config: { needs: 'look' } }, async (request) => ({
    services: await mapAtOnce(viewsAtOnce, visible(request, ports.services), ({ name, model }) =>
      viewService(ports, name, model),
    ),
  }));

  app.get('/v1/services/:service', { config: { needs: 'look' } }, async (request) => {
    const { name, model } = known(request);
    return await viewService(ports, name, model);
  });

  app.post(
    '/v1/services/:service/acts/:act',
    { config: { needs: ({ act }) => actNames.find((one) => one === act) ?? null } },
    async (request, reply) => {
      const { name } = known(request);
      const { act } = request.params as { act: string };
      const actName = actNames.find((one) => one === act);
      if (actName === undefined) throw unknownName(`act: found "${act}", expected one of ${actNames.join(', ')}`);
      const body = readObject(request.body);
      if ('actor' in body) throw badRequest('body.actor: not accepted, the actor is who sends the request');
      if ('second' in body || 'signature' in body)
        throw badRequest('body.second, body.signature: not accepted, whoever seconds sends a request of their own');
      const { status, answer } = await decide(name, actName, body, callerOf(request).actor);
      if (actName === 'detach' && status === 200) ports.attachmentsChanged?.();
      return reply.code(status).send(answer);
    },
  );

  app.get('/v1/services/:service/ledger', { config: { needs: 'look' } }, async (request): Promise<LedgerPage> => {
    const { name } = known(request);
    const query = read(ledgerQuery, request.query, 'query');
    const entries = await ports.ledger.read(name, {
      limit: Math.min(query.limit ?? ledgerPageMax, ledgerPageMax),
      ...(query.after === undefined ? {} : { afterSeq: query.after }),
      ...(query.incident === undefined ? {} : { incident: query.incident }),
      ...(query.kinds === undefined ? {} : { kinds: query.kinds.split(',') }),
      ...(query.until === undefined ? {} : { untilMs: query.until }),
      ...(query.newestFirst === undefined ? {} : { newestFirst: query.newestFirst }),
    });
    return { entries, head: await ports.ledger.head(name) };
  });

  app.get('/v1/services/:service/ledger/verification', { config: { needs: 'look' } }, (request) =>
    ports.ledger.verify(known(request).name),
  );

  app.get(
    '/v1/incidents',
    { config: { needs: 'look' } },
    async (request): Promise<{ incidents: IncidentSummary[] }> => {
      const { service, limit = 50 } = read(incidentsQuery, request.query, 'query');
      const wanted = visible(request, ports.services).filter(({ name }) => service === undefined || name === service);
      if (wanted.length === 0) throw unknownName(`service: found "${service ?? ''}", which is not configured`);
      const lists = await Promise.all(
        wanted.map(({ name }) => listIncidents(ports.ledger, name, Math.min(limit, 500))),
      );
      return {
        incidents: lists
          .flat()
          .sort((a, b) => b.beganAt - a.beganAt)
          .slice(0, limit),
      };
    },
  );

  app.get('/v1/answers/:id', { config: { needs: 'look' } }, async (request) => {
    const { id } = request.params as { id: string };
    // A path to the gateway would lead elsewhere with them.
    if (id === '.' || id === '..') throw badRequest(`id: found "${id}", expected the id of a request`);
    const lookup = await ports.telemetry.answer(id);
    if (lookup.known && visible(request, [{ name: lookup.answer.service }]).length === 0)
      throw notFound(`no answer ${id} of a service that you have a right to is on record`);
    return lookup;
  });

  app.get('/v1/services/:service/answers', { config: { needs: 'look' } }, (request) =>
    ports.telemetry.answersAt(known(request).name, read(answersQuery, request.query, 'query').at),
  );

  app.post('/v1/services/:service/feedback', { config: { needs: 'observe' } }, (request) => {
    authoriseMetrics(callerOf(request), ['labels']);
    return ports.telemetry.feedback(known(request).name, read(feedbackBody, request.body, 'body').items);
  });

  registerEvents(app, ports, live, known);
  registerRollbackWebhook(app, ports, { service: (request) => known(request).name, decide });
  registerProposals(app, ports, proposals);
  registerPushed(app, ports, (request) => known(request).name);
  registerItems(app, ports, (request) => known(request).name, callerOf);
  registerDrillSchedules(app, ports, {
    serviceOf: (request) => known(request).name,
    actorOf: (request) => callerOf(request).actor,
  });
  registerProvenance(app, ports, (request) => known(request).name);
  registerCharts(app, ports, (request) => known(request).name);
  registerBackup(app, ports);
  registerAttachment(app, ports, {
    serviceOf: (request) => known(request).name,
    actorOf: (request) => callerOf(request).actor,
  });
  registerRestoration(app, ports, { serviceOf: known, actorOf: (request) => callerOf(request).actor });
  registerPictures(app, ports, (request) => known(request).name);
  registerChaos(app, ports, (request) => known(request));
  registerCaches(app, ports, {
    service: (request) => known(request).name,
    actor: (request) => callerOf(request).actor,
  });

  app.get(
    '/v1/services/:service/versions',
    { config: { needs: 'look' } },
    async (request): Promise<{ versions: VersionView[] }> => {
      const { name, model } = known(request);
      const [stored, view] = await Promise.all([ports.artifacts.list(name), viewService(ports, name, model)]);
      const state = view.status?.state ?? null;
      return {
        versions: stored.map((info) => {
          const facts = state?.versions.find(({ version }) => version === info.version);
          return {
            ...info,
            standing: facts?.standing ?? null,
            why: facts?.why ?? null,
            human: facts?.human ?? null,
            live: (state?.declared ?? view.gateway?.record)?.primary === info.version,
            standby: state?.standby?.version === info.version,
          };
        }),
      };
    },
  );

  app.post('/v1/artifacts/import', { config: { needs: 'import' } }, async (request) => {
    onlyLocal(request);
    const { path } = read(importBody, request.body, 'body');
    if (!isAbsolute(path)) throw badRequest(`body.path: found "${path}", expected an absolute path`);
    const imported = await ports.artifacts.import(path).catch((error: Error) => {
      // What lies there is no version that may come in: an answer about the request, not a part that is away.
      if (error.name === 'ArtifactRefused') throw new ApiError(409, 'It is refused', error.message);
      throw error;
    });
    // A workflow that cannot be told reads the store by itself, within a minute.
    await Promise.allSettled(ports.services.map(({ name }) => ports.decisions.artifactsChanged(name)));
    return imported;
  });

  app.post('/v1/services/:service/prunings', { config: { needs: 'prune' } }, async (request) => {
    onlyLocal(request);
    const { name, legalHold } = known(request);
    if (legalHold) throw new ApiError(409, 'Under a legal hold', heldWords(name, legalHold));
    const { actor } = callerOf(request);
    await ports.ledger.append(pruningEntry(name, actor, read(pruningBody, request.body, 'body')));
    return { recorded: 1 };
  });

  app.post('/v1/blind', { config: { needs: 'tellBlindness' } }, async (request) => {
    onlyLocal(request);
    const report = read(blindBody, request.body, 'body');
    for (const { name } of ports.services) await ports.ledger.append(blindEntry(name, report));
    return { recorded: ports.services.length };
  });
}

/** The watchdog's word on a time in which nobody decided; its key makes a repeated report the same entry. */
function blindEntry(service: string, report: { fromMs: number; toMs: number; why: string }): LedgerEntry {
  const seconds = Math.round((report.toMs - report.fromMs) / 1000);
  return {
    service,
    key: `watchdog/${report.fromMs}`,
    at: Math.round(report.toMs),
    kind: 'blind',
    incident: null,
    actor: { name: 'watchdog', proof: 'lastgood', from: 'supervisor' },
    summary: `nobody could decide for ${seconds} s: ${report.why}`,
    facts: { fromMs: report.fromMs, toMs: report.toMs, why: report.why },
  };
}

function heldWords(service: string, { by, reason }: { readonly by: string; readonly reason: string }): string {
  return `nothing is removed: ${service} is under a legal hold by ${by} (${reason}); end it in the configuration (services.${service}.legalHold) first`;
}

/** What leaves the artifact store is decided by a person, outside the service workflow; the request names the entry. */
function pruningEntry(service: string, actor: Actor, body: Pruning): LedgerEntry {
  const { requestId, atMs, keep, reason, versions } = body;
  const names = versions.map(({ version }) => version).join(', ');
  return {
    service,
    key: `prune/${requestId}`,
    at: Math.round(atMs),
    kind: 'operator-act',
    incident: null,
    actor,
    summary: `removes ${names} from the artifact store, by ${actor.name}: ${reason}`,
    facts: { act: 'prune', keep, versions },
  };
}

function readObject(body: unknown): Record<string, unknown> {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Record<string, unknown>;
  throw badRequest('body: expected a JSON object');
}
