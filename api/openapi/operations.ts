import { z } from 'zod';
import * as bodies from '../bodies';
import { invalidationBody } from '../caches';
import { pauseBody, removeBody, scheduleBody } from '../drill-schedules';
import { secondBody } from '../proposals';
import * as answers from './answers';

/** What one route takes and gives; its right is the route's own word. */
export interface Operation {
  readonly summary: string;
  readonly query?: z.ZodObject;
  readonly headers?: z.ZodObject;
  /** `acts`: the message of the act, without what the interface knows itself. */
  readonly body?: z.ZodType | 'acts' | 'any';
  /** By status: a schema (JSON), or a media type. */
  readonly answers: Readonly<Record<number, readonly [what: string, content: z.ZodType | string]>>;
  /** Only for the user of the controller's own machine. */
  readonly local?: true;
}

const ok = (what: string, content: z.ZodType | string): Operation['answers'] => ({ 200: [what, content] });
const decided: Operation['answers'] = {
  200: ['the decision, not the outcome of its effects', answers.answer],
  409: ['refused, with the reason', answers.answer],
};
const s = '/v1/services/:service';

export const operations: Readonly<Record<string, Operation>> = {
  'GET /metrics': { summary: 'Metrics of the controller for Prometheus', answers: ok('Prometheus text', 'text/plain') },
  'GET /v1/openapi.json': { summary: 'This document', answers: ok('OpenAPI 3.1', answers.anything) },
  'GET /v1/health': {
    summary: 'Whether every part answers',
    answers: { 200: ['all of them', answers.health], 503: ['one does not, and why', answers.health] },
  },
  'GET /v1/me': { summary: 'Who the controller takes the caller for', answers: ok('the caller', answers.me) },
  'GET /v1/services': {
    summary: 'Every service that the caller has a right to',
    answers: ok('their views', z.object({ services: z.array(answers.serviceView) })),
  },
  [`GET ${s}`]: { summary: 'Status of one service', answers: ok('its view', answers.serviceView) },
  [`GET ${s}/events`]: {
    summary: 'Status and decisions as they come (server-sent events: status, entry, end)',
    query: bodies.eventsQuery,
    headers: z.object({ 'Last-Event-ID': z.string().optional() }),
    answers: ok('events; `status` has a view of the service, `entry` a ledger entry', 'text/event-stream'),
  },
  [`POST ${s}/acts/:act`]: {
    summary: 'An act of a person',
    body: 'acts',
    answers: { ...decided, 202: ['it waits for a second person', answers.proposal] },
  },
  [`POST ${s}/webhooks/rollback`]: {
    summary: 'Rolls back now, by a call that one of rollbackWebhooks signed',
    headers: z.object({ 'webhook-id': z.string(), 'webhook-timestamp': z.string(), 'webhook-signature': z.string() }),
    body: bodies.rollbackCallBody,
    answers: decided,
  },
  'GET /v1/proposals': {
    summary: 'Acts that wait for a second person',
    answers: ok('the proposals', z.object({ proposals: z.array(answers.proposal) })),
  },
  'POST /v1/proposals/:id/second': {
    summary: 'Agrees to an act of somebody else; needs the right to that act',
    body: secondBody,
    answers: decided,
  },
  [`GET ${s}/ledger`]: {
    summary: 'Entries of the ledger, at most 1000',
    query: bodies.ledgerQuery,
    answers: ok('a page', answers.ledgerPage),
  },
  [`GET ${s}/ledger/verification`]: {
    summary: 'Recomputes the chain',
    answers: ok('each break located', answers.verification),
  },
  'GET /v1/incidents': {
    summary: 'Incidents, newest first',
    query: bodies.incidentsQuery,
    answers: ok('their summaries', z.object({ incidents: z.array(answers.incident) })),
  },
  [`GET ${s}/incidents/:incident/chart`]: {
    summary: 'The picture of an incident',
    query: bodies.pictureQuery,
    answers: ok('the newest, or the one of that digest', 'image/svg+xml'),
  },
  'GET /v1/answers/:id': {
    summary: 'Which version answered a request',
    answers: ok('the answer record', answers.answerLookup),
  },
  [`GET ${s}/answers`]: {
    summary: 'Which versions answered in the minute of a moment',
    query: bodies.answersQuery,
    answers: ok('the counts', answers.anything),
  },
  [`POST ${s}/feedback`]: {
    summary: 'True labels of answered requests',
    body: bodies.feedbackBody,
    answers: ok('what became of them', answers.feedbackResult),
  },
  [`POST ${s}/observations`]: {
    summary: 'Values of metrics that the service declares',
    body: bodies.observationsBody,
    answers: ok('all of them are kept', answers.observationsTaken),
  },
  [`POST ${s}/reports/:tool`]: {
    summary: 'A report of Evidently or whylogs, as the tool wrote it',
    query: bodies.reportQuery,
    body: 'any',
    answers: ok('what was read of it', answers.observationsTaken),
  },
  [`POST ${s}/alertmanager`]: {
    summary: 'The webhook of an Alertmanager: makes lastgood ask it at once',
    body: bodies.alertmanagerBody,
    answers: ok('how many alerts are asked for', z.object({ asked: z.int(), alerts: z.int() })),
  },
  [`GET ${s}/versions`]: {
    summary: 'Versions of the artifact store, with their standing',
    answers: ok('the versions', z.object({ versions: z.array(answers.version) })),
  },
  [`GET ${s}/versions/:version/proof`]: {
    summary: 'The manifest of a version and its evaluation report',
    answers: ok('both, as they lie in the artifact store', answers.versionProof),
  },
  [`GET ${s}/provenance`]: {
    summary: 'By whose decision a version answered or was live, who vouched for it, how it was evaluated',
    query: bodies.provenanceQuery,
    answers: ok('the entries of the ledger that say so', answers.provenance),
  },
  [`GET ${s}/charts`]: {
    summary: 'Control charts of the last minutes: values, limits, alarms, shifts',
    query: bodies.chartsQuery,
    answers: ok('at most 150 points a chart', answers.charts),
  },
  'GET /v1/backup': {
    summary: 'Every chain of the ledger and where it ends now, for a backup',
    answers: ok('the outline', answers.backupOutline),
    local: true,
  },
  'GET /v1/backup/chains/:chain': {
    summary: 'Rows of one chain as they are stored',
    query: bodies.chainQuery,
    answers: ok('at most 500', answers.chainPage),
    local: true,
  },
  [`GET ${s}/attachment`]: {
    summary: 'Whether lastgood decides about a service',
    answers: ok('attached, or how far the detachment is', answers.attachment),
  },
  [`POST ${s}/attachment`]: {
    summary: 'Attaches a detached service again, as one that something else runs',
    body: bodies.attachBody,
    answers: ok('attached', answers.attachment),
  },
  [`GET ${s}/restoration`]: {
    summary: 'What a restored service declares and what is there',
    answers: ok('the differences', answers.restoration),
  },
  [`POST ${s}/restoration/acceptance`]: {
    summary: 'A person accepts what is there',
    body: bodies.acceptRestorationBody,
    answers: ok('what was answered', answers.restorationAccepted),
  },
  [`GET ${s}/caches`]: {
    summary: 'Output caches of a service',
    answers: ok('the caches', z.object({ caches: z.array(answers.cache) })),
  },
  [`POST ${s}/caches/invalidations`]: {
    summary: 'Nothing that is stored now is served again',
    body: invalidationBody,
    answers: {
      200: ['all were told', answers.cacheInvalidated],
      502: ['one could not be told', answers.cacheInvalidated],
    },
  },
  [`GET ${s}/items`]: {
    summary: 'What degraded versions handled, by incident',
    answers: ok('newest first', z.object({ incidents: z.array(answers.items) })),
  },
  [`GET ${s}/items/:incident`]: { summary: 'The items of one incident', answers: ok('the items', answers.items) },
  [`GET ${s}/items/:incident/lists/:digest`]: {
    summary: 'One part of a list of items; its first line names the part before it',
    answers: ok('one JSON object a line', 'application/x-ndjson'),
  },
  [`POST ${s}/items/:incident/sign-off`]: {
    summary: 'Signs treated items off',
    body: bodies.signOffBody,
    answers: ok('how many pipelines', z.object({ signedOff: z.int() })),
  },
  [`POST ${s}/items/:incident/orders`]: {
    summary: 'Says how a pipeline that is stuck goes on',
    body: bodies.itemsOrderBody,
    answers: ok('the order', z.object({ ordered: z.string() })),
  },
  [`GET ${s}/drills/schedule`]: { summary: 'When drills begin', answers: ok('the schedule', answers.schedule) },
  [`POST ${s}/drills/schedule`]: {
    summary: 'Schedules drills: either everyMs or cron',
    body: scheduleBody,
    answers: ok('the schedule', answers.schedule),
  },
  [`POST ${s}/drills/schedule/pause`]: {
    summary: 'Pauses the schedule, or lets it go on',
    body: pauseBody,
    answers: ok('the schedule', answers.schedule),
  },
  [`POST ${s}/drills/schedule/remove`]: {
    summary: 'Removes the schedule',
    body: removeBody,
    answers: ok('no schedule', answers.schedule),
  },
  'POST /v1/artifacts/import': {
    summary: 'Imports a version from a directory of the controller’s machine',
    body: bodies.importBody,
    answers: ok('the version', answers.imported),
    local: true,
  },
  [`POST ${s}/chaos`]: {
    summary: 'Writes the begin or the end of a chaos experiment down',
    // Its facts are any JSON, which would be a schema that names itself.
    body: bodies.chaosBody.extend({ facts: z.record(z.string().max(64), z.unknown()) }),
    answers: ok('written', answers.recorded),
    local: true,
  },
  [`POST ${s}/prunings`]: {
    summary: 'Writes down what is about to leave the artifact store',
    body: bodies.pruningBody,
    answers: ok('written', answers.recorded),
    local: true,
  },
  'POST /v1/blind': {
    summary: 'The watchdog’s word on a time in which nobody decided',
    body: bodies.blindBody,
    answers: ok('written', answers.recorded),
    local: true,
  },
};
