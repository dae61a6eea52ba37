import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Actor, LedgerEntry } from '../domain/ledger';
import { messageSchemas } from '../workflows/contract/messages';
import type { DrillRequest } from '../workflows/contract/drill';
import type { ApiPorts } from './ports';
import { badRequest, read } from './problem';
import { appendOnce } from './repeated';
import type { DrillScheduleView } from './types';

const reason = z.string().min(1).max(500);
/** Whoever lost the answer says it again with the same one. */
const requestId = z.string().min(1).max(128).exactOptional();
const parts = messageSchemas.drill.shape;

/** The service must be at rest again between two of them. */
const EVERY_MIN_MS = 10 * 60_000;

const scheduleBody = z.strictObject({
  reason,
  requestId,
  everyMs: z
    .int()
    .min(EVERY_MIN_MS)
    .max(366 * 86_400_000)
    .exactOptional(),
  cron: z
    .string()
    .regex(/^\S+( \S+){4}$/, 'five fields, such as 0 3 * * 1 (UTC)')
    .max(100)
    .exactOptional(),
  request: z.strictObject({
    way: z.enum(['mirror', 'replay'], 'mirror or replay: a live drill is asked for by a person each time'),
    version: parts.version,
    degrade: parts.degrade,
    share: parts.share,
    forMs: parts.forMs,
    expect: parts.expect,
  }),
});
const pauseBody = z.strictObject({ reason, requestId, paused: z.boolean() });
const removeBody = z.strictObject({ reason, requestId });

/** Schedules of drills: kept by Temporal, each change in the ledger with its actor. */
export function registerDrillSchedules(
  app: FastifyInstance,
  { schedules, ledger }: Pick<ApiPorts, 'schedules' | 'ledger'>,
  about: {
    readonly serviceOf: (request: FastifyRequest) => string;
    readonly actorOf: (request: FastifyRequest) => Actor;
  },
): void {
  const { serviceOf, actorOf } = about;
  const path = '/v1/services/:service/drills/schedule';
  const answer = async (service: string): Promise<{ schedule: DrillScheduleView | null }> => ({
    schedule: await schedules.read(service),
  });
  app.get(path, { config: { needs: 'look' } }, (request) => answer(serviceOf(request)));
  app.post(path, { config: { needs: 'drill' } }, async (request) => {
    const service = serviceOf(request);
    const body = read(scheduleBody, request.body, 'body');
    const { everyMs, cron } = body;
    if ((everyMs === undefined) === (cron === undefined)) throw badRequest('body: expected either everyMs or cron');
    const when = cron ?? `every ${Math.round((everyMs ?? 0) / 60_000)} min`;
    await appendOnce(ledger, entry(service, actorOf(request), `schedules drills (${when})`, body));
    const asked = { ...body.request, reason: body.reason } as DrillRequest;
    const each = everyMs === undefined ? { cron: cron ?? '' } : { everyMs };
    await schedules.put(service, { ...each, request: asked, note: body.reason });
    return await answer(service);
  });
  app.post(`${path}/pause`, { config: { needs: 'drill' } }, async (request) => {
    const service = serviceOf(request);
    const body = read(pauseBody, request.body, 'body');
    await exists(schedules, service);
    const what = body.paused ? 'pauses the schedule of drills' : 'lets the schedule of drills go on';
    await appendOnce(ledger, entry(service, actorOf(request), what, body));
    await schedules.setPaused(service, body.paused, body.reason);
    return await answer(service);
  });
  app.post(`${path}/remove`, { config: { needs: 'drill' } }, async (request) => {
    const service = serviceOf(request);
    const body = read(removeBody, request.body, 'body');
    await exists(schedules, service);
    await appendOnce(ledger, entry(service, actorOf(request), 'removes the schedule of drills', body));
    await schedules.remove(service);
    return await answer(service);
  });
}

async function exists(schedules: ApiPorts['schedules'], service: string): Promise<void> {
  if ((await schedules.read(service)) === null) throw badRequest(`${service} has no schedule of drills`);
}

function entry(
  service: string,
  actor: Actor,
  what: string,
  { reason: why, requestId: id = randomUUID() }: { readonly reason: string; readonly requestId?: string },
): LedgerEntry {
  return {
    service,
    key: `drill-schedule/${id}`,
    at: Date.now(),
    kind: 'operator-act',
    incident: null,
    actor,
    summary: `${actor.name} ${what}: ${why}`.slice(0, 1_000),
    facts: { act: 'drill-schedule' },
  };
}
